package api_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"schoolbell/internal/store"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

// The bodies of an event that the program must accept at the lowest cost.
var smallEvents = map[string]string{
	"one user":           `{"title":"T","body":"B","audience":{"users":["u1"]}}`,
	"a role and a group": `{"title":"T","body":"B","audience":{"roles":["parent"],"groups":["g1"]},"channels":["in_app"]}`,
	"everything":         `{"title":"T","body":"B","category":"urgent","audience":{"roles":["parent"],"users":["u1","u2"],"exclude":{"groups":["g1"]}},"data":{"a":1}}`,
}

// A new event is one transaction and, on PostgreSQL, one round trip: its row, its wave, the
// idempotency key and the audit entry.
func TestNewEventCost(t *testing.T) {
	t.Parallel()
	t.Run("one round trip to PostgreSQL", func(t *testing.T) {
		t.Parallel()
		url, traffic := testenv.CountPostgres(t, testenv.Postgres(t))
		s := newServerOn(t, openPostgres(t, url))
		eachSmallEvent(t, s, func(post func()) {
			roundTrips, statements := traffic.RoundTrips(), traffic.Statements()
			post()
			if got, executed := traffic.RoundTrips()-roundTrips, traffic.Statements()-statements; got != 1 || executed != 1 {
				t.Errorf("%d round trips with %d statements, want 1 with 1", got, executed)
			}
		})
	})
	t.Run("one commit in SQLite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "ledger.db")
		db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		must(t, db.Migrate(t.Context()))
		eachSmallEvent(t, newServerOn(t, store.OnSQLite(db)), func(post func()) {
			before := commits(t, path)
			post()
			if got := commits(t, path) - before; got != 1 {
				t.Errorf("%d commits, want 1", got)
			}
		})
	})
}

// eachSmallEvent posts each of smallEvents once, and then again with and without an idempotency
// key while cost looks on.
func eachSmallEvent(t *testing.T, s *server, cost func(post func())) {
	t.Helper()
	s.user("u1")
	s.user("u2")
	s.raw("PUT", "/v1/groups/g1", `{"name":"G","kind":"class"}`)
	for name, body := range smallEvents {
		post := func(header ...string) {
			if a := s.raw("POST", "/v1/events", body, header...); a.StatusCode != 201 {
				t.Errorf("%s: answered %d %s", name, a.StatusCode, a.body)
			}
		}
		post() // the connection has not seen the statement
		cost(func() { post() })
		cost(func() { post("Idempotency-Key", name) })
	}
}

// openPostgres opens and migrates a ledger with one connection.
func openPostgres(t testing.TB, url string) *store.Ledger { return openPostgresWith(t, url, 1) }

func openPostgresWith(t testing.TB, url string, connections int) *store.Ledger {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, postgres.Options{Connections: connections})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	must(t, db.Migrate(t.Context()))
	return store.OnPostgres(db)
}

// commits returns how many transactions have changed a SQLite file: the counter iChange in
// the header of its wal-index, https://sqlite.org/walformat.html.
func commits(t *testing.T, path string) uint32 {
	t.Helper()
	index, err := os.ReadFile(path + "-shm")
	must(t, err)
	if len(index) < 12 {
		t.Fatalf("a wal-index of %d bytes", len(index))
	}
	return binary.NativeEndian.Uint32(index[8:])
}
