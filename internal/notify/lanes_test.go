package notify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/notify"
	"schoolbell/internal/testenv"
)

func urgent(ev *schoolbell.Event) { ev.Category = schoolbell.CategoryUrgent }

func toUser(i int) func(*schoolbell.Event) {
	return func(ev *schoolbell.Event) {
		ev.Audience = schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID(i)}}}
	}
}

// workInLanes works with a provider for each lane and returns that of the urgent lane.
func (s *testPipeline) workInLanes() (urgent *provider) {
	s.t.Helper()
	urgent = newProvider()
	s.workWith(plainRenderer{}, map[schoolbell.Channel]notify.Senders{schoolbell.ChannelEmail: {Normal: s.provider, Urgent: urgent}})
	return urgent
}

// queue returns the pipeline's queue of that name.
func (s *testPipeline) queue(name string) *bullmq.Queue {
	s.t.Helper()
	for _, q := range s.pipeline.Queues() {
		if q.Name() == name {
			return q
		}
	}
	s.t.Fatalf("there is no queue %s", name)
	return nil
}

const (
	normalEvents, normalEmail = "event-notifications", "event-notifications-email"
	urgentEvents, urgentEmail = "event-notifications.urgent", "event-notifications-email.urgent"
)

func (s *testPipeline) count(queue string, state bullmq.State) int {
	s.t.Helper()
	counts, err := s.queue(queue).Counts(s.t.Context(), state)
	if err != nil {
		s.t.Fatal(err)
	}
	return int(counts[state])
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLanes(t *testing.T) {
	t.Parallel()
	t.Run("urgent events do not wait for normal ones", testLanesSeparate)
	t.Run("normal work leaves slots to urgent work", testLanesSlots)
	t.Run("the rate limit is for normal events only", testLanesRateLimit)
	t.Run("an event stays in its lane when its category moves", testLanesKept)
	t.Run("a cancelled urgent event leaves its queue", testLanesCancel)
	t.Run("both lanes of a channel rest together", testLanesRest)
	t.Run("jobs of the urgent lane are rebuilt", testLanesRebuilt)
	t.Run("a job in the wrong lane fails", testLanesWrongQueue)
	t.Run("a share outside 0 to 90 percent is rejected", testLanesInvalidShare)
}

func testLanesSeparate(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 60, func(c *notify.Config) { c.BatchSize, c.Concurrency, c.UrgentShare = 5, 5, 20 })
	var names []string
	for _, q := range s.pipeline.Queues() {
		names = append(names, q.Name())
	}
	if want := []string{normalEvents, normalEmail, urgentEvents, urgentEmail}; !slices.Equal(names, want) {
		t.Errorf("the queues are %q, want %q", names, want)
	}
	s.provider.gate = make(chan struct{}) // no normal email goes out
	alarms := s.workInLanes()
	large := s.create()
	testenv.Eventually(t, 20*time.Second, func() bool { return s.count(normalEmail, bullmq.StateActive) == 4 }, "normal work fills its slots")
	alarm := s.create(urgent)
	s.await(alarm.ID, schoolbell.EventCompleted)
	if n := s.count(normalEmail, bullmq.StateActive); n != 4 {
		t.Errorf("normal work uses %d of 5 slots, want 4", n)
	}
	if alarms.count() != 60 || s.provider.count() != 0 {
		t.Errorf("the urgent sender sent %d emails, the normal one %d", alarms.count(), s.provider.count())
	}
	if n := s.count(urgentEvents, bullmq.StateCompleted) + s.count(urgentEmail, bullmq.StateCompleted); n != 1+12 {
		t.Errorf("%d jobs completed in the queues of the urgent lane, want 13", n)
	}
	close(s.provider.gate)
	s.await(large.ID, schoolbell.EventCompleted)
	s.wantOnce(60)
}

func testLanesSlots(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ concurrency, share, normal int }{{5, 20, 4}, {1, 20, 1}, {4, 90, 1}, {10, 21, 7}, {3, 0, 3}} {
		t.Run(fmt.Sprintf("%d with share %d", c.concurrency, c.share), func(t *testing.T) {
			t.Parallel()
			s := newTestPipeline(t, 12, func(n *notify.Config) { n.BatchSize, n.Concurrency, n.UrgentShare = 1, c.concurrency, c.share })
			s.provider.gate = make(chan struct{})
			alarms := s.workInLanes()
			alarms.gate = s.provider.gate
			normal, alarm := s.create(), s.create(urgent)
			testenv.Eventually(t, 20*time.Second, func() error {
				n, u := s.count(normalEmail, bullmq.StateActive), s.count(urgentEmail, bullmq.StateActive)
				if n != c.normal || u != c.concurrency {
					return fmt.Errorf("%d normal and %d urgent jobs run, want %d and %d", n, u, c.normal, c.concurrency)
				}
				return nil
			}, "both lanes fill their slots")
			close(s.provider.gate)
			s.await(normal.ID, schoolbell.EventCompleted)
			s.await(alarm.ID, schoolbell.EventCompleted)
		})
	}
}

func testLanesRateLimit(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 3, func(c *notify.Config) { c.RateMax, c.RateDuration = 2, time.Hour })
	s.work()
	first := s.create(toUser(0))
	s.await(first.ID, schoolbell.EventCompleted)
	s.create(toUser(0)) // its start uses up the limit
	beyond := s.create(toUser(1))
	for range 3 {
		alarm := s.create(urgent, toUser(2))
		s.await(alarm.ID, schoolbell.EventCompleted)
	}
	if ev, err := s.ledger.Events.Event(t.Context(), beyond.ID); err != nil || ev.Status != schoolbell.EventQueued {
		t.Errorf("the event beyond the limit is %+v, %v", ev, err)
	}
}

// A category may get another lane while its events are on their way.
func testLanesKept(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 3)
	must(t, s.queue(normalEvents).Pause(t.Context()))
	s.work()
	ev := s.create()
	testenv.Eventually(t, 20*time.Second, func() bool { return s.redis.Exists(t.Context(), "bull:"+normalEvents+":"+ev.ID).Val() == 1 }, "the event has its job")
	announcement := schoolbell.BuiltInCategories()[0]
	announcement.Lane = schoolbell.LaneUrgent
	_, err := s.ledger.School.PutCategory(t.Context(), announcement)
	must(t, err)
	later := s.create()
	s.await(later.ID, schoolbell.EventCompleted)
	must(t, s.queue(normalEvents).Resume(t.Context()))
	s.await(ev.ID, schoolbell.EventCompleted)
	for queue, id := range map[string]string{normalEvents: ev.ID, urgentEvents: later.ID, normalEmail: ev.ID + ".email.1", urgentEmail: later.ID + ".email.1"} {
		if s.redis.Exists(t.Context(), "bull:"+queue+":"+id).Val() != 1 {
			t.Errorf("job %s is not in queue %s", id, queue)
		}
	}
}

func testLanesCancel(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 3)
	must(t, s.queue(urgentEvents).Pause(t.Context()))
	s.work()
	ev := s.create(urgent)
	key := "bull:" + urgentEvents + ":" + ev.ID
	testenv.Eventually(t, 20*time.Second, func() bool { return s.redis.Exists(t.Context(), key).Val() == 1 }, "the event has its job")
	_, err := s.pipeline.Cancel(t.Context(), ev.ID)
	must(t, err)
	testenv.Eventually(t, 20*time.Second, func() bool { return s.redis.Exists(t.Context(), key).Val() == 0 }, "its job is removed")
}

// A provider that wants rest means the whole channel, whichever lane it told.
func testLanesRest(t *testing.T) {
	t.Parallel()
	for _, told := range schoolbell.Lanes() {
		t.Run("told to the "+string(told)+" lane", func(t *testing.T) {
			t.Parallel()
			s := newTestPipeline(t, 3)
			alarms := s.workInLanes()
			by := map[schoolbell.Lane]*provider{schoolbell.LaneNormal: s.provider, schoolbell.LaneUrgent: alarms}
			by[told].answers(func(schoolbell.Message) schoolbell.Result {
				return schoolbell.Result{Verdict: schoolbell.VerdictSlowDown, After: time.Hour, Reason: "421 later"}
			})
			change := map[schoolbell.Lane]func(*schoolbell.Event){schoolbell.LaneNormal: func(*schoolbell.Event) {}, schoolbell.LaneUrgent: urgent}
			s.create(change[told])
			for _, queue := range []string{normalEmail, urgentEmail} {
				testenv.Eventually(t, 20*time.Second, func() error {
					ttl, err := s.queue(queue).RateLimitTTL(t.Context(), bullmq.RateLimitTTLOptions{Max: 1 << 30})
					if err == nil && ttl < 50*time.Minute {
						err = fmt.Errorf("queue %s rests for %v", queue, ttl)
					}
					return err
				}, "workers of %s rest in all processes", queue)
			}
		})
	}
}

func testLanesRebuilt(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 30, func(c *notify.Config) { c.BatchSize = 5 })
	must(t, s.queue(urgentEmail).Pause(t.Context()))
	s.work()
	ev := s.create(urgent)
	testenv.Eventually(t, 20*time.Second, func() error { return s.inState(urgentEvents, ev.ID, bullmq.StateWaitingChildren) }, "the event waits for its batches")
	must(t, s.redis.FlushAll(t.Context()).Err()) // ends the pause too
	s.await(ev.ID, schoolbell.EventCompleted)
	s.wantOnce(30)
}

func (s *testPipeline) inState(queue, id string, want bullmq.State) error {
	state, err := s.queue(queue).State(s.t.Context(), id)
	if err == nil && state != want {
		err = fmt.Errorf("job %s is %s, want %s", id, state, want)
	}
	return err
}

// Another program may add a job to the wrong queue. It must not move the event there.
func testLanesWrongQueue(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 3)
	must(t, s.queue(urgentEvents).Pause(t.Context()))
	s.work()
	ev := s.create(urgent)
	job, err := s.queue(normalEvents).Add(t.Context(), "event", map[string]string{"event_id": ev.ID}, bullmq.JobOptions{})
	must(t, err)
	testenv.Eventually(t, 20*time.Second, func() error { return s.inState(normalEvents, job.ID, bullmq.StateFailed) }, "the job fails")
	failed, err := s.queue(normalEvents).Job(t.Context(), job.ID)
	must(t, err)
	if !strings.Contains(failed.FailedReason, "urgent lane") {
		t.Errorf("it failed with %q", failed.FailedReason)
	}
	must(t, s.queue(urgentEvents).Resume(t.Context()))
	s.await(ev.ID, schoolbell.EventCompleted)
}

func testLanesInvalidShare(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1)
	for _, share := range []int{-1, schoolbell.MaxUrgentShare + 1} {
		s.cfg.UrgentShare = share
		if _, err := notify.New(s.ledger.Stores, s.redis, s.cfg, testLog()); err == nil {
			t.Errorf("a share of %d is taken", share)
		}
	}
}
