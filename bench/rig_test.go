package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/client"
	"schoolbell/internal/testenv"
)

// patience is far more than anything takes here.
const patience = 30 * time.Minute

// servers are what both systems work with.
type servers struct {
	redis    *redis.Client // of a Cluster, the master with the queues
	prefix   string        // of the keys of all queues, the same in both systems
	nodes    []string      // of a Cluster
	postgres *testenv.PostgresProc
}

// defaultPrefix is the prefix of the keys of queues, unless something else is set.
const defaultPrefix = "bull"

// eventsOf is the key of the events of the event queue.
func (s *servers) eventsOf() string { return s.prefix + ":event-notifications:events" }

func startServers(b testing.TB) *servers {
	b.Helper()
	return startServersWith(b, testenv.PostgresOptions{Durable: true})
}

func startServersWith(b testing.TB, o testenv.PostgresOptions) *servers {
	b.Helper()
	s := &servers{prefix: defaultPrefix, redis: redis.NewClient(&redis.Options{Addr: testenv.Redis(b)})}
	b.Cleanup(func() { _ = s.redis.Close() })
	s.postgres = testenv.PostgresServer(b, o)
	return s
}

// redisEnv are the settings that both systems read.
func (s *servers) redisEnv(b testing.TB) []string {
	b.Helper()
	if len(s.nodes) > 0 {
		return []string{"REDIS_CLUSTER_NODES=" + strings.Join(s.nodes, ","), "QUEUE_PREFIX=" + s.prefix}
	}
	host, port, err := net.SplitHostPort(s.redis.Options().Addr)
	if err != nil {
		b.Fatal(err)
	}
	return []string{"REDIS_HOST=" + host, "REDIS_PORT=" + port}
}

// empty takes all jobs of the run before out of Redis.
func (s *servers) empty(b testing.TB) {
	b.Helper()
	if err := s.redis.FlushAll(b.Context()).Err(); err != nil {
		b.Fatal(err)
	}
}

// lastEntry is the id of the newest entry in the events of the event queue.
func (s *servers) lastEntry(b testing.TB) string {
	b.Helper()
	entries, err := s.redis.XRevRangeN(b.Context(), s.eventsOf(), "+", "-", 1).Result()
	switch {
	case err != nil:
		b.Fatal(err)
	case len(entries) == 1:
		return entries[0].ID
	}
	return "0"
}

// finished waits until a job of the event queue is completed after that entry; a failed one
// ends the run.
func (s *servers) finished(b testing.TB, after string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	for {
		read, err := s.redis.XRead(ctx, &redis.XReadArgs{Streams: []string{s.eventsOf(), after}, Block: time.Minute}).Result()
		if err != nil {
			b.Fatalf("wait for the event to be finished: %v", err)
		}
		for _, entry := range read[0].Messages {
			after = entry.ID
			switch entry.Values["event"] {
			case "completed":
				return
			case "failed":
				b.Fatalf("the event's job failed: %v", entry.Values["failedReason"])
			}
		}
	}
}

// setup is how a system is started.
type setup struct {
	people  int
	workers int
	sink    *testenv.Sink // nil without workers
	env     []string      // further settings of Schoolbell
	far     string        // address of a proxy of PostgreSQL that Schoolbell uses, "" for none

	prepare func(b testing.TB, s *system, c *client.Client) // of Schoolbell, before its workers start; nil for nothing
}

// starter starts one of the compared systems.
type starter func(b testing.TB, srv *servers, o setup) *system

// system is one of those compared: a server that takes events and its workers.
type system struct {
	server   *testenv.Program
	workers  []*testenv.Program
	sink     *testenv.Sink
	url, key string // where events are posted, and the API key if it wants one
	dsn      string // URL of its database
	people   int
	event    func(to audience) any
	inApp    func() int // inbox rows of the newest event, -1 while it is not completed
}

// audience is who an event is for: named people or everybody, in-app and by email or
// in-app only.
type audience struct {
	users     []int
	inAppOnly bool
	urgent    bool // Schoolbell only
}

var everybody = []string{"student", "teacher", "parent"}

// title and body are those of the events of all systems.
const (
	title = "Sports day moved to Friday"
	body  = "Because of the rain, sports day is on Friday at nine. Please bring water, a hat and good shoes. Parents who want to help can come at eight."
)

var httpClient = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}

// post creates an event and returns how long the answer took.
func (s *system) post(b testing.TB, to audience) time.Duration {
	b.Helper()
	took, err := s.tryPost(b.Context(), to)
	if err != nil {
		b.Fatal(err)
	}
	return took
}

func (s *system) tryPost(ctx context.Context, to audience) (time.Duration, error) {
	text, err := json.Marshal(s.event(to))
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.key != "" {
		req.Header.Set("Authorization", "Bearer "+s.key)
	}
	start := time.Now()
	res, err := httpClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	took := time.Since(start)
	if err != nil || res.StatusCode != http.StatusCreated {
		return 0, fmt.Errorf("create an event: %s %s %v", res.Status, answer, err)
	}
	return took, nil
}

// run is what was measured while one event went to everybody.
type run struct {
	post   time.Duration
	took   time.Duration // from POST to the last email accepted, or to the end of the event if it has no emails
	cost   costs
	peak   float64 // MB of a worker at the most
	stored int     // bytes in the database
	people int
}

func (r run) rate() float64 { return float64(r.people) / r.took.Seconds() }

// perPerson is a processor time in µs for each person.
func (r run) perPerson(d time.Duration) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(r.people)
}

// reach sends one event to everybody and waits for its end.
func (s *system) reach(b testing.TB, srv *servers, to audience) run {
	b.Helper()
	stored := databaseSize(b, s.dsn)
	before, after := costsOf(b, s, srv), srv.lastEntry(b)
	emails := s.sink.Count()
	start := time.Now()
	r := run{people: s.people, post: s.post(b, to)}
	if !to.inAppOnly {
		s.accepted(b, emails+s.people)
		r.took = time.Since(start)
	}
	srv.finished(b, after)
	if to.inAppOnly {
		r.took = time.Since(start)
	}
	r.cost, r.peak = costsOf(b, s, srv).minus(before), s.memory(b)
	r.stored = databaseSize(b, s.dsn) - stored
	s.checkReached(b, emails, to)
	return r
}

// accepted waits until the sink has taken so many emails. It looks rarely enough not to
// disturb what is measured.
func (s *system) accepted(b testing.TB, emails int) {
	b.Helper()
	look := time.NewTicker(min(max(time.Duration(s.people)*100*time.Nanosecond, 200*time.Microsecond), 5*time.Millisecond))
	defer look.Stop()
	deadline := time.Now().Add(patience)
	for s.sink.Count() < emails {
		if now := <-look.C; now.After(deadline) {
			b.Fatalf("%d of %d emails were accepted", s.sink.Count(), emails)
		}
	}
}

// checkReached reports an event that did not reach everybody exactly once.
func (s *system) checkReached(b testing.TB, emailsBefore int, to audience) {
	b.Helper()
	want := s.people
	if to.inAppOnly {
		want = 0
	}
	if emails, inApp := s.sink.Count()-emailsBefore, s.inApp(); emails != want || inApp != s.people {
		b.Errorf("%d people got %d emails and %d inbox rows", s.people, emails, inApp)
	}
}

// stop ends all processes in good order.
func (s *system) stop() {
	for _, w := range s.workers {
		w.Stop()
	}
	s.server.Stop()
}

// role is that of the nth of many people, from 0.
func role(n, people int) string {
	switch teachers, parents := people*5/100, people*15/100; {
	case n < teachers:
		return "teacher"
	case n < teachers+parents:
		return "parent"
	}
	return "student"
}

func address(n int) string { return "user" + strconv.Itoa(n) + "@people.hill.example" }
