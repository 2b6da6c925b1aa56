package bullmq

import (
	"context"
	"sync"
)

// slots is how many jobs a worker runs at a time, and whether it starts any. It is safe for
// concurrent use.
type slots struct {
	mu      sync.Mutex
	limit   int
	taken   int // by running jobs, and by the fetch loop while it looks for one
	paused  bool
	changed chan struct{} // closed, and replaced, when one of these has changed

	period    context.Context // ends when the limit changes or the worker is paused
	endPeriod context.CancelFunc
}

func (s *slots) init(limit int) {
	s.limit = limit
	s.changed = make(chan struct{})
	s.period, s.endPeriod = context.WithCancel(context.Background())
}

// tell wakes the goroutines that wait for a change. The caller holds mu.
func (s *slots) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// interrupt ends the period. The caller holds mu.
func (s *slots) interrupt() {
	s.endPeriod()
	s.period, s.endPeriod = context.WithCancel(context.Background())
	s.tell()
}

// wait waits until cond, which is called with mu held, is true. It reports false when ctx ends
// first.
func (s *slots) wait(ctx context.Context, cond func() bool) bool {
	for ctx.Err() == nil {
		s.mu.Lock()
		if cond() {
			s.mu.Unlock()
			return true
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return false
}

// acquire waits for a free slot and takes it. It reports false when ctx ends first.
func (s *slots) acquire(ctx context.Context) bool {
	return s.wait(ctx, func() bool {
		free := !s.paused && s.taken < s.limit
		if free {
			s.taken++
		}
		return free
	})
}

func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	s.tell()
}

// mayGoOn reports whether a slot may continue with another job.
func (s *slots) mayGoOn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.paused && s.taken <= s.limit
}

func (s *slots) isPaused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused
}

// setPaused pauses the slots or ends the pause.
func (s *slots) setPaused(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused != paused {
		s.paused = paused
		s.interrupt()
	}
}

func (s *slots) setLimit(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit != n {
		s.limit = n
		s.interrupt()
	}
}

// resumed waits until there is no pause. It reports false when ctx ends first.
func (s *slots) resumed(ctx context.Context) bool {
	return s.wait(ctx, func() bool { return !s.paused })
}

// idle waits until no job is running or the pause is over. It reports false when ctx ends first.
func (s *slots) idle(ctx context.Context) bool {
	return s.wait(ctx, func() bool { return s.taken == 0 || !s.paused })
}

// untilChanged returns a context that ends with ctx, when the limit changes and when the
// worker is paused.
func (s *slots) untilChanged(ctx context.Context) (context.Context, context.CancelFunc) {
	s.mu.Lock()
	period := s.period
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	detach := context.AfterFunc(period, cancel)
	return ctx, func() { detach(); cancel() }
}

// Pause stops the worker from starting jobs, and from checking for jobs of lost workers, until
// [Worker.Resume]. It waits until the running jobs have ended. If ctx ends first, it returns
// the cause of that, and the worker stays paused. A job that is fetched while the pause begins
// goes back to the front of the queue. A worker may be paused before it runs. Other workers of
// the queue continue; [Queue.Pause] stops all of them.
//
// In a handler, Pause would wait for the handler itself, so pass a context that has ended.
func (w *Worker) Pause(ctx context.Context) error {
	w.slots.setPaused(true)
	if !w.slots.idle(ctx) {
		return context.Cause(ctx)
	}
	return nil
}

// Resume ends the pause of [Worker.Pause].
func (w *Worker) Resume() { w.slots.setPaused(false) }

// IsPaused reports whether the worker was paused by [Worker.Pause].
func (w *Worker) IsPaused() bool { return w.slots.isPaused() }

// SetConcurrency changes how many jobs the worker runs at a time, at least one; less is
// [ErrInvalid]. If more jobs are running, they end first.
func (w *Worker) SetConcurrency(n int) error {
	if n < 1 {
		return invalid("concurrency %d: at least 1", n)
	}
	w.slots.setLimit(n)
	return nil
}
