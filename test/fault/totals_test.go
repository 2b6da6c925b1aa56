package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// TestTotals compares the numbers of events with a full count of their rows at random moments, while events are
// delivered, cancelled, retried, read and acknowledged, workers die and Redis loses its data.
func TestTotals(t *testing.T) {
	t.Parallel()
	t.Run("on PostgreSQL, totals agree with the rows under faults", func(t *testing.T) {
		t.Parallel()
		testTotals(t, testenv.Postgres(t))
	})
	t.Run("on SQLite, totals agree with the rows under faults", func(t *testing.T) {
		t.Parallel()
		testTotals(t, "")
	})
}

const totalsPeople = 2_000

// totalsTest is a school whose events are counted all the time.
type totalsTest struct {
	*testing.T
	rand     *rand.Rand
	mail     *system.Mail
	redis    *testenv.RedisProc
	school   *system.School
	workers  []*system.Process
	started  int
	events   []countedEvent
	compared comparisons
}

// countedEvent is an event and how many people it concerns.
type countedEvent struct {
	id     string
	people int
}

// comparisons counts what was compared.
type comparisons struct{ totals, answers, quiet, open int }

func testTotals(t *testing.T, database string) {
	_, seed := testenv.Soak(t, shortSoak)
	s := &totalsTest{T: t, rand: rand.New(rand.NewPCG(seed, seed)), mail: system.NewMail(t), redis: testenv.RedisServer(t, testenv.RedisOptions{})}
	s.school = system.New(t, system.Parts{Database: database, Redis: s.redis.Addr, SMTP: s.mail.Addr(), Settings: []string{"JOB_BACKOFF=100ms", "BATCH_SIZE=100"}})
	serve := s.school.Serve()
	s.school.Import(totalsPeople)
	for range 2 {
		s.workers = append(s.workers, s.worker())
	}
	s.mail.Slow(20 * time.Millisecond)
	for n := range 40 {
		s.mail.Refuse(n*37, []int{451, 550}[n%2])
	}
	s.create(wire.NewEvent{}, totalsPeople)                                    // is read
	s.create(wire.NewEvent{Category: schoolbell.CategoryUrgent}, totalsPeople) // is retried
	cancelled := s.create(wire.NewEvent{}, totalsPeople)
	for n := range 5 {
		s.create(wire.NewEvent{Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{system.Person(n)}}}}, 1)
	}

	stop := s.count()
	faults := s.rand.Perm(5)
	for n, kind := range faults[:4] {
		s.fault(kind)
		s.change(n)
		if n == 1 {
			s.must("cancel", func(ctx context.Context) error {
				_, err := s.school.Client.CancelEvent(ctx, cancelled.id)
				if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusConflict { // two slow faults came first, and it is completed
					return nil
				}
				return err
			})
		}
	}
	s.settle()
	for n := range 40 {
		s.mail.Refuse(n*37, 0)
	}
	s.retry()
	s.fault(faults[4])
	s.settle()
	stop()
	s.finalCounts()
	t.Logf("compared: %d times totals and rows of all events at one moment, %d answers, %d of them of open events, %d while nothing changed",
		s.compared.totals, s.compared.answers, s.compared.open, s.compared.quiet)
	if s.compared.open == 0 || s.compared.quiet == 0 {
		t.Errorf("too little was compared: %+v", s.compared)
	}
	for _, w := range s.workers {
		w.Stop()
	}
	serve.Stop()
}

func (s *totalsTest) worker() *system.Process {
	s.Helper()
	s.started++
	return s.school.Worker(fmt.Sprintf("worker-%d", s.started))
}

func (s *totalsTest) create(ev wire.NewEvent, people int) countedEvent {
	s.Helper()
	ev.Title, ev.Body = "Sports day", "It takes place."
	if people == totalsPeople {
		ev.Audience = schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}
	}
	made, err := s.school.Client.CreateEvent(s.Context(), ev)
	if err != nil {
		s.Fatal(err)
	}
	e := countedEvent{made.ID, people}
	s.events = append(s.events, e)
	return e
}

// must repeats a request of the API until it succeeds.
func (s *totalsTest) must(what string, f func(ctx context.Context) error) {
	s.Helper()
	testenv.Eventually(s.T, promise, func() error { return f(s.Context()) }, "%s", what)
}

// count starts comparing at random moments. The returned function ends that.
func (s *totalsTest) count() (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	counter, ended := s.school.Counter(), make(chan error, 1)
	random := rand.New(rand.NewPCG(s.rand.Uint64(), 0))
	events := s.events
	go func() {
		for {
			err := s.compare(ctx, counter, events[random.IntN(len(events))])
			if err != nil || ctx.Err() != nil {
				ended <- err
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(random.Int64N(int64(50 * time.Millisecond)))):
			}
		}
	}()
	return func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			s.Error(err)
		}
	}
}

// compare compares once. An error says that numbers differ, or that one part did not answer, which none has a reason to.
func (s *totalsTest) compare(ctx context.Context, counter *system.Counter, ev countedEvent) error {
	differences, err := counter.Totals(ctx)
	if err != nil {
		return err
	}
	if differences != "" {
		return errors.New(differences)
	}
	s.compared.totals++
	a, err := counter.Answer(ctx, ev.id, ev.people)
	if err != nil {
		return err
	}
	if a.Wrong != "" {
		return fmt.Errorf("event %s: %s", ev.id, a.Wrong)
	}
	s.compared.answers++
	if a.Quiet {
		s.compared.quiet++
	}
	if a.Open {
		s.compared.open++
	}
	return nil
}

// fault waits a moment and breaks a worker or Redis.
func (s *totalsTest) fault(kind int) {
	s.Helper()
	<-time.After(time.Duration(s.rand.Int64N(int64(time.Second)))) // time passing is the test
	i := s.rand.IntN(len(s.workers))
	switch kind {
	case 0:
		s.Log("Redis is emptied")
		emptyRedis(s.T, s.redis.Addr)
	case 1:
		s.Log("Redis is killed and restarted")
		s.redis.Kill()
		s.redis.Restart()
	case 2:
		s.Log("a worker is stopped")
		s.workers[i].Stop()
		s.workers[i] = s.worker()
	default:
		s.Log("a worker is killed")
		s.workers[i].Kill()
		s.workers[i] = s.worker()
	}
}

// change has some people read or acknowledge the first event.
func (s *totalsTest) change(n int) {
	s.Helper()
	for i := n; i < totalsPeople; i += 200 {
		user := system.Person(i)
		change := s.school.Client.ReadItem
		if i%3 == 0 {
			change = s.school.Client.AcknowledgeItem
		}
		s.must("read the inbox", func(ctx context.Context) error { _, err := change(ctx, user, s.events[0].id); return err })
	}
}

// retry has the failed deliveries of all completed events sent again.
func (s *totalsTest) retry() {
	s.Helper()
	retried := 0
	for _, e := range s.events {
		n, err := s.school.Client.RetryEvent(s.Context(), e.id)
		if err != nil && schoolbell.CodeOf(err) != schoolbell.CodeConflict {
			s.Logf("retry: %v", err)
		}
		retried += n
	}
	if retried == 0 {
		s.Error("no delivery was retried")
	}
}

// settle waits until no event is open.
func (s *totalsTest) settle() {
	s.Helper()
	for _, e := range s.events {
		testenv.Eventually(s.T, 3*promise, func() error {
			ev, err := s.school.Client.Event(s.Context(), e.id)
			if err == nil && (!ev.Status.Terminal() || ev.Progress.Done != ev.Progress.Total) {
				err = fmt.Errorf("it is %s with %+v", ev.Status, ev.Progress)
			}
			return err
		}, "event %s ends", e.id)
	}
}

// finalCounts compares each answer with the rows and the list of deliveries when all has ended.
func (s *totalsTest) finalCounts() {
	s.Helper()
	counter := s.school.Counter()
	for _, e := range s.events {
		a, err := counter.Answer(s.Context(), e.id, e.people)
		if err != nil || a.Wrong != "" || !a.Quiet {
			s.Errorf("event %s at the end: %+v (%v)", e.id, a, err)
		}
		count, err := counter.Count(s.Context(), e.id)
		if err != nil {
			s.Fatal(err)
		}
		pages, err := counter.Pages(s.Context(), e.id)
		if err != nil {
			s.Fatal(err)
		}
		for ch, want := range count.Channels {
			if pages[ch] != want {
				s.Errorf("event %s, %s: the list has %+v, the rows are %+v", e.id, ch, pages[ch], want)
			}
		}
	}
}
