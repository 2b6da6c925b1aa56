package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// progressReporter keeps the progress of event jobs fresh for programs that watch
// the queue. It takes at most one part in ten of the time, and is never done twice
// in half a second.
type progressReporter struct {
	ledger ledger.Events
	queues *queues
	log    *slog.Logger

	mu   sync.Mutex
	next map[string]time.Time // by event id: not to be counted again before
}

func newProgressReporter(store ledger.Events, queues *queues, log *slog.Logger) *progressReporter {
	return &progressReporter{ledger: store, queues: queues, log: log, next: make(map[string]time.Time)}
}

// report stores the progress of an event in its job. It is decoration: a failure is
// logged at debug level and forgotten.
func (r *progressReporter) report(ctx context.Context, ev *schoolbell.Event) {
	if !r.due(ev.ID) {
		return
	}
	began := time.Now()
	if err := r.store(ctx, ev); err != nil {
		r.log.Debug("event job has no fresh progress", "event", ev.ID, "error", err)
	}
	r.again(ev.ID, time.Now().Add(max(500*time.Millisecond, 10*time.Since(began))))
}

func (r *progressReporter) store(ctx context.Context, ev *schoolbell.Event) error {
	progress, err := r.ledger.Progress(ctx, ev.ID)
	if err != nil {
		return err
	}
	job, err := r.queues.events(ev.Lane).Job(ctx, eventJobID(eventRef(ev)))
	if err != nil {
		return err
	}
	return job.UpdateProgress(ctx, progress)
}

func (r *progressReporter) due(eventID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.next[eventID]) {
		return false
	}
	r.next[eventID] = now.Add(time.Minute) // while one goroutine counts the others do not
	return true
}

func (r *progressReporter) again(eventID string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, next := range r.next {
		if time.Since(next) > time.Minute {
			delete(r.next, id) // that event is over
		}
	}
	r.next[eventID] = at
}
