package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/testenv"
)

// startPeer runs the Node system.
func startPeer(b testing.TB, srv *servers, o setup) *system {
	b.Helper()
	folder := filepath.Join(testenv.Root(b), "bench", "peer")
	node := testenv.Node(b, folder)
	srv.empty(b)
	dsn := srv.postgres.Database()
	db := peerDatabase(b, dsn, folder, o.people)
	port := strconv.Itoa(testenv.FreePort(b))
	env := append(srv.redisEnv(b), "DATABASE_URL="+dsn, "PORT="+port, "RATE_LIMIT_MAX=0")
	s := &system{
		server: testenv.StartProgram(b, testenv.ProgramOptions{Dir: folder, Env: env}, node, "server.mjs"),
		url:    "http://127.0.0.1:" + port + "/events", dsn: dsn, sink: o.sink, people: o.people,
		event: peerEvent,
		inApp: func() (n int) {
			b.Helper()
			const newest = "SELECT count(*) FROM notifications WHERE event_id = (SELECT max(id) FROM events)"
			if err := db.QueryRow(b.Context(), newest).Scan(&n); err != nil {
				b.Fatal(err)
			}
			return n
		},
	}
	s.server.Await("ready")
	for range o.workers {
		env := append(env, "SMTP_HOST="+o.sink.Host, "SMTP_PORT="+strconv.Itoa(o.sink.Port))
		w := testenv.StartProgram(b, testenv.ProgramOptions{Dir: folder, Env: env}, node, "worker.mjs")
		w.Await("ready")
		s.workers = append(s.workers, w)
	}
	return s
}

func peerEvent(to audience) any {
	e := map[string]any{"title": title, "body": body}
	if len(to.users) == 0 {
		e["roles"] = everybody
		return e
	}
	ids := make([]int, len(to.users))
	for i, n := range to.users {
		ids[i] = n + 1
	}
	e["users"] = ids
	return e
}

// peerDatabase makes the peer's tables and people.
func peerDatabase(b testing.TB, dsn, folder string, people int) *pgx.Conn {
	b.Helper()
	ctx := b.Context()
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close(context.Background()) })
	schema, err := os.ReadFile(filepath.Join(folder, "schema.sql"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := db.Exec(ctx, string(schema)); err != nil {
		b.Fatal(err)
	}
	rows := pgx.CopyFromSlice(people, func(n int) ([]any, error) {
		return []any{n + 1, fmt.Sprintf("Person %d", n), address(n), role(n, people)}, nil
	})
	if _, err := db.CopyFrom(ctx, pgx.Identifier{"users"}, []string{"id", "name", "email", "role"}, rows); err != nil {
		b.Fatal(err)
	}
	if _, err := db.Exec(ctx, "ANALYZE users"); err != nil {
		b.Fatal(err)
	}
	return db
}

func TestPeerDelivery(t *testing.T) {
	t.Parallel()
	testDelivery(t, startPeer)
}

// testDelivery measures two small events with a system, which checks that they arrive.
func testDelivery(t *testing.T, start starter) {
	t.Helper()
	srv := startServers(t)
	s := start(t, srv, setup{people: 250, workers: 2, sink: testenv.SMTPSink(t)})
	defer s.stop()
	for range 2 {
		r := s.reach(t, srv, audience{})
		if r.post <= 0 || r.took < r.post || r.peak <= 0 || r.cost.commands <= 0 || r.people != 250 {
			t.Errorf("measured %+v", r)
		}
	}
	small := s.singles(t, srv, 20)
	if small.took <= 0 || small.commits < 20 {
		t.Errorf("measured %+v", small)
	}
}
