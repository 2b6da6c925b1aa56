package system

import (
	"database/sql"
	"fmt"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"schoolbell"
)

// Ledger looks into a school's ledger past the program, with the little SQL that
// both engines share.
type Ledger struct {
	t           testing.TB
	driver, dsn string
	db          *sql.DB
}

// The numbers in the rows' columns channel and status.
const (
	inApp, email      = 1, 2
	sent, unsure, all = 2, 5, -1
)

// rows runs a query and calls scan for each row.
func (l *Ledger) rows(query string, scan func(*sql.Rows) error, args ...any) {
	l.t.Helper()
	if l.db == nil {
		db, err := sql.Open(l.driver, l.dsn)
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() { _ = db.Close() })
		db.SetMaxIdleConns(0) // a server that restarts finds no old connection here
		l.db = db
	}
	rows, err := l.db.QueryContext(l.t.Context(), query, args...)
	if err != nil {
		l.t.Fatalf("look into the ledger: %v\n%s", err, query)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *Ledger) texts(query string, args ...any) []string {
	l.t.Helper()
	var list []string
	l.rows(query, func(r *sql.Rows) error {
		var s string
		err := r.Scan(&s)
		list = append(list, s)
		return err
	}, args...)
	return list
}

func (l *Ledger) number(query string, args ...any) (n int) {
	l.t.Helper()
	l.rows(query, func(r *sql.Rows) error { return r.Scan(&n) }, args...)
	return n
}

// claimed are the people whose emails the worker of this name has claimed and not recorded, in order, and
// the batch of each.
func (l *Ledger) claimed(worker string) (people []string, batches map[string]int) {
	l.t.Helper()
	batches = map[string]int{}
	query := `SELECT u.id, k.batch FROM claims k JOIN leases l ON l.id = k.lease_id JOIN json_each(k.users) j JOIN users u ON u.seq = j.value
		WHERE l.holder = $1 ORDER BY u.id`
	if l.driver == "pgx" {
		query = `SELECT u.id, k.batch FROM claims k JOIN leases l ON l.id = k.lease_id JOIN users u ON u.seq = ANY (k.users)
			WHERE l.holder = $1 ORDER BY u.id`
	}
	l.rows(query, func(r *sql.Rows) error {
		var id string
		var batch int
		err := r.Scan(&id, &batch)
		people, batches[id] = append(people, id), batch
		return err
	}, worker)
	return people, batches
}

// Sending counts the rows that any worker has claimed.
func (l *Ledger) Sending() int {
	l.t.Helper()
	if l.driver == "pgx" {
		return l.number(`SELECT coalesce(sum(cardinality(users)), 0) FROM claims`)
	}
	return l.number(`SELECT coalesce(sum(json_array_length(users)), 0) FROM claims`)
}

// Attempts sums the attempts spent on the emails of an event.
func (l *Ledger) Attempts(eventID string) int {
	l.t.Helper()
	return l.number(`SELECT coalesce(sum(d.attempts), 0) FROM deliveries d JOIN events e ON e.seq = d.event_seq WHERE e.id = $1 AND d.channel = $2`, eventID, email)
}

// people are those whose delivery on a channel has a status, in order.
func (l *Ledger) people(eventID string, channel, status int) []string {
	l.t.Helper()
	return l.texts(`SELECT u.id FROM deliveries d JOIN events e ON e.seq = d.event_seq JOIN users u ON u.seq = d.user_seq
		WHERE e.id = $1 AND d.channel = $2 AND (d.status = $3 OR $3 = -1) ORDER BY u.id`, eventID, channel, status)
}

// Sent are the people whose email of an event is recorded as sent, in order.
func (l *Ledger) Sent(eventID string) []string {
	l.t.Helper()
	return l.people(eventID, email, sent)
}

// inbox are the people who have the event in their inbox, once for each row, in order.
func (l *Ledger) inbox(eventID string) []string {
	l.t.Helper()
	return l.texts(`SELECT u.id FROM inbox i JOIN chunks c ON c.position = i.position JOIN events e ON e.seq = c.event_seq
		JOIN users u ON u.seq = i.user_seq WHERE e.id = $1 ORDER BY u.id`, eventID)
}

// Requested is the event that a job asked for, by the job's idempotency key; empty if the ledger has none.
func (l *Ledger) Requested(key string) (eventID string) {
	l.t.Helper()
	for _, id := range l.texts(`SELECT e.id FROM idempotency i JOIN events e ON e.id = i.event_id WHERE i.scope IN ('queue', 'queue number') AND i.key = $1`, key) {
		eventID = id
	}
	return eventID
}

// open counts the deliveries of an event whose status is not terminal.
func (l *Ledger) open(eventID string) int {
	l.t.Helper()
	return l.number(`SELECT count(*) FROM deliveries d JOIN events e ON e.seq = d.event_seq WHERE e.id = $1 AND d.status < $2`, eventID, sent)
}

// channelWants compares what the API says of a channel with what must be.
func channelWants(p schoolbell.ChannelProgress, total, uncertain int) error {
	want := schoolbell.ChannelProgress{Total: total, Sent: total - uncertain, Uncertain: uncertain}
	if p != want {
		return fmt.Errorf("%+v, want %+v", p, want)
	}
	return nil
}
