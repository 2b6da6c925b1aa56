package queuesoak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
	"schoolbell/test/queuesoak/soaker/plan"
)

const (
	shortSoak = 8 * time.Second // in a run of all tests

	// patience is far longer than anything here takes.
	patience = time.Minute

	workers, producers = 3, 2
)

// TestSoak breaks Redis, workers and producers at random while jobs of all kinds are
// added and run, and then makes sure that each of them ended as it was to end, once.
func TestSoak(t *testing.T) {
	t.Parallel()
	length, seed := testenv.Soak(t, shortSoak)
	s := newSoak(t, seed)
	for over := time.Now().Add(length); time.Now().Before(over); {
		s.moment(400 * time.Millisecond)
		s.strike()
	}
	s.rest()
	s.inspect(fmt.Sprintf("soak of %v, seed %d", length, seed))
}

// soak is two queues with workers and producers, all of which can be broken.
type soak struct {
	*testing.T
	rand      *rand.Rand
	redis     *testenv.RedisProc
	rdb       *redis.Client
	queues    map[string]*bullmq.Queue
	workers   []*soaker
	producers []*soaker
	started   []*soaker      // all that ever ran
	struck    map[string]int // faults by name
	wrong     int            // what complain was told
}

// soaker is a program that works or adds.
type soaker struct {
	name, role string
	killed     bool
	*testenv.Program
}

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	s := &soak{T: t, rand: rand.New(rand.NewPCG(seed, seed)), redis: testenv.RedisServer(t, testenv.RedisOptions{AOF: true}),
		queues: map[string]*bullmq.Queue{}, struck: map[string]int{}}
	s.rdb = redis.NewClient(&redis.Options{Addr: s.redis.Addr, ReadTimeout: patience})
	t.Cleanup(func() { _ = s.rdb.Close() })
	for _, name := range plan.Queues {
		q, err := bullmq.NewQueue(s.rdb, name, bullmq.QueueOptions{MaxEvents: 1 << 30}) // every event is looked at
		s.ok(err)
		_, err = q.UpsertScheduler(t.Context(), plan.Scheduler(name), bullmq.Schedule{Every: plan.Every}, bullmq.JobTemplate{})
		s.ok(err)
		s.queues[name] = q
	}
	for range workers {
		s.workers = append(s.workers, s.start("work"))
	}
	for range producers {
		s.producers = append(s.producers, s.start("add"))
	}
	return s
}

func (s *soak) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// start starts a program.
func (s *soak) start(role string) *soaker {
	s.Helper()
	p := &soaker{name: fmt.Sprintf("%c%d", role[0], len(s.started)), role: role}
	p.Program = testenv.StartProgram(s.T, testenv.ProgramOptions{}, testenv.Build(s.T, "./test/queuesoak/soaker"), "-redis", s.redis.Addr, "-name", p.name, role)
	p.Await("begins") // it takes signals
	s.started = append(s.started, p)
	return p
}

// kill ends a program as a crash would.
func (s *soak) kill(p *soaker) {
	s.Helper()
	p.killed = true
	p.Signal(syscall.SIGKILL)
	if code := p.Exit(patience); code != -1 {
		s.Fatalf("%s had ended with code %d before it was killed:\n%s", p.name, code, last(p.Output()))
	}
}

// end waits for a program that was told to stop: it must have finished what it had begun,
// and no goroutine of it may be left.
func (s *soak) end(p *soaker) {
	s.Helper()
	if code := p.Exit(patience); code != 0 {
		s.Fatalf("%s ended with code %d:\n%s", p.name, code, last(p.Output()))
	}
}

// complain fails the test; what goes wrong thousands of times is told some times only.
func (s *soak) complain(format string, args ...any) {
	s.Helper()
	if s.wrong++; s.wrong <= 50 {
		s.Errorf(format, args...)
	}
}

// last is the end of a text.
func last(text string) string { return text[max(0, len(text)-3000):] }

// moment lets things run for up to limit: here time passing is the test, not a
// wait for something.
func (s *soak) moment(limit time.Duration) {
	<-time.After(time.Duration(s.rand.Int64N(int64(limit))))
}

// surely does what Redis is asked for, whatever has become of this client's own connections.
func (s *soak) surely(what string, f func(ctx context.Context) error) {
	s.Helper()
	testenv.Eventually(s.T, patience, func() error { return f(s.Context()) }, "%s", what)
}

// rest ends the producers, waits until all jobs have finished, and ends the workers.
func (s *soak) rest() {
	s.Helper()
	for _, p := range s.producers {
		p.Signal(syscall.SIGTERM)
	}
	for _, p := range s.producers {
		s.end(p)
	}
	unfinished := []bullmq.State{bullmq.StateWaiting, bullmq.StatePrioritized, bullmq.StateActive, bullmq.StateDelayed, bullmq.StateWaitingChildren}
	for _, name := range plan.Queues {
		testenv.Eventually(s.T, patience, func() error {
			jobs, err := s.queues[name].Jobs(s.Context(), bullmq.JobsOptions{States: unfinished, OldestFirst: true})
			if err != nil || len(jobs) <= 1 { // the scheduler's
				return err
			}
			return fmt.Errorf("%d jobs have not: %s", len(jobs), s.describe(jobs))
		}, "all jobs of %s finish", name)
	}
	for _, p := range s.workers {
		p.Signal(syscall.SIGTERM)
	}
	for _, p := range s.workers {
		s.end(p)
	}
}

// describe says where some jobs stand and what they wait for.
func (s *soak) describe(jobs []*bullmq.Job) string {
	var text strings.Builder
	for _, job := range jobs {
		state, err := job.Queue().State(s.Context(), job.ID)
		var children []string
		for child, errs := range job.Dependencies(s.Context(), bullmq.DependenciesOptions{Kind: bullmq.Unprocessed, Limit: 100}) {
			children, err = append(children, child.Key), errors.Join(err, errs)
		}
		fmt.Fprintf(&text, "\n%s %s, started %d times, waits for %v %v", job.ID, state, job.AttemptsStarted, children, err)
	}
	return text.String()
}
