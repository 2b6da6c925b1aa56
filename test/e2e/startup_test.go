package e2e

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	resp "github.com/alicebob/miniredis/v2/server"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// catchAll lets a worker start that hands its mail to no server.
const catchAll = "MAIL_CATCHER_ADDR=127.0.0.1:0"

// refusal is a start that must fail.
type refusal struct {
	name     string
	settings []string
	code     int
	says     []string
}

func TestStartup(t *testing.T) {
	t.Parallel()
	t.Run("a failed start explains why and stores nothing", testStartupFails)
	t.Run("a ledger of a newer program is left unchanged", testStartupNewerLedger)
	t.Run("a start without Redis waits for it", testStartupWaitsForRedis)
}

func testStartupFails(t *testing.T) {
	t.Parallel()
	closed, redis := testenv.FreePort(t), testenv.Redis(t)
	for _, c := range []refusal{
		{"the ledger is not there", []string{fmt.Sprintf("DATABASE_URL=postgres://school:hunter2@127.0.0.1:%d/school", closed)}, 1,
			[]string{"the ledger cannot be reached: PostgreSQL 127.0.0.1", "→ start PostgreSQL, or check DATABASE_URL"}},
		{"the ledger is not in the database server", []string{"DATABASE_URL=" + testenv.Postgres(t) + "&dbname=nowhere"}, 1,
			[]string{"the ledger cannot be reached: PostgreSQL 127.0.0.1", "→ start PostgreSQL, or check DATABASE_URL"}},
		{"Redis is too old", []string{"REDIS_URL=redis://" + oldRedis(t)}, 1,
			[]string{"this Redis cannot be used: it is version 5.0.14", "→ use Redis 6.2 or Valkey 7.2"}},
		{"settings are wrong", []string{"REDIS_URL=redis://127.0.0.1:1", "REDIS_HOST=127.0.0.1", "BATCH_SIZE=0", "JOB_BACKOFF=soon", "SMTP_HOST=mail.hill.example", "SCHOOLBELL_API_KEY=short"}, 2,
			[]string{"6 settings are invalid", "REDIS_URL", "REDIS_HOST", "BATCH_SIZE", "JOB_BACKOFF", "EMAIL_FROM", "SCHOOLBELL_API_KEY", "→ set them by flag, in the environment or in .env"}},
		{"a setting is not known", []string{"REDIS_URL=redis://127.0.0.1:1", "LOG_LEVEL=loud"}, 2,
			[]string{"1 setting is invalid", "LOG_LEVEL", "must be one of debug, info, warn, error"}},
	} {
		serve := c
		t.Run("serve when "+c.name, func(t *testing.T) { t.Parallel(); refused(t, "serve", serve) })
		if strings.HasPrefix(c.settings[0], "DATABASE_URL") {
			c.settings = append([]string{"REDIS_URL=redis://" + redis}, c.settings...) // a worker looks at Redis first
		}
		c.settings = append(c.settings, catchAll)
		t.Run("worker when "+c.name, func(t *testing.T) { t.Parallel(); refused(t, "worker", c) })
	}
	swallows := refusal{"no mail would leave", []string{"REDIS_URL=redis://" + redis}, 1, []string{"a worker needs SMTP_HOST", "MAIL_CATCHER_ADDR"}}
	t.Run("worker when "+swallows.name, func(t *testing.T) { t.Parallel(); refused(t, "worker", swallows) })
}

func refused(t *testing.T, command string, c refusal) {
	t.Helper()
	dir := t.TempDir()
	r := system.Command(t, dir, append([]string{"DATA_DIR=" + filepath.Join(dir, "data"), "HTTP_ADDR=127.0.0.1:0"}, c.settings...), command)
	if r.Code != c.code {
		t.Errorf("exit code %d, want %d", r.Code, c.code)
	}
	for _, want := range c.says {
		if !strings.Contains(r.Err, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(r.Out+r.Err, "hunter2") {
		t.Error("it shows the password")
	}
	if files, err := filepath.Glob(filepath.Join(dir, "data", "*")); err != nil || len(files) > 0 && command != "serve" {
		t.Errorf("it left files: %v (%v)", files, err)
	}
	if db := filepath.Join(dir, "data", "schoolbell.db"); exists(db) {
		if n := count(t, db, "events") + count(t, db, "api_keys"); n > 0 {
			t.Errorf("it stored %d rows", n)
		}
	}
	if t.Failed() {
		t.Logf("it printed:\n%s%s", r.Out, r.Err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func count(t *testing.T, db, table string) (n int) {
	t.Helper()
	l, err := sql.Open("sqlite", "file:"+db)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// oldRedis answers as a Redis 5 does, as far as anybody asks.
func oldRedis(t *testing.T) string {
	t.Helper()
	s, err := resp.NewServer("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ok := func(c *resp.Peer, _ string, _ []string) { c.WriteOK() }
	for name, answer := range map[string]resp.Cmd{
		"INFO":   func(c *resp.Peer, _ string, _ []string) { c.WriteBulk("# Server\r\nredis_version:5.0.14\r\n") },
		"CLIENT": ok, "SELECT": ok,
	} {
		if err := s.Register(name, answer); err != nil {
			t.Fatal(err)
		}
	}
	return s.Addr().String()
}

func testStartupNewerLedger(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]string{"SQLite": "", "PostgreSQL": testenv.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			settings := []string{"DATA_DIR=" + dir, "HTTP_ADDR=127.0.0.1:0", "DATABASE_URL=" + database, catchAll}
			if r := system.Command(t, dir, settings, "migrate"); r.Code != 0 {
				t.Fatalf("migrate: %+v", r)
			}
			driver, dsn := "pgx", database
			if database == "" {
				driver, dsn = "sqlite", "file:"+filepath.Join(dir, "schoolbell.db")
			}
			db, err := sql.Open(driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)"); err != nil {
				t.Fatal(err)
			}
			redis := "REDIS_URL=redis://" + testenv.Redis(t)
			// The newer schema still has all that this program needs.
			if r := system.Command(t, dir, settings, "migrate", "--status"); r.Code != 0 || !strings.Contains(r.Out, "version 9999, newer than this program, which can use it") {
				t.Errorf("migrate --status on a newer schema: %+v", r)
			}
			if r := system.Command(t, dir, settings, "key", "list"); r.Code != 0 {
				t.Errorf("key list on a newer schema: %+v", r)
			}
			// Now it has not.
			if _, err := db.Exec("UPDATE installation SET oldest_program = 9999"); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"serve"}, {"worker"}, {"migrate"}} {
				r := system.Command(t, dir, append(settings, redis), args...)
				if r.Code != 1 || !strings.Contains(r.Err, "schema is version 9999, newer than this program") || !strings.Contains(r.Err, "→ run a newer schoolbell on this ledger") {
					t.Errorf("%v: code %d\n%s%s", args, r.Code, r.Out, r.Err)
				}
			}
			var rows int
			if err := db.QueryRow("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM api_keys) + (SELECT count(*) FROM leases)").Scan(&rows); err != nil || rows != 0 {
				t.Errorf("%d rows were stored (%v)", rows, err)
			}
		})
	}
}

// An unavailable Redis is no reason not to start: it may come back.
func testStartupWaitsForRedis(t *testing.T) {
	t.Parallel()
	mail, redis := system.NewMail(t), testenv.RedisServer(t, testenv.RedisOptions{})
	redis.Stop()
	s := system.New(t, system.Parts{Redis: redis.Addr, SMTP: mail.Addr()})
	serve := s.Serve()
	serve.Await("Redis is unavailable: events are accepted and will be sent when it is back")
	s.Import(50)
	id := s.Create().ID
	worker := s.Launch("worker", "worker")
	worker.Await("Redis is unavailable, waiting for it")
	redis.Restart()
	worker.Await("waits for jobs")
	s.ReachedOnce(mail, id, 50)
	worker.Stop()
	serve.Stop()
}
