package postgres_test

import (
	"context"
	"testing"
	"time"

	"schoolbell/internal/store/postgres"
	"schoolbell/internal/testenv"
)

func TestCalendars(t *testing.T) {
	t.Parallel()
	t.Run("a feed reads the inbox of its user only", testCalendarsPlan)
}

func testCalendarsPlan(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	db, err := postgres.Open(t.Context(), url, postgres.Options{Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // a second time, if nothing fails
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := postgres.Calendars{DB: db}
	if _, err := (postgres.People{DB: db}).PutUsers(t.Context(), pupils(0, 0, 3_000)); err != nil {
		t.Fatal(err)
	}
	conn := raw(t, url)
	for _, statement := range fillInboxes {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	feed, err := store.CreateFeed(t.Context(), "u00007", 5)
	if err != nil {
		t.Fatal(err)
	}
	found, err := store.FeedEvents(t.Context(), feed, time.Now(), 1000)
	if err != nil || len(found.Events) != 250 {
		t.Errorf("%d events, %v", len(found.Events), err)
	}
	if err := db.Close(); err != nil { // its counters are written then
		t.Fatal(err)
	}
	var scanned, read int
	testenv.Eventually(t, time.Minute, func() bool {
		if err := conn.QueryRow(context.Background(), countFeed).Scan(&scanned, &read); err != nil {
			t.Fatal(err)
		}
		return read > 0
	}, "the rows are counted")
	if scanned > 0 || read > 1_000 {
		t.Errorf("%d rows were read by walking through a table, and %d of the inboxes by an index", scanned, read)
	}
}

// fillInboxes stores 500 events, half of them with a time, which are in 300 inboxes each.
var fillInboxes = []string{
	`INSERT INTO events (id, title, body, category, lane, audience, location, starts_at, status, created_by_kind, created_by_id, job_id, created_at)
		SELECT 'e' || n, 'T', 'B', 'event', 'normal', '{}', '', CASE WHEN n % 2 = 0 THEN now() + interval '1 day' END, 'completed', '', '', '', now()
		FROM generate_series(1, 500) n`,
	"INSERT INTO waves (event_seq, n, channels, walked) SELECT seq, 0, '{in_app}', true FROM events",
	"INSERT INTO chunks (event_seq, first_user, last_user, arrived_at) SELECT seq, 1, 1000, now() FROM events ORDER BY seq",
	"INSERT INTO inbox (user_seq, position) SELECT u.seq, k.position FROM chunks k JOIN users u ON u.seq <= 300",
	"ANALYZE",
	"SELECT pg_stat_reset()",
}

// countFeed adds up the rows that were read of large tables as a whole, and those of inboxes that an index has found.
const countFeed = `
	SELECT sum(seq_tup_read) FILTER (WHERE relname IN ('inbox', 'users')), sum(idx_tup_fetch) FILTER (WHERE relname = 'inbox')
	FROM pg_stat_user_tables`
