package notify_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/notify"
	"schoolbell/internal/testenv"
)

func TestSmallEvent(t *testing.T) {
	t.Parallel()
	t.Run("its own job delivers it", testSmallEventOwnJob)
	t.Run("a batch job continues after a failed attempt", testSmallEventRetried)
	t.Run("a last attempt is a batch job's", testSmallEventLastAttempt)
	t.Run("emails wait while their queue is restricted", testSmallEventRestricted)
	t.Run("a provider that hangs does not stop in-app deliveries", testSmallEventHanging)
	t.Run("it takes few Redis commands", testSmallEventCommands)
}

func inPlace(c *notify.Config) { c.InPlace = notify.SmallEvent }

// jobs returns how many jobs a queue has in the states that a job of a finished or an open batch can be in.
func (s *testPipeline) jobs(queue string) (n int) {
	s.t.Helper()
	for _, state := range []bullmq.State{bullmq.StatePrioritized, bullmq.StateWaiting, bullmq.StateActive, bullmq.StateDelayed,
		bullmq.StateCompleted, bullmq.StateFailed} {
		n += s.count(queue, state)
	}
	return n
}

func testSmallEventOwnJob(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 30, inPlace)
	s.work()
	small, smallUrgent := s.create(toUser(0)), s.create(toUser(1), urgent)
	inApp := s.create(toUser(2), func(ev *schoolbell.Event) { ev.Channels = []schoolbell.Channel{schoolbell.ChannelInApp} })
	for _, ev := range []*schoolbell.Event{small, smallUrgent, inApp} {
		s.await(ev.ID, schoolbell.EventCompleted)
	}
	if n := s.jobs(normalEmail) + s.jobs(urgentEmail); n != 0 {
		t.Errorf("%d batch jobs were added for small events", n)
	}
	testenv.Eventually(t, 40*time.Second, func() error {
		if n, m := s.count(normalEvents, bullmq.StateCompleted), s.count(urgentEvents, bullmq.StateCompleted); n != 2 || m != 1 {
			return fmt.Errorf("%d normal and %d urgent jobs are completed", n, m)
		}
		return nil
	}, "the jobs of the events complete")
	job, err := s.queue(normalEvents).Job(t.Context(), small.ID)
	if err != nil || job.AttemptsStarted != 1 {
		t.Errorf("the job of the small event started %d times (%v), want once", job.AttemptsStarted, err)
	}
	s.wantOnce(2)
	large := s.create()
	s.await(large.ID, schoolbell.EventCompleted)
	if n := s.jobs(normalEmail); n != 1 {
		t.Errorf("%d batch jobs of a larger event, want 1", n)
	}
	s.wantOnce(32)
}

func testSmallEventRetried(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1, inPlace)
	var attempts atomic.Int64
	s.provider.answers(func(schoolbell.Message) schoolbell.Result {
		if attempts.Add(1) == 1 {
			return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "450 try later"}
		}
		return schoolbell.Result{Verdict: schoolbell.VerdictSent}
	})
	s.work()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	if got := s.email(ev.ID); got.Sent != 1 || attempts.Load() != 2 {
		t.Errorf("%+v after %d attempts", got, attempts.Load())
	}
	if n := s.count(normalEmail, bullmq.StateCompleted); n != 1 {
		t.Errorf("%d batch jobs are completed, want 1", n)
	}
	s.wantOnce(1)
}

func testSmallEventLastAttempt(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1, inPlace, func(c *notify.Config) { c.Retries = 0 })
	s.provider.answers(func(schoolbell.Message) schoolbell.Result {
		return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "450 try later"}
	})
	s.work()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	if n := s.count(normalEmail, bullmq.StateFailed); n != 1 {
		t.Errorf("%d batch jobs failed, want 1", n)
	}
}

func testSmallEventRestricted(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1, inPlace)
	emails := s.queue(normalEmail)
	for _, restrict := range []struct {
		name     string
		set, end func() error
	}{
		{"paused", func() error { return emails.Pause(t.Context()) }, func() error { return emails.Resume(t.Context()) }},
		{"rate limited", func() error { return emails.RateLimit(t.Context(), time.Hour) }, func() error { return emails.ClearRateLimit(t.Context()) }},
	} {
		must(t, restrict.set())
		before := s.provider.count()
		stop := s.work()
		ev := s.create()
		testenv.Eventually(t, 40*time.Second, func() error {
			if n := s.count(normalEvents, bullmq.StateWaitingChildren); n != 1 {
				return fmt.Errorf("%d jobs of events wait for batches", n)
			}
			return nil
		}, "the event waits for a batch job")
		if n := s.provider.count(); n != before {
			t.Errorf("%d emails were sent although their queue is %s", n-before, restrict.name)
		}
		stop() // a worker that rests looks again after half a minute only
		must(t, restrict.end())
		s.pipeline = s.newPipeline()
		stop = s.work()
		s.await(ev.ID, schoolbell.EventCompleted)
		stop()
		s.pipeline = s.newPipeline()
	}
	s.wantOnce(2)

	jobs := s.jobs(normalEmail)
	must(t, emails.SetGlobalConcurrency(t.Context(), 1))
	s.work()
	s.await(s.create().ID, schoolbell.EventCompleted)
	if n := s.jobs(normalEmail) - jobs; n != 1 {
		t.Errorf("%d batch jobs for an event while the number of jobs at a time is limited, want 1", n)
	}
	s.wantOnce(3)
}

func testSmallEventHanging(t *testing.T) {
	t.Parallel()
	const events = 8
	s := newTestPipeline(t, events, inPlace, func(c *notify.Config) { c.Concurrency = 4 })
	s.provider.gate = make(chan struct{})
	s.work()
	var ids []string
	for i := range events {
		ids = append(ids, s.create(toUser(i)).ID)
	}
	testenv.Eventually(t, 40*time.Second, func() error {
		for _, id := range ids {
			p, err := s.ledger.Events.Progress(t.Context(), id)
			if err != nil || p.Channels[schoolbell.ChannelInApp].Sent != 1 {
				return fmt.Errorf("event %s: %+v (%v)", id, p, err)
			}
		}
		return nil
	}, "every event reaches its inbox while emails hang")
	if n := s.provider.count(); n != 0 {
		t.Errorf("%d emails were sent through a provider that hangs", n)
	}
	close(s.provider.gate)
	for _, id := range ids {
		s.await(id, schoolbell.EventCompleted)
	}
	s.wantOnce(events)
}

// Every event wakes an idle worker here. Events that run at the same time share calls and need fewer commands.
// The median leaves out what happens beside events: searches for lost jobs, for example.
func testSmallEventCommands(t *testing.T) {
	t.Parallel()
	const events, most = 50, 62
	s := newTestPipeline(t, events, inPlace)
	s.work()
	<-s.pipeline.Ready()
	counts := make([]int, events)
	for i := range events {
		before := s.commands()
		s.await(s.create(toUser(i)).ID, schoolbell.EventCompleted)
		counts[i] = s.commands() - before
	}
	slices.Sort(counts)
	n := counts[events/2]
	t.Logf("Redis commands of an event: %d (%d to %d)", n, counts[0], counts[events-1])
	if n > most {
		t.Errorf("%d Redis commands for an event, want at most %d", n, most)
	}
	s.wantOnce(events)
}

// commands returns how many commands Redis has processed, also those inside scripts, without the search for damaged
// keys: that depends on the time only.
func (s *testPipeline) commands() (n int) {
	s.t.Helper()
	info := s.redis.InfoMap(s.t.Context(), "stats")
	if _, err := fmt.Sscan(info.Item("Stats", "total_commands_processed"), &n); err != nil {
		s.t.Fatalf("commands of Redis: %v (%v)", err, info.Err())
	}
	var types int
	_, _ = fmt.Sscanf(s.redis.InfoMap(s.t.Context(), "commandstats").Item("Commandstats", "cmdstat_type"), "calls=%d", &types) // 0 if there were none
	return n - types
}
