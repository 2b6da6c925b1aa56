package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	resp "github.com/alicebob/miniredis/v2/server"
	"github.com/jackc/pgx/v5"

	"schoolbell/internal/testenv"
)

const testKey = "key-for-tests-0123456789"

func TestServe(t *testing.T) {
	t.Parallel()
	t.Run("the defaults deliver events and keep data", testServeDefaults)
	t.Run("the built program delivers with a separate worker", testServeSeparateWorker)
	t.Run("events are sent when Redis starts late", testServeLateRedis)
	t.Run("a second signal exits at once", testServeSecondSignal)
	t.Run("metrics can be turned off", testServeMetricsOff)
	t.Run("all workers together keep to EMAIL_RATE", testServeEmailRate)
}

func testServeEmailRate(t *testing.T) {
	t.Parallel()
	const people, rate = 90, 40
	redis, mail := testenv.RedisServer(t, testenv.RedisOptions{}), testenv.SMTPSink(t)
	env := bare("DATABASE_URL="+testenv.Postgres(t), "REDIS_URL=redis://"+redis.Addr, "SCHOOLBELL_API_KEY="+testKey,
		"SMTP_HOST="+mail.Host, fmt.Sprintf("SMTP_PORT=%d", mail.Port), "EMAIL_FROM=office@hill.example",
		"BATCH_SIZE=10", fmt.Sprintf("EMAIL_RATE=%d", rate), "EMAIL_DAILY_LIMIT=1000", "METRICS_ADDR=127.0.0.1:0")
	api := spawn(t, env, "serve")
	s := server{t, api.says(urlLine), testKey}
	workers := []*running{spawn(t, env, "worker"), spawn(t, env, "worker")}
	for _, w := range workers {
		w.says("waits for jobs")
	}
	s.people(people)
	start := time.Now()
	id := s.announce()
	testenv.Eventually(t, 40*time.Second, func() bool {
		sent := mail.Count()
		// Normal events leave 20 %, and a quarter of a second's emails may be sent at once.
		if most := rate * 0.8 * (time.Since(start).Seconds() + 0.25); float64(sent) > most {
			t.Errorf("%d emails after %v, want at most %f", sent, time.Since(start), most)
			return true
		}
		return sent == people
	}, "everyone gets an email")
	s.reached(id, people)
	if got := mail.Count(); got != people {
		t.Errorf("the mail server took %d emails", got)
	}
	var counted float64
	for _, w := range workers {
		counted += metric(t, w.says(`Health and metrics at (http://\S+)`), `schoolbell_quota_messages_total{channel="email",lane="normal"}`)
		w.ends()
	}
	if counted != people {
		t.Errorf("the metrics count %v emails, want %d", counted, people)
	}
	api.ends()
}

// metric reads a value of the page /metrics, 0 if it is not there.
func metric(t *testing.T, url, name string) float64 {
	t.Helper()
	res, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}

func testServeDefaults(t *testing.T) {
	t.Parallel()
	env := bare("DATA_DIR=" + t.TempDir())

	first := inProcess(t, env, "serve")
	first.says("Queues and workers run in this process")
	url, file := first.says(urlLine), first.says(`API key, written to (\S+): read it`)
	secret, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	s := server{t, url, strings.TrimSpace(string(secret))}
	if strings.Contains(first.out.String()+first.err.String(), s.key) {
		t.Error("the key is in the output, which is a log here")
	}
	first.says("email is captured, not sent")
	s.people(7)
	id := s.announce()
	s.reached(id, 7)
	first.ends()

	second := inProcess(t, env, "serve")
	s.url = second.says(urlLine)
	s.reached(id, 7)
	if strings.Contains(second.out.String(), "API key") {
		t.Errorf("the key is shown a second time:\n%s", &second.out)
	}
	second.ends()
}

func testServeSeparateWorker(t *testing.T) {
	t.Parallel()
	redis, mail := testenv.RedisServer(t, testenv.RedisOptions{}), testenv.SMTPSink(t)
	_, port, _ := net.SplitHostPort(redis.Addr)
	env := bare("DATABASE_URL="+testenv.Postgres(t), "REDIS_HOST=127.0.0.1", "REDIS_PORT="+port, "SCHOOLBELL_API_KEY="+testKey,
		"SMTP_HOST="+mail.Host, fmt.Sprintf("SMTP_PORT=%d", mail.Port), "EMAIL_FROM=office@hill.example", "METRICS_ADDR=127.0.0.1:0")

	api := spawn(t, env, "serve")
	s := server{t, api.says(urlLine), testKey}
	if strings.Contains(api.out.String()+api.err.String(), testKey) {
		t.Error("serve prints the configured key")
	}
	worker := spawn(t, env, "worker")
	for _, line := range []string{
		"✓ Redis connected: 127.0.0.1:" + port + `, version \d`,
		"✓ Ledger connected: PostgreSQL 127.0.0.1",
		`✓ Queues: event-notifications, event-notifications-email, event-notifications\.urgent, event-notifications-email\.urgent$`,
		"✓ Worker .+ is running and waits for jobs",
	} {
		worker.says(line)
	}
	health := server{t, worker.says(`Health and metrics at (http://\S+)`), ""}
	if r := health.readiness(); r.code != http.StatusOK || !r.Accepting || r.words() != "ok: ledger ok, redis ok, email ok" {
		t.Errorf("the worker's readyz: %+v", r)
	}
	if r := s.readiness(); r.code != http.StatusOK || !r.Accepting || r.words() != "ok: ledger ok, redis ok" {
		t.Errorf("the server's readyz: %+v", r)
	}
	s.people(40)
	s.reached(s.announce(), 40)
	if got := mail.Count(); got != 40 {
		t.Errorf("the mail server took %d emails", got)
	}
	worker.ends()
	api.ends()
}

func testServeLateRedis(t *testing.T) {
	t.Parallel()
	redis := testenv.RedisServer(t, testenv.RedisOptions{})
	redis.Stop()
	dir := t.TempDir()
	env := bare("DATA_DIR="+dir, "REDIS_URL=redis://"+redis.Addr, "SCHOOLBELL_API_KEY="+testKey, catchAll)

	api := inProcess(t, env, "serve")
	api.says("Redis is unavailable: events are accepted")
	s := server{t, api.says(urlLine), testKey}
	s.people(3)
	id := s.announce()

	worker := inProcess(t, env, "worker")
	worker.says("Redis is unavailable, waiting for it")
	redis.Restart()
	worker.says("waits for jobs")
	s.reached(id, 3)
	worker.ends()
	api.ends()
}

func TestWorker(t *testing.T) {
	t.Parallel()
	t.Run("a worker that waits for Redis can be stopped", testWorkerStopWhileWaiting)
	t.Run("a worker without a mail server does not start", testWorkerWithoutMailServer)
}

func testWorkerStopWhileWaiting(t *testing.T) {
	t.Parallel()
	env := bare("DATA_DIR="+t.TempDir(), fmt.Sprintf("REDIS_PORT=%d", testenv.FreePort(t)), "METRICS_ADDR=127.0.0.1:0", catchAll)
	w := spawn(t, env, "worker")
	w.says("Redis is unavailable, waiting for it")
	base := w.says(`Health and metrics at (http://\S+)`)
	if status := statusOf(t, base+"/livez"); status != http.StatusOK {
		t.Errorf("livez: %d", status)
	}
	if r := (server{t, base, ""}).readiness(); r.code != http.StatusServiceUnavailable || r.Accepting || r.words() != "down:" || !strings.Contains(r.Detail, "has not started yet") {
		t.Errorf("readyz: %+v", r)
	}
	w.ends()
}

// catchAll lets a worker start that hands its mail to no server.
const catchAll = "MAIL_CATCHER_ADDR=127.0.0.1:0"

func testWorkerWithoutMailServer(t *testing.T) {
	t.Parallel()
	env := bare("DATA_DIR="+t.TempDir(), "REDIS_URL=redis://"+testenv.Redis(t))
	refused := inProcess(t, env, "worker")
	refused.says("^schoolbell: a worker needs SMTP_HOST: ")
	refused.says("→ set SMTP_HOST and EMAIL_FROM; to capture all email on purpose, set MAIL_CATCHER_ADDR=127.0.0.1:0$")
	refused.exits(1)
	if refused.out.String() != "" {
		t.Errorf("it started nevertheless:\n%s", &refused.out)
	}
	d := inProcess(t, env, "doctor")
	d.says("^fail +email +a worker does not start without SMTP_HOST")
	d.says("→ set SMTP_HOST")
	d.exits(1)

	willing := inProcess(t, append(env, catchAll), "worker")
	willing.says("email is captured, not sent")
	willing.says("waits for jobs")
	willing.ends()
}

// readiness is what /readyz says.
type readiness struct {
	code           int
	Status, Detail string
	Accepting      bool `json:"accepting_events"`
	Dependencies   []struct{ Name, Status string }
}

func (s server) readiness() (r readiness) {
	s.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(s.url + "/readyz")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	r.code = resp.StatusCode
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		s.t.Fatal(err)
	}
	if r.Dependencies == nil {
		s.t.Error("readyz has no list of dependencies")
	}
	return r
}

// words are the status and those of the dependencies in one line.
func (r readiness) words() string {
	var each []string
	for _, d := range r.Dependencies {
		each = append(each, " "+d.Name+" "+d.Status)
	}
	return r.Status + ":" + strings.Join(each, ",")
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func testServeSecondSignal(t *testing.T) {
	t.Parallel()
	tarpit, greeted := listenAndSayNothing(t)
	host, port, _ := net.SplitHostPort(tarpit)
	env := bare("DATA_DIR="+t.TempDir(), "SCHOOLBELL_API_KEY="+testKey, "SMTP_HOST="+host, "SMTP_PORT="+port, "EMAIL_FROM=office@hill.example", "SHUTDOWN_GRACE=1h", "SMTP_TIMEOUT=1h")
	r := spawn(t, env, "serve")
	s := server{t, r.says(urlLine), testKey}
	s.people(1)
	s.announce()
	select {
	case <-greeted: // a worker is now waiting for a mail server that never answers
	case <-time.After(patience):
		t.Fatal("nobody calls the mail server")
	}
	r.stop()
	r.says("Stopping: .* A second signal exits at once")
	r.stop()
	select {
	case <-r.exited:
	case <-time.After(patience):
		t.Fatal("it goes on after a second signal")
	}
	if strings.Contains(r.out.String(), "Stopped") {
		t.Error("it stopped in good order: the mail server did not hold it up")
	}
}

// listenAndSayNothing is a server that accepts and never answers; called is
// closed at the first connection.
func listenAndSayNothing(t *testing.T) (addr string, called <-chan struct{}) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for first := true; ; first = false {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if first {
				close(c)
			}
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String(), c
}

func TestStartup(t *testing.T) {
	t.Parallel()
	t.Run("an unusable Redis is rejected", testStartupUnusableRedis)
	t.Run("a Redis that may evict jobs causes a warning", testStartupEvictingRedis)
	t.Run("an unusable database is explained", testStartupUnusableDatabase)
	t.Run("a ledger of a newer program is rejected", testStartupNewerLedger)
	t.Run("an address in use is reported", testStartupAddressInUse)
}

func testStartupUnusableRedis(t *testing.T) {
	t.Parallel()
	locked := testenv.RedisServer(t, testenv.RedisOptions{Args: []string{"--requirepass", "sesame"}})
	for _, command := range []string{"serve", "worker"} {
		for _, c := range []struct{ name, addr, says, fix string }{
			{"a wrong password", "redis://:wrong-hunter2@" + locked.Addr, "this Redis cannot be used: it rejects the login", "→ check REDIS_PASSWORD"},
			{"an old version", "redis://" + oldServer(t), `this Redis cannot be used: it is version 5\.0\.14`, `→ use Redis 6\.2 or Valkey 7\.2`},
		} {
			t.Run(command+" with "+c.name, func(t *testing.T) {
				t.Parallel()
				r := inProcess(t, bare("DATA_DIR="+t.TempDir(), "REDIS_URL="+c.addr, catchAll), command)
				r.says(c.says)
				r.says(c.fix)
				r.exits(1)
				if strings.Contains(r.err.String(), "hunter2") {
					t.Errorf("a secret shows:\n%s", &r.err)
				}
			})
		}
	}
}

// oldServer answers as a Redis 5 does, as far as anybody asks.
func oldServer(t *testing.T) string {
	t.Helper()
	s, err := resp.NewServer("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	info := func(c *resp.Peer, _ string, _ []string) { c.WriteBulk("# Server\r\nredis_version:5.0.14\r\n") }
	ok := func(c *resp.Peer, _ string, _ []string) { c.WriteOK() }
	for name, answer := range map[string]resp.Cmd{"INFO": info, "CLIENT": ok, "SELECT": ok} {
		if err := s.Register(name, answer); err != nil {
			t.Fatal(err)
		}
	}
	return s.Addr().String()
}

func testStartupEvictingRedis(t *testing.T) {
	t.Parallel()
	redis := testenv.RedisServer(t, testenv.RedisOptions{Args: []string{"--maxmemory-policy", "allkeys-lru"}})
	env := bare("DATA_DIR="+t.TempDir(), "REDIS_URL=redis://"+redis.Addr, catchAll)
	w := inProcess(t, env, "worker")
	w.says("may evict jobs.*allkeys-lru.*noeviction")
	w.says("waits for jobs")
	w.ends()

	d := inProcess(t, env, "doctor")
	d.says(`warn +Redis +.*maxmemory-policy is allkeys-lru`)
	d.says("→ set maxmemory-policy noeviction")
	d.exits(0)
}

func testStartupUnusableDatabase(t *testing.T) {
	t.Parallel()
	dsn, err := url.Parse(testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ user, database, says string }{
		"no such database": {"postgres", "nowhere", `database "nowhere" does not exist`},
		"no such user":     {"nobody", strings.TrimPrefix(dsn.Path, "/"), `role "nobody" does not exist|it rejects the login`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := *dsn
			u.User, u.Path = url.UserPassword(c.user, "hunter2"), "/"+c.database
			r := inProcess(t, bare("DATABASE_URL="+u.String()), "serve")
			r.says("schoolbell: the ledger cannot be reached: PostgreSQL .*: (" + c.says + ")$")
			r.says("→ start PostgreSQL, or check DATABASE_URL")
			r.exits(1)
			if strings.Contains(r.err.String(), "hunter2") {
				t.Errorf("the password shows:\n%s", &r.err)
			}
		})
	}
}

func testStartupNewerLedger(t *testing.T) {
	t.Parallel()
	dsn := testenv.Postgres(t)
	env := bare("DATABASE_URL=" + dsn)
	m := inProcess(t, env, "migrate")
	m.says(`version 0 → \d`)
	m.exits(0)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	const newer = "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true); UPDATE installation SET oldest_program = 9999"
	if _, err := conn.Exec(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"serve", "migrate"} {
		r := inProcess(t, env, command)
		r.says("schema is version 9999, newer than this program")
		r.says("→ run a newer schoolbell")
		r.exits(1)
	}
}

func testStartupAddressInUse(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for setting, says := range map[string]string{"HTTP_ADDR": "cannot listen on", "MAIL_CATCHER_ADDR": "set up channel email: start the mail catcher"} {
		r := inProcess(t, bare("DATA_DIR="+t.TempDir(), setting+"="+ln.Addr().String()), "serve")
		r.says("schoolbell: " + says + ".*" + ln.Addr().String())
		r.says(setting)
		r.exits(1)
	}
}

func testServeMetricsOff(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]int{"METRICS=true": http.StatusOK, "METRICS=false": http.StatusNotFound} {
		r := inProcess(t, bare("DATA_DIR="+t.TempDir(), setting), "serve")
		if got := statusOf(t, r.says(urlLine)+"/metrics"); got != want {
			t.Errorf("%s: status %d, want %d", setting, got, want)
		}
		r.ends()
	}
}
