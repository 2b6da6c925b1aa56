package fetch

import (
	"context"
	"sync"
)

// Slots is how many jobs a worker runs at a time, and whether it starts any. It is safe for
// concurrent use.
type Slots struct {
	mu      sync.Mutex
	limit   int
	taken   int // by running jobs, and by the fetch loop while it looks for one
	paused  bool
	changed chan struct{} // closed, and replaced, when one of these has changed

	period    context.Context // ends when the limit changes or the worker is paused
	endPeriod context.CancelFunc
}

// Init sets how many jobs run at a time. It is called once, before all others.
func (s *Slots) Init(limit int) {
	s.limit = limit
	s.changed = make(chan struct{})
	s.period, s.endPeriod = context.WithCancel(context.Background())
}

// tell wakes the goroutines that wait for a change. The caller holds mu.
func (s *Slots) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// interrupt ends the period. The caller holds mu.
func (s *Slots) interrupt() {
	s.endPeriod()
	s.period, s.endPeriod = context.WithCancel(context.Background())
	s.tell()
}

// wait waits until cond, which is called with mu held, is true. It reports false when ctx ends
// first.
func (s *Slots) wait(ctx context.Context, cond func() bool) bool {
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

// Acquire waits for a free slot and takes it. It reports false when ctx ends first.
func (s *Slots) Acquire(ctx context.Context) bool {
	return s.wait(ctx, func() bool {
		free := !s.paused && s.taken < s.limit
		if free {
			s.taken++
		}
		return free
	})
}

// Release gives a slot back.
func (s *Slots) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	s.tell()
}

// MayGoOn reports whether a slot may continue with another job.
func (s *Slots) MayGoOn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.paused && s.taken <= s.limit
}

// IsPaused reports whether the slots are paused.
func (s *Slots) IsPaused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused
}

// SetPaused pauses the slots or ends the pause.
func (s *Slots) SetPaused(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused != paused {
		s.paused = paused
		s.interrupt()
	}
}

// SetLimit changes how many jobs run at a time.
func (s *Slots) SetLimit(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit != n {
		s.limit = n
		s.interrupt()
	}
}

// Resumed waits until there is no pause. It reports false when ctx ends first.
func (s *Slots) Resumed(ctx context.Context) bool {
	return s.wait(ctx, func() bool { return !s.paused })
}

// Idle waits until no job is running or the pause is over. It reports false when ctx ends first.
func (s *Slots) Idle(ctx context.Context) bool {
	return s.wait(ctx, func() bool { return s.taken == 0 || !s.paused })
}

// UntilChanged returns a context that ends with ctx, when the limit changes and when the
// worker is paused.
func (s *Slots) UntilChanged(ctx context.Context) (context.Context, context.CancelFunc) {
	s.mu.Lock()
	period := s.period
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	detach := context.AfterFunc(period, cancel)
	return ctx, func() { detach(); cancel() }
}
