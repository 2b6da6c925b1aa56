package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/testenv"
)

// costs are what all processes of a run have used: processor time, Redis commands.
type costs struct {
	server, workers, postgres, redis, sink time.Duration
	commands                               int
}

// counted is the time that the goals are about: not that of Redis and the mail sink.
func (c costs) counted() time.Duration { return c.server + c.workers + c.postgres }

func (c costs) minus(o costs) costs {
	return costs{
		server: c.server - o.server, workers: c.workers - o.workers, postgres: c.postgres - o.postgres,
		redis: c.redis - o.redis, sink: c.sink - o.sink, commands: c.commands - o.commands,
	}
}

// costsOf reads what has been used so far.
func costsOf(b testing.TB, s *system, srv *servers) costs {
	b.Helper()
	c := costs{server: usageOf(b, s.server.PID()).cpu, postgres: testenv.CPUTime(b, srv.postgres.PID())}
	for _, w := range s.workers {
		c.workers += usageOf(b, w.PID()).cpu
	}
	if s.sink != nil {
		c.sink = usageOf(b, s.sink.PID()).cpu
	}
	info, err := srv.redis.Info(b.Context(), "cpu", "stats").Result()
	if err != nil {
		b.Fatal(err)
	}
	fields := parseInfo(info)
	number := func(name string) (n float64) {
		if _, err := fmt.Sscan(fields[name], &n); err != nil {
			b.Fatalf("Redis does not report %s: %v", name, err)
		}
		return n
	}
	c.redis = time.Duration((number("used_cpu_user") + number("used_cpu_sys")) * float64(time.Second))
	c.commands = int(number("total_commands_processed"))
	return c
}

// memory is the most that a worker used so far, in MB.
func (s *system) memory(b testing.TB) (peak float64) {
	b.Helper()
	for _, w := range s.workers {
		peak = max(peak, usageOf(b, w.PID()).peak)
	}
	return peak
}

// commits is the number of transactions that a database has committed. Those of a
// connection in use count a second late.
func commits(b testing.TB, dsn string) (n int) {
	b.Helper()
	return queryNumber(b, dsn, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
}

// databaseSize is the size of a database on disk in bytes, with its indexes and unused space.
func databaseSize(b testing.TB, dsn string) int {
	b.Helper()
	return queryNumber(b, dsn, "SELECT pg_database_size(current_database())")
}

// execute runs a statement in a database.
func execute(b testing.TB, dsn, statement string) {
	b.Helper()
	db, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	if _, err := db.Exec(b.Context(), statement); err != nil {
		b.Fatal(err)
	}
}

// queryNumber is the result of a query in a database.
func queryNumber(b testing.TB, dsn, query string) (n int) {
	b.Helper()
	db, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	if err := db.QueryRow(b.Context(), query).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

func TestCosts(t *testing.T) {
	t.Parallel()
	srv, sink := startServers(t), testenv.SMTPSink(t)
	s := &system{server: testenv.StartProgram(t, testenv.ProgramOptions{}, "sleep", "60"), sink: sink}
	before := costsOf(t, s, srv)
	if before.postgres <= 0 || before.redis <= 0 || before.commands <= 0 {
		t.Errorf("costs %+v", before)
	}
	for range 10 {
		if err := srv.redis.Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if n := costsOf(t, s, srv).minus(before).commands; n < 10 || n > 12 {
		t.Errorf("%d commands for 10 and a question", n)
	}
	dsn := srv.postgres.Database()
	if n := commits(t, dsn); n < 0 {
		t.Errorf("%d commits", n)
	}
	testenv.Eventually(t, patience, func() bool { return commits(t, dsn) > 5 }, "commits are counted")
}
