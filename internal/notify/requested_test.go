package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/testenv"
)

func TestRequested(t *testing.T) {
	t.Parallel()
	t.Run("a lost reply of the insert makes no second event", testRequestedLostReply)
	t.Run("a ledger that is down costs no attempt", testRequestedLedgerDown)
	t.Run("a walk that fails costs no last attempt", testRequestedWalkFails)
	t.Run("a number given again is another job", testRequestedNumberAgain)
	t.Run("a lost number stops nobody", testRequestedNumberLost)
	t.Run("a number given again leaves the earlier event", testRequestedNumberTaken)
	t.Run("the id of another event is refused", testRequestedEventID)
	t.Run("a job of a scheduler is stored when it is due", testRequestedScheduler)
	t.Run("a run of a scheduler waits for its batches", testRequestedRun)
	t.Run("a promoted job is not delayed again", testRequestedPromoted)
	t.Run("a held event goes on under its job", testRequestedHeld)
}

// decodeTitle decodes {"title": "…"} as an event for everybody.
func decodeTitle(data []byte) (*schoolbell.Event, string, error) {
	var in struct{ Title string }
	err := json.Unmarshal(data, &in)
	return newEvent(func(ev *schoolbell.Event) { ev.Title = in.Title }), in.Title, err
}

func askable(cfg *notify.Config) { cfg.DecodeEvent = decodeTitle }

// ask adds a job that asks for an event.
func (s *testPipeline) ask(opts bullmq.JobOptions) *bullmq.Job {
	s.t.Helper()
	job, err := s.queue(normalEvents).Add(s.t.Context(), "event", map[string]string{"title": "Asked"}, opts)
	must(s.t, err)
	return job
}

// named waits until a job names its event, and returns the event's id.
func (s *testPipeline) named(id string) (event string) {
	s.t.Helper()
	testenv.Eventually(s.t, 40*time.Second, func() error {
		job, err := s.queue(normalEvents).Job(s.t.Context(), id)
		if err != nil {
			return err
		}
		var data struct {
			EventID string `json:"event_id"`
		}
		if err := json.Unmarshal(job.Data, &data); err != nil || data.EventID == "" {
			return fmt.Errorf("job data are %s", job.Data)
		}
		event = data.EventID
		return nil
	}, "job %s names its event", id)
	return event
}

type allEvents = ledger.Events

// faultyEvents fail the first calls of CreateEvent, before or after they have stored the event.
type faultyEvents struct {
	allEvents
	after  bool
	faults atomic.Int64 // left
	stored atomic.Int64
}

func (e *faultyEvents) CreateEvent(ctx context.Context, ev *schoolbell.Event, setUp []schoolbell.Channel, idem ledger.Idempotency) (*schoolbell.Event, bool, error) {
	fail := e.faults.Add(-1) >= 0
	if fail && !e.after {
		return nil, false, errors.New("the ledger is down")
	}
	stored, replayed, err := e.allEvents.CreateEvent(ctx, ev, setUp, idem)
	if err == nil && !replayed {
		e.stored.Add(1)
	}
	if fail {
		return nil, false, errors.New("the reply was lost")
	}
	return stored, replayed, err
}

func (s *testPipeline) failCreating(after bool, times int64) *faultyEvents {
	e := &faultyEvents{allEvents: s.ledger.Events, after: after}
	e.faults.Store(times)
	s.ledger.Events = e
	s.pipeline = s.newPipeline()
	return e
}

func testRequestedLostReply(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]bullmq.JobOptions{"a chosen id": {ID: "chosen"}, "a number": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestPipeline(t, 2, askable)
			events := s.failCreating(true, 1)
			s.work()
			s.await(s.named(s.ask(opts).ID), schoolbell.EventCompleted)
			s.wantOnce(2)
			if n := events.stored.Load(); n != 1 {
				t.Errorf("%d events were stored", n)
			}
		})
	}
}

func testRequestedLedgerDown(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 2, askable)
	s.failCreating(false, 2)
	s.work()
	job := s.ask(bullmq.JobOptions{Attempts: 1})
	s.await(s.named(job.ID), schoolbell.EventCompleted)
	s.wantOnce(2)
}

type allFanOuts = ledger.FanOuts

// faultyFanOuts fail the first walk.
type faultyFanOuts struct {
	allFanOuts
	failed atomic.Bool
}

func (f *faultyFanOuts) FanOut(ctx context.Context, wave ledger.WaveRef, users, batchSize int) (ledger.FanOutStep, error) {
	if f.failed.CompareAndSwap(false, true) {
		return ledger.FanOutStep{}, errors.New("the ledger is down")
	}
	return f.allFanOuts.FanOut(ctx, wave, users, batchSize)
}

func testRequestedWalkFails(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 2, askable)
	walks := &faultyFanOuts{allFanOuts: s.ledger.FanOuts}
	s.ledger.FanOuts = walks
	s.pipeline = s.newPipeline()
	s.work()
	job := s.ask(bullmq.JobOptions{Attempts: 1})
	s.await(s.named(job.ID), schoolbell.EventCompleted)
	s.wantOnce(2)
	testenv.Eventually(t, 10*time.Second, func() error { return s.jobState(job.ID, bullmq.StateCompleted) }, "the job is completed")
	if !walks.failed.Load() {
		t.Error("no walk has failed")
	}
}

func testRequestedNumberAgain(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 2, askable)
	s.work()
	first := s.ask(bullmq.JobOptions{})
	one := s.named(first.ID)
	s.await(one, schoolbell.EventCompleted)
	must(t, s.redis.FlushAll(t.Context()).Err())
	second := s.ask(bullmq.JobOptions{Timestamp: first.Timestamp.Add(time.Millisecond)})
	two := s.named(second.ID)
	if first.ID != second.ID || one == two {
		t.Errorf("job %s has event %s, job %s event %s", first.ID, one, second.ID, two)
	}
	s.await(two, schoolbell.EventCompleted)
}

// testRequestedNumberLost: nobody may add a job under a number, so the event gets a job under its own id.
func testRequestedNumberLost(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 2, askable)
	s.work()
	job := s.ask(bullmq.JobOptions{Delay: 12 * time.Second})
	asked := s.named(job.ID)
	must(t, s.redis.FlushAll(t.Context()).Err())
	s.await(s.create().ID, schoolbell.EventCompleted)
	s.await(asked, schoolbell.EventCompleted)
	testenv.Eventually(t, 10*time.Second, func() error { return s.jobState(asked, bullmq.StateCompleted) }, "the event's job has its own id")
	s.wantOnce(4)
}

// testRequestedNumberTaken: Redis gives a number again while the event that had it is still open.
func testRequestedNumberTaken(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 2, askable)
	s.work()
	first := s.ask(bullmq.JobOptions{Delay: 12 * time.Second})
	one := s.named(first.ID)
	must(t, s.redis.FlushAll(t.Context()).Err())
	second := s.ask(bullmq.JobOptions{Delay: time.Hour})
	two := s.named(second.ID)
	if first.ID != second.ID || one == two {
		t.Errorf("job %s has event %s, job %s event %s", first.ID, one, second.ID, two)
	}
	s.await(one, schoolbell.EventCompleted)
}

func testRequestedEventID(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 2, askable)
	ev := s.create()
	for _, id := range []string{ev.ID, ev.ID + ".w1"} {
		s.ask(bullmq.JobOptions{ID: id}) // before the event's own job
	}
	s.work()
	s.await(ev.ID, schoolbell.EventCompleted)
	events, err := s.ledger.Reports.Events(t.Context(), schoolbell.EventFilter{}, "", 10)
	must(t, err)
	if len(events) != 1 {
		t.Errorf("%d events are stored", len(events))
	}
}

func testRequestedScheduler(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 2, askable)
	s.work()
	_, err := s.queue(normalEvents).UpsertScheduler(t.Context(), "weekly", bullmq.Schedule{Every: time.Hour, Start: time.Now().Add(time.Hour)},
		bullmq.JobTemplate{Name: "event", Data: map[string]string{"title": "Weekly"}})
	must(t, err)
	later := s.ask(bullmq.JobOptions{ID: "later", Delay: time.Hour}) // is looked at in the same search, or a later one
	s.await(s.named(later.ID), schoolbell.EventScheduled)
	events, err := s.ledger.Reports.Events(t.Context(), schoolbell.EventFilter{}, "", 10)
	must(t, err)
	if len(events) != 1 {
		t.Errorf("%d events are stored", len(events))
	}
}

func testRequestedPromoted(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 2, askable)
	job := s.ask(bullmq.JobOptions{ID: "promoted", Delay: time.Hour})
	must(t, s.queue(normalEvents).Promote(t.Context(), job.ID))
	s.work()
	s.await(s.named(job.ID), schoolbell.EventCompleted)
}

// testRequestedRun: the ids of such jobs have colons, which BullMQ refuses otherwise.
func testRequestedRun(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 60, askable, func(cfg *notify.Config) { cfg.BatchSize = 20 })
	job := s.ask(bullmq.JobOptions{ID: "repeat:weekly:1900000000000"})
	s.work()
	event := s.named(job.ID)
	s.await(event, schoolbell.EventCompleted)
	s.wantOnce(60)
	testenv.Eventually(t, 10*time.Second, func() error { return s.jobState(job.ID, bullmq.StateCompleted) }, "the job is completed")
	if n := s.jobs(normalEmail); n != 3 {
		t.Errorf("%d batch jobs", n)
	}
}

// testRequestedHeld: the ledger is declared restored while the emails of an event wait, and the event is released.
func testRequestedHeld(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]bool{"with its job": false, "after Redis has lost its job": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestPipeline(t, 2, askable)
			s.work()
			resume := s.hold(normalEmail)
			job := s.ask(bullmq.JobOptions{ID: "chosen"})
			event := s.named(job.ID)
			s.awaitCount(normalEmail, bullmq.StatePrioritized, 1)
			r, err := s.ledger.Restores.HoldRestored(t.Context(), true, 0)
			if err != nil || r.Held != 1 {
				t.Fatalf("held %+v, %v", r, err)
			}
			if lose {
				must(t, s.redis.FlushAll(t.Context()).Err())
				s.ask(bullmq.JobOptions{ID: "chosen"}) // its producer repeats the request
				if again := s.named(job.ID); again != event {
					t.Errorf("the repeated job has event %s, and it was %s", again, event)
				}
			} else {
				resume()
			}
			testenv.Eventually(t, 10*time.Second, func() error { return s.jobState(job.ID, bullmq.StateCompleted) }, "the job of the held event ends")
			s.await(event, schoolbell.EventHeld)
			s.wantOnce(0)
			_, err = s.pipeline.Release(t.Context(), event)
			must(t, err)
			s.await(event, schoolbell.EventCompleted)
			testenv.Eventually(t, 10*time.Second, func() error { return s.jobState(job.ID, bullmq.StateCompleted) }, "the job is completed")
			s.wantOnce(2)
			if c := s.email(event); c.Uncertain != 2 {
				t.Errorf("emails %+v, want 2 uncertain ones", c)
			}
			if state, err := s.queue(normalEvents).State(t.Context(), event); err != nil || state != bullmq.StateUnknown {
				t.Errorf("a job with the id of the event is %s, %v", state, err)
			}
		})
	}
}
