package system

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"

	"schoolbell"
	"schoolbell/client"
)

// Counter compares what the program says about the deliveries of events with a full count of them. Its methods
// return errors instead of failing the test, so that it works while parts are broken, and may be used
// by one goroutine that is not the test's.
type Counter struct {
	school *School
	db     *sql.DB
	driver string
}

// Counter returns a counter of the school's ledger. It ends with the test.
func (s *School) Counter() *Counter {
	s.t.Helper()
	db, err := sql.Open(s.Ledger.driver, s.Ledger.dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close() })
	db.SetMaxIdleConns(0)
	return &Counter{school: s, db: db, driver: s.Ledger.driver}
}

// statuses and outcomes by their numbers in the ledger.
var (
	statuses = []schoolbell.DeliveryStatus{schoolbell.DeliveryPending, schoolbell.DeliverySending, schoolbell.DeliverySent, schoolbell.DeliveryFailed,
		schoolbell.DeliverySuppressed, schoolbell.DeliveryUncertain, schoolbell.DeliveryCancelled, schoolbell.DeliveryExpired}
	outcomes = []schoolbell.Outcome{"", schoolbell.OutcomeDelivered, schoolbell.OutcomeBounced, schoolbell.OutcomeComplained, schoolbell.OutcomeRead,
		schoolbell.OutcomeAcknowledged}
	channels = map[int]schoolbell.Channel{inApp: schoolbell.ChannelInApp, email: schoolbell.ChannelEmail}
)

// Totals compares the totals of all events with a count of their rows. One statement reads both, so both are of
// the same moment. It returns what differs, empty if nothing does.
func (c *Counter) Totals(ctx context.Context) (differences string, err error) {
	// On PostgreSQL, rows of a batch in work are not in the totals.
	inWork := `UNION ALL
			SELECT b.event_seq, b.wave, b.channel, d.status, d.outcome, d.n
			FROM batches b
			CROSS JOIN LATERAL (
				SELECT status, outcome, count(*) AS n
				FROM deliveries
				WHERE event_seq = b.event_seq AND wave = b.wave AND channel = b.channel AND user_seq BETWEEN b.first_user AND b.last_user
				GROUP BY status, outcome) d
			WHERE b.in_work`
	if c.driver != "pgx" {
		inWork = ""
	}
	rows, err := c.db.QueryContext(ctx, `
		SELECT e.id, t.wave, t.channel, t.status, t.outcome, sum(t.n)
		FROM (
			SELECT event_seq, wave, channel, status, outcome, n FROM totals `+inWork+`
			UNION ALL
			SELECT event_seq, wave, channel, status, outcome, -1 FROM deliveries) t
		JOIN events e ON e.seq = t.event_seq
		GROUP BY e.id, t.wave, t.channel, t.status, t.outcome
		HAVING sum(t.n) <> 0`)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var wave, channel, status, outcome, more int
		if err := rows.Scan(&id, &wave, &channel, &status, &outcome, &more); err != nil {
			return "", err
		}
		differences += fmt.Sprintf("event %s, wave %d, channel %d, status %d, outcome %d: the totals have %+d; ", id, wave, channel, status, outcome, more)
	}
	return differences, rows.Err()
}

// Count is a full count of the deliveries of one event at one moment.
type Count struct {
	Walked   bool   // the whole audience has its deliveries
	Changed  string // when the newest change of a row was made
	Channels map[schoolbell.Channel]schoolbell.ChannelProgress
}

// Count counts the deliveries of an event row by row, in one statement.
func (c *Counter) Count(ctx context.Context, eventID string) (Count, error) {
	n := Count{Channels: map[schoolbell.Channel]schoolbell.ChannelProgress{}}
	rows, err := c.db.QueryContext(ctx, `
		SELECT w.walked, d.channel, d.status, d.outcome, count(*), CAST(max(max(d.updated_at)) OVER () AS text)
		FROM events e
		JOIN waves w ON w.event_seq = e.seq AND w.n = 0
		JOIN deliveries d ON d.event_seq = e.seq AND d.wave = 0
		WHERE e.id = $1
		GROUP BY w.walked, d.channel, d.status, d.outcome`, eventID)
	if err != nil {
		return n, err
	}
	defer rows.Close()
	for rows.Next() {
		var channel, status, outcome, deliveries int
		if err := rows.Scan(&n.Walked, &channel, &status, &outcome, &deliveries, &n.Changed); err != nil {
			return n, err
		}
		p := n.Channels[channels[channel]]
		p.Add(statuses[status], outcomes[outcome], deliveries)
		n.Channels[channels[channel]] = p
	}
	return n, rows.Err()
}

// Answer is how an answer of the API about an event compares with the rows.
type Answer struct {
	Open  bool   // the event was not completed or cancelled
	Quiet bool   // nothing changed meanwhile, so all numbers were compared; else only those that never decrease
	Wrong string // what differs, empty if nothing does
}

// Answer compares the API's answer about an event with counts right before and right after it, and with the number of
// people whom the event concerns.
func (c *Counter) Answer(ctx context.Context, eventID string, people int) (Answer, error) {
	before, err := c.Count(ctx, eventID)
	if err != nil {
		return Answer{}, err
	}
	ev, err := c.school.Client.Event(ctx, eventID)
	if err != nil {
		return Answer{}, err
	}
	after, err := c.Count(ctx, eventID)
	if err != nil {
		return Answer{}, err
	}
	if ev.Progress == nil {
		return Answer{Wrong: "the answer has no progress"}, nil
	}
	a := Answer{Open: !ev.Status.Terminal(), Quiet: reflect.DeepEqual(before, after)}
	for _, ch := range channels {
		from, got, to := before.Channels[ch], ev.Progress.Channels[ch], after.Channels[ch]
		switch sum := got.Pending + got.Sent + got.Failed + got.Suppressed + got.Uncertain + got.Cancelled + got.Expired; {
		case sum != got.Total:
			a.Wrong += fmt.Sprintf("%s: the statuses are %d deliveries of %d; ", ch, sum, got.Total)
		case before.Walked && got.Total != people:
			a.Wrong += fmt.Sprintf("%s: %d deliveries for %d people; ", ch, got.Total, people)
		case a.Quiet && got != to:
			a.Wrong += fmt.Sprintf("%s: it says %+v, the rows say %+v; ", ch, got, to)
		case !between(from, got, to):
			a.Wrong += fmt.Sprintf("%s: it says %+v, the rows said %+v before and %+v after; ", ch, got, from, to)
		}
	}
	return a, nil
}

// between reports whether the numbers that never decrease lie between those of two moments. Retries take rows away
// from those that failed.
func between(before, got, after schoolbell.ChannelProgress) bool {
	for _, n := range [][3]int{
		{before.Total, got.Total, after.Total}, {before.Sent, got.Sent, after.Sent}, {before.Uncertain, got.Uncertain, after.Uncertain},
		{before.Suppressed, got.Suppressed, after.Suppressed}, {before.Cancelled, got.Cancelled, after.Cancelled},
		{before.Acknowledged, got.Acknowledged, after.Acknowledged},
		{before.Read + before.Acknowledged, got.Read + got.Acknowledged, after.Read + after.Acknowledged},
	} {
		if n[1] < n[0] || n[1] > n[2] {
			return false
		}
	}
	return true
}

// Pages counts an event's deliveries in the API's list of them. It is for events that change no more.
func (c *Counter) Pages(ctx context.Context, eventID string) (map[schoolbell.Channel]schoolbell.ChannelProgress, error) {
	counts, next := map[schoolbell.Channel]schoolbell.ChannelProgress{}, ""
	for {
		page, err := c.school.Client.Deliveries(ctx, eventID, schoolbell.DeliveryFilter{}, client.Page{Limit: 200, Cursor: next})
		if err != nil {
			return nil, err
		}
		for _, d := range page.Deliveries {
			p := counts[d.Channel]
			p.Add(d.Status, d.Outcome, 1)
			counts[d.Channel] = p
		}
		if next = page.Next; next == "" {
			return counts, nil
		}
	}
}
