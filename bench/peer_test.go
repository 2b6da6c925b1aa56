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

// startPeer runs the Node system with a school of that many people, and without
// a worker if sink is nil.
func startPeer(b testing.TB, srv *servers, sink *testenv.Sink, people int) *system {
	b.Helper()
	folder := filepath.Join(testenv.Root(b), "bench", "peer")
	node := testenv.Node(b, folder)
	srv.empty(b)
	dsn := srv.postgres.Database()
	db := peerDatabase(b, dsn, folder, people)
	port := strconv.Itoa(testenv.FreePort(b))
	env := append(srv.redisEnv(b), "DATABASE_URL="+dsn, "PORT="+port)
	s := &system{
		server: testenv.StartProgram(b, testenv.ProgramOptions{Dir: folder, Env: env}, node, "server.mjs"),
		url:    "http://127.0.0.1:" + port + "/events",
		event: func(roles ...string) any {
			return map[string]any{"title": title, "body": body, "roles": roles}
		},
		inApp: func() (n int) {
			b.Helper()
			if err := db.QueryRow(b.Context(), "SELECT count(*) FROM notifications").Scan(&n); err != nil {
				b.Fatal(err)
			}
			return n
		},
	}
	s.server.Await("ready")
	if sink != nil {
		env = append(env, "SMTP_HOST="+sink.Host, "SMTP_PORT="+strconv.Itoa(sink.Port))
		s.worker = testenv.StartProgram(b, testenv.ProgramOptions{Dir: folder, Env: env}, node, "worker.mjs")
		s.worker.Await("ready")
	}
	return s
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
	srv, sink := startServers(t), testenv.SMTPSink(t)
	s := startPeer(t, srv, sink, 250)
	r := s.reach(t, srv, sink, 250) // counts emails and inbox rows
	s.stop()
	if r.post <= 0 || r.took < r.post || r.peak < r.resident || r.resident <= 0 || r.worker <= 0 {
		t.Errorf("measured %+v", r)
	}
}
