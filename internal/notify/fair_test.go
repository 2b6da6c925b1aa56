package notify_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/notify"
	"schoolbell/internal/testenv"
)

func TestFairness(t *testing.T) {
	t.Parallel()
	t.Run("a small event goes before the later batches of a large one", testFairnessBatches)
	t.Run("many small events do not starve a large one", testFairnessStarvation)
	t.Run("a walk lets other events run between its chunks", testFairnessYield)
	t.Run("a walk that yields costs no start of the rate limit", testFairnessRateLimit)
	t.Run("a job without a priority takes a turn like a new event", testFairnessNoPriority)
}

func oneAtATime(c *notify.Config) { c.Concurrency, c.BatchSize = 1, 1 }

// hold pauses a queue and returns a function that resumes it.
func (s *testPipeline) hold(queue string) (resume func()) {
	s.t.Helper()
	must(s.t, s.queue(queue).Pause(s.t.Context()))
	return func() { s.t.Helper(); must(s.t, s.queue(queue).Resume(s.t.Context())) }
}

func (s *testPipeline) awaitCount(queue string, state bullmq.State, n int) {
	s.t.Helper()
	testenv.Eventually(s.t, 20*time.Second, func() bool { return s.count(queue, state) == n }, "%d jobs of %s are %s", n, queue, state)
}

// order records the events of accepted emails.
func (s *testPipeline) order() (events func() []string) {
	var mu sync.Mutex
	var got []string
	s.provider.answers(func(m schoolbell.Message) schoolbell.Result {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, m.EventID)
		return schoolbell.Result{Verdict: schoolbell.VerdictSent}
	})
	return func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(got) }
}

func testFairnessBatches(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 20, oneAtATime)
	sent, resume := s.order(), s.hold(normalEmail)
	s.work()
	large := s.create()
	s.awaitCount(normalEmail, bullmq.StatePrioritized, 20)
	small := s.create(toUser(3))
	s.awaitCount(normalEmail, bullmq.StatePrioritized, 21)
	resume()
	s.await(small.ID, schoolbell.EventCompleted)
	s.await(large.ID, schoolbell.EventCompleted)
	if at := slices.Index(sent(), small.ID); at != 2 {
		t.Errorf("the small event was email %d of 21, want the third", at+1)
	}
}

func testFairnessStarvation(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 12, oneAtATime)
	again := make(chan struct{}, 1000)
	done := make(chan struct{})
	resume := s.hold(normalEmail)
	large := s.create()
	s.provider.answers(func(m schoolbell.Message) schoolbell.Result {
		if m.EventID != large.ID {
			again <- struct{}{} // there is always another small event
		}
		return schoolbell.Result{Verdict: schoolbell.VerdictSent}
	})
	s.work()
	s.awaitCount(normalEmail, bullmq.StatePrioritized, 12)
	for i := range 4 {
		s.create(toUser(i))
	}
	var supply sync.WaitGroup
	supply.Go(func() {
		for {
			select {
			case <-again:
				s.create(toUser(1))
			case <-done:
				return
			}
		}
	})
	resume()
	s.await(large.ID, schoolbell.EventCompleted)
	close(done)
	supply.Wait()
}

func testFairnessYield(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 3000, func(c *notify.Config) { c.Concurrency = 1 })
	resume := s.hold(normalEvents)
	s.work()
	large := s.create()
	s.awaitCount(normalEvents, bullmq.StatePrioritized, 1)
	small := s.create(toUser(3))
	s.awaitCount(normalEvents, bullmq.StatePrioritized, 2)
	resume()
	s.await(small.ID, schoolbell.EventCompleted)
	s.await(large.ID, schoolbell.EventCompleted)
	testenv.Eventually(t, 20*time.Second, func() error { return s.inState(normalEvents, large.ID, bullmq.StateCompleted) }, "the job completes")
	job := func(queue, id string) *bullmq.Job {
		j, err := s.queue(queue).Job(t.Context(), id)
		must(t, err)
		return j
	}
	walk, last := job(normalEvents, large.ID), job(normalEmail, large.ID+".email.30")
	// The small event's batch was added before the walk ended, so its job ran in between.
	if batch := job(normalEmail, small.ID+".email.1"); batch.Timestamp.After(last.Timestamp) {
		t.Errorf("the small event's batch was added at %v, the last of the large one at %v", batch.Timestamp, last.Timestamp)
	}
	if walk.AttemptsMade != 1 || walk.AttemptsStarted < 3 {
		t.Errorf("the large event's job: %d attempts in %d runs, want 1 in at least 3", walk.AttemptsMade, walk.AttemptsStarted)
	}
	s.wantOnce(3001)
}

func testFairnessRateLimit(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 3000, func(c *notify.Config) { c.Concurrency, c.RateMax, c.RateDuration = 1, 3, time.Hour })
	resume := s.hold(normalEvents)
	s.work()
	large := s.create()
	s.awaitCount(normalEvents, bullmq.StatePrioritized, 1)
	small := s.create(toUser(3))
	s.awaitCount(normalEvents, bullmq.StatePrioritized, 2)
	resume()
	s.await(small.ID, schoolbell.EventCompleted)
	s.await(large.ID, schoolbell.EventCompleted)
	if n := s.redis.Get(t.Context(), "bull:"+normalEvents+":limiter").Val(); n != "2" {
		t.Errorf("the limit counted %s starts, want 2", n)
	}
}

func testFairnessNoPriority(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 3, func(c *notify.Config) { c.Concurrency = 1 })
	resume := s.hold(normalEvents)
	s.work()
	first, second := s.create(), s.create()
	s.awaitCount(normalEvents, bullmq.StatePrioritized, 2)
	foreign, err := s.queue(normalEvents).Add(t.Context(), "event", map[string]string{"event_id": second.ID}, bullmq.JobOptions{})
	must(t, err)
	resume()
	s.await(first.ID, schoolbell.EventCompleted)
	s.await(second.ID, schoolbell.EventCompleted)
	testenv.Eventually(t, 20*time.Second, func() error { return s.inState(normalEvents, foreign.ID, bullmq.StateCompleted) }, "the foreign job completes")
	job, err := s.queue(normalEvents).Job(t.Context(), foreign.ID)
	must(t, err)
	if job.Priority != 2 || job.AttemptsMade != 1 {
		t.Errorf("the foreign job has priority %d after %d attempts, want 2 after 1", job.Priority, job.AttemptsMade)
	}
}
