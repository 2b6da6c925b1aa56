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
	"schoolbell/internal/testenv"
)

func TestRelay(t *testing.T) {
	t.Parallel()
	t.Run("a new event gets its job without a search", testRelayWithoutSearch)
	t.Run("waves are marked queued in groups", testRelayMarks)
}

type allWaves = ledger.Waves

// countedWaves are waves whose searches find nothing, and whose calls of MarkQueued are counted.
type countedWaves struct {
	allWaves
	marks, marked atomic.Int64
}

func (w *countedWaves) UnqueuedWaves(context.Context, int) ([]ledger.QueuedWave, error) {
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
