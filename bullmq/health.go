package bullmq

import (
	"context"
	"errors"
	"sync"

	"schoolbell/bullmq/internal/script"
)

// health reports once when Redis becomes unavailable and once when it is back.
type health struct {
	w  *Worker
	mu sync.Mutex
	// ready is set by the first reply; down between an outage's first error and the next reply.
	ready, down bool
	// orphans is set when a reply was lost that may have had a job, see reclaim.
	orphans bool
	wake    chan struct{} // wakes the lock keeper when Redis is back
}

func (h *health) init(w *Worker) {
	h.w = w
	h.wake = make(chan struct{}, 1)
}

func (h *health) isDown() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.down
}

// ok notes that Redis has replied.
func (h *health) ok() {
	h.mu.Lock()
	first, back := !h.ready, h.down
	h.ready, h.down = true, false
	orphans := h.orphans
	h.mu.Unlock()
	if back {
		h.w.log.Info("redis is back")
		if f := h.w.opts.Hooks.OnRecovered; f != nil {
			f()
		}
	}
	if orphans {
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
	if first {
		if f := h.w.opts.Hooks.OnReady; f != nil {
			f()
		}
	}
}

// lost notes that Redis did not reply.
func (h *health) lost(err error) {
	h.mu.Lock()
	news := !h.down
	h.down = true
	h.mu.Unlock()
	if news {
		h.w.log.Warn("redis is unavailable, the worker keeps trying", "error", err)
		if f := h.w.opts.Hooks.OnLost; f != nil {
			f(err)
		}
	}
}

func (h *health) setOrphans(yes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.orphans = yes
}

func (h *health) hasOrphans() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.orphans
}

// runFor calls a script for a worker and reads its reply.
func runFor[R any](ctx context.Context, w *Worker, s script.Script[R]) (reply R, err error) {
	raw, err := w.call(ctx, s.Call())
	if err != nil {
		return reply, err
	}
	return s.Reply(raw), nil
}

// call calls a script for the worker and keeps track of Redis's health.
func (w *Worker) call(ctx context.Context, c script.Call) (any, error) {
	reply, err := w.q.call(ctx, c)
	switch {
	case err == nil:
		w.health.ok()
	case errors.Is(err, ErrUnavailable):
		w.health.lost(err)
	}
	return reply, err
}

// trouble reports an error that delayed the fetch loop.
func (w *Worker) trouble(err error) {
	if errors.Is(err, ErrUnavailable) {
		w.health.lost(err)
		return
	}
	w.report(err)
}

// report reports an error that no caller receives.
func (w *Worker) report(err error) {
	w.log.Error("worker error", "error", err)
	if f := w.opts.Hooks.OnError; f != nil {
		f(err)
	}
}
