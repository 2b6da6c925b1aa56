package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Overviews implements ledger.Overviews.
type Overviews struct{ DB *DB }

// CountedEvents implements ledger.Overviews.
func (s Overviews) CountedEvents(ctx context.Context, f schoolbell.EventFilter, before string, limit int) (events []ledger.CountedEvent, err error) {
	err = s.DB.read(ctx, "list events with their counts", func(tx pgx.Tx) error {
		found, err := eventsBefore(ctx, tx, f, before, limit)
		if err == nil {
			events, err = counted(ctx, tx, found)
		}
		return err
	})
	return events, err
}

// OpenEvents implements ledger.Overviews.
func (s Overviews) OpenEvents(ctx context.Context, f schoolbell.EventFilter, limit int) (events []ledger.CountedEvent, err error) {
	err = s.DB.read(ctx, "list open events", func(tx pgx.Tx) error {
		var found []*schoolbell.Event
		for _, f.Status = range []schoolbell.EventStatus{schoolbell.EventProcessing, schoolbell.EventQueued} {
			more, err := eventsBefore(ctx, tx, f, "", limit-len(found))
			if err != nil {
				return err
			}
			found = append(found, more...)
		}
		events, err = counted(ctx, tx, found)
		return err
	})
	return events, err
}

// counted adds to events the counts of their deliveries.
func counted(ctx context.Context, tx pgx.Tx, events []*schoolbell.Event) ([]ledger.CountedEvent, error) {
	if len(events) == 0 {
		return nil, nil
	}
	ids := make([]string, len(events))
	for i, ev := range events {
		ids[i] = ev.ID
	}
	rows, err := tx.Query(ctx, countEvents, ids)
	if err != nil {
		return nil, err
	}
	of := row.NewEventCounts()
	var c row.EventCount
	if _, err = pgx.ForEachRow(rows, []any{&c.ID, &c.Walked, &c.Wave, &c.Channel, &c.Status, &c.Outcome, &c.Rows}, func() error {
		of.Add(c)
		return nil
	}); err != nil {
		return nil, err
	}
	return of.Counted(events), nil
}

// countEvents counts the deliveries of several events as countDeliveries does for one.
const countEvents = `
	SELECT e.id, e.walked, t.wave, c.name, t.status, t.outcome, sum(t.n)::bigint
	FROM (
		SELECT seq, id, NOT EXISTS (SELECT 1 FROM waves w WHERE w.event_seq = seq AND NOT w.walked AND ` + startedWaves + `) AS walked
		FROM events
		WHERE id = ANY ($1)) e
	CROSS JOIN LATERAL (
		SELECT wave, channel, status, outcome, n
		FROM totals
		WHERE event_seq = e.seq
		UNION ALL
		SELECT b.wave, b.channel, d.status, d.outcome, d.n
		FROM batches b
		CROSS JOIN LATERAL (` + countBatch + `) d
		WHERE b.event_seq = e.seq AND b.in_work) t
	JOIN channels c ON c.id = t.channel
	GROUP BY e.id, e.walked, t.wave, c.name, t.status, t.outcome
	HAVING sum(t.n) <> 0`

// Traffic implements ledger.Overviews.
func (s Overviews) Traffic(ctx context.Context, since time.Time, step time.Duration) (steps []ledger.TrafficStep, err error) {
	err = s.DB.again("read the traffic", func() error {
		rows, err := s.DB.pool.Query(ctx, sumTraffic, since, step.Seconds())
		steps, err = list(rows, err, func(r pgx.CollectableRow) (t ledger.TrafficStep, err error) {
			err = r.Scan(&t.From, &t.Channel, &t.Sent, &t.Failed)
			t.From = t.From.UTC()
			return t, err
		})
		return err
	})
	return steps, err
}

// sumTraffic adds up the traffic since $1 in steps of $2 seconds.
const sumTraffic = `
	SELECT to_timestamp(floor(extract(epoch FROM t.minute) / $2::float8) * $2::float8) AS step, c.name,
		sum(t.sent)::bigint, sum(t.failed)::bigint
	FROM traffic t
	JOIN channels c ON c.id = t.channel
	WHERE t.minute >= $1
	GROUP BY step, c.id, c.name
	ORDER BY step, c.id`

// Traffic implements ledger.Traffic.
type Traffic struct{ DB *DB }

// AddTraffic implements ledger.Traffic.
func (s Traffic) AddTraffic(ctx context.Context, counts []ledger.ChannelTraffic) error {
	var names []string
	var sent, failed []int64
	for _, c := range counts {
		names, sent, failed = append(names, string(c.Channel)), append(sent, int64(c.Sent)), append(failed, int64(c.Failed))
	}
	return s.DB.again("add to the traffic", func() error {
		_, err := s.DB.pool.Exec(ctx, addTraffic, names, sent, failed)
		return err
	})
}

// addTraffic adds counts to the present minute, in the order of the channels, so that two such statements cannot wait for each other.
const addTraffic = `
	INSERT INTO traffic AS t (minute, channel, sent, failed)
	SELECT date_trunc('minute', clock_timestamp(), 'UTC'), c.id, sum(n.sent), sum(n.failed)
	FROM unnest($1::text[], $2::bigint[], $3::bigint[]) n(name, sent, failed)
	JOIN channels c ON c.name = n.name
	GROUP BY c.id
	ORDER BY c.id
	ON CONFLICT (minute, channel) DO UPDATE SET sent = t.sent + excluded.sent, failed = t.failed + excluded.failed`
