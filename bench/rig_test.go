package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/testenv"
)

// eventQueue is the key prefix of the event queue, the same in both systems.
const eventQueue = "bull:event-notifications:"

// patience is far more than anything takes here.
const patience = 10 * time.Minute

// servers are what both systems work with.
type servers struct {
	redis    *redis.Client
	postgres *testenv.PostgresProc
}

func startServers(b testing.TB) *servers {
	b.Helper()
	s := &servers{redis: redis.NewClient(&redis.Options{Addr: testenv.Redis(b)})}
	b.Cleanup(func() { _ = s.redis.Close() })
	s.postgres = testenv.PostgresServer(b, testenv.PostgresOptions{Durable: true})
	return s
}

// redisEnv are the settings that both systems read.
func (s *servers) redisEnv(b testing.TB) []string {
	b.Helper()
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

// finished waits until a job of the event queue is completed; a failed one ends the run.
func (s *servers) finished(b testing.TB) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	for after := "0"; ; {
		read, err := s.redis.XRead(ctx, &redis.XReadArgs{Streams: []string{eventQueue + "events", after}, Block: time.Minute}).Result()
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

// system is one of those compared: a server that takes events and a worker.
type system struct {
	server, worker *testenv.Program // worker is nil while only the server runs
	url, key       string           // where events are posted, and the API key if it wants one
	event          func(roles ...string) any
	inApp          func() int // inbox rows of all events
}

// title and body are those of the events of all systems.
const (
	title = "Sports day moved to Friday"
	body  = "Because of the rain, sports day is on Friday at nine. Please bring water, a hat and good shoes. Parents who want to help can come at eight."
)

var httpClient = &http.Client{Timeout: time.Minute}

// post creates an event for people of these roles and returns how long the answer took.
func (s *system) post(b testing.TB, roles ...string) time.Duration {
	b.Helper()
	text, err := json.Marshal(s.event(roles...))
	if err != nil {
		b.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.url, bytes.NewReader(text))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if s.key != "" {
		req.Header.Set("Authorization", "Bearer "+s.key)
	}
	start := time.Now()
	res, err := httpClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	took := time.Since(start)
	if err != nil || res.StatusCode != http.StatusCreated {
		b.Fatalf("create an event: %s %s %v", res.Status, answer, err)
	}
	return took
}

// run is what was measured while one event went to everybody.
type run struct {
	post, took            time.Duration
	worker, server        time.Duration // CPU time
	peak, resident        float64       // MB of the worker at the most, and at the end
	emails, inApp, people int
}

func (r run) rate() float64 { return float64(r.people) / r.took.Seconds() }

// reach sends one event to all people and waits for its end.
func (s *system) reach(b testing.TB, srv *servers, sink *testenv.Sink, people int) run {
	b.Helper()
	before := [2]usage{usageOf(b, s.worker.PID()), usageOf(b, s.server.PID())}
	start := time.Now()
	post := s.post(b, "student", "teacher", "parent")
	srv.finished(b)
	r := run{post: post, took: time.Since(start), people: people}
	worker, server := usageOf(b, s.worker.PID()), usageOf(b, s.server.PID())
	r.worker, r.server = worker.cpu-before[0].cpu, server.cpu-before[1].cpu
	r.peak, r.resident = worker.peak, worker.resident
	r.emails, r.inApp = sink.Count(), s.inApp()
	if r.emails != people || r.inApp != people {
		b.Errorf("%d people got %d emails and %d inbox rows", people, r.emails, r.inApp)
	}
	return r
}

// stop ends both processes in good order.
func (s *system) stop() {
	if s.worker != nil {
		s.worker.Stop()
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
