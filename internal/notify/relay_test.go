package notify_test

import (
	"context"
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

func TestRelay(t *testing.T) {
	t.Parallel()
	t.Run("a new event gets its job without a search", testRelayWithoutSearch)
	t.Run("waves are marked queued in groups", testRelayMarks)
	t.Run("an event for later has no job", testRelayLater)
	t.Run("events at the limit of what is soon are sent", testRelayLimit)
}

type allWaves = ledger.Waves

// countedWaves are waves whose searches find nothing, and whose calls of MarkQueued are counted.
type countedWaves struct {
	allWaves
	marks, marked atomic.Int64
}

func (w *countedWaves) UnqueuedWaves(context.Context, time.Duration, int) ([]ledger.QueuedWave, error) {
	return nil, nil
}

func (w *countedWaves) MarkQueued(ctx context.Context, waves []ledger.WaveRef) error {
	err := w.allWaves.MarkQueued(ctx, waves)
	if err == nil { // else the waves are marked again
		w.marks.Add(1)
		w.marked.Add(int64(len(waves)))
	}
	return err
}

func (s *testPipeline) withoutSearches() *countedWaves {
	s.t.Helper()
	waves := &countedWaves{allWaves: s.ledger.Waves}
	s.ledger.Waves = waves
	s.pipeline = s.newPipeline()
	return waves
}

func testRelayWithoutSearch(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 3)
	s.withoutSearches()
	s.work()
	normal, urgent := s.create(), s.create(urgent)
	s.await(normal.ID, schoolbell.EventCompleted)
	s.await(urgent.ID, schoolbell.EventCompleted)
	s.wantOnce(6)
}

func testRelayMarks(t *testing.T) {
	t.Parallel()
	const events = 150
	s := newTestPipeline(t, 1)
	waves := s.withoutSearches()
	s.createMany(events, toUser(0)) // before the relay starts, so that the speed of the machine does not matter
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.pipeline.RunRelay(ctx) }()
	testenv.Eventually(t, 40*time.Second, func() error {
		if n := s.count(normalEvents, bullmq.StatePrioritized); n < events {
			return fmt.Errorf("%d of %d events have jobs", n, events)
		}
		return nil
	}, "each event has a job")
	stop()
	must(t, <-ended)
	if n := waves.marked.Load(); n != events {
		t.Errorf("%d waves were marked queued, want %d", n, events)
	}
	if n := waves.marks.Load(); n > 5 {
		t.Errorf("%d waves were marked in %d transactions", events, n)
	}
}

func in(d time.Duration) func(*schoolbell.Event) {
	return func(ev *schoolbell.Event) { ev.SendAt = time.Now().Add(d) }
}

func testRelayLater(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1)
	later, soon := s.create(in(2*time.Minute)), s.create(in(50*time.Second))
	s.work()
	testenv.Eventually(t, 40*time.Second, func() error { return s.jobState(soon.ID, bullmq.StateDelayed) }, "the event that starts soon has a job")
	if err := s.jobState(later.ID, bullmq.StateUnknown); err != nil {
		t.Errorf("the event that starts later: %v", err)
	}
	if err := s.redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 40*time.Second, func() error { return s.jobState(soon.ID, bullmq.StateDelayed) }, "the job of the event that starts soon is rebuilt")
	if err := s.jobState(later.ID, bullmq.StateUnknown); err != nil {
		t.Errorf("the event that starts later, after Redis was emptied: %v", err)
	}
	if _, err := s.pipeline.Cancel(t.Context(), later.ID); err != nil {
		t.Error(err)
	}
}

// The events start before and after the moment at which an event gets its job when it is created.
func testRelayLimit(t *testing.T) {
	t.Parallel()
	const events, ahead = 40, time.Second
	s := newTestPipeline(t, 1, func(c *notify.Config) { c.Ahead = ahead })
	s.work()
	ids := make([]string, events)
	for i := range ids {
		ids[i] = s.create(in(ahead/2+time.Duration(i)*ahead/events), toUser(0)).ID
	}
	for _, id := range ids {
		s.await(id, schoolbell.EventCompleted)
	}
	s.wantOnce(events)
}
