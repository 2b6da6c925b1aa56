package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
	"schoolbell/internal/outage"
)

const (
	reconcileInterval = 5 * time.Second // between rounds that look at all open events
	batchCheckEvery   = 6               // every so many rounds also look at every open batch
)

// reconciler makes what the queue holds match the ledger: every open
// event has a job that will run, and so has every open batch of it. That repairs
// a Redis that lost some or all of its data, jobs removed by hand, and jobs that used up
// their attempts while their rows did not.
type reconciler struct {
	ledger  ledger.Events
	queues  *queues
	rebuild *rebuilder
	changed <-chan change
	log     *slog.Logger

	down      outage.Log
	untilFull int                    // rounds until one also looks at every open batch
	paused    map[*bullmq.Queue]bool // which queues were paused in the last round
}

// change names an event whose jobs no longer match its ledger row.
type change struct {
	eventID   string
	cancelled bool
}

// notifyReconciler never waits: if the reconciler is busy, its next round will see the event.
func (p *Pipeline) notifyReconciler(c change) {
	select {
	case p.changed <- c:
	default:
	}
}

// Run compares the queues with the ledger until ctx ends: all open events every few
// seconds, and one at once when told of its change.
func (r *reconciler) Run(ctx context.Context) error {
	tick := time.NewTicker(reconcileInterval)
	defer tick.Stop()
	for {
		err := r.reconcileAll(ctx)
		r.down.Note(ctx, r.log, slog.LevelError, "reconcile the queue with the ledger", err)
		for more := true; more; {
			select {
			case <-ctx.Done():
				return nil
			case c := <-r.changed:
				err := r.apply(ctx, c)
				r.down.Note(ctx, r.log, slog.LevelError, "reconcile the queue with the ledger", err)
			case <-tick.C:
				more = false
			}
		}
	}
}

// reconcileAll looks at all open events, and sometimes at all their open batches too:
// when a key of a queue was damaged, because that may have cost jobs, and else every
// batchCheckEvery rounds, or as soon as that succeeds.
func (r *reconciler) reconcileAll(ctx context.Context) error {
	renamed, failed := r.repairQueues(ctx)
	if failed != nil && !concernsOneJob(failed) {
		return failed
	}
	if renamed {
		r.untilFull = 0
	}
	full := r.untilFull <= 0
	r.untilFull--
	if err := r.reconcileEvents(ctx, full); err != nil {
		return err
	}
	if full {
		r.untilFull = batchCheckEvery - 1
	}
	return failed
}

// repairQueues renames the damaged keys of every queue, reports whether there were any,
// and notes pauses that have ended since the last round.
func (r *reconciler) repairQueues(ctx context.Context) (renamed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	for _, q := range r.queues.all() {
		n, err := r.queues.renameDamaged(ctx, q)
		renamed = renamed || n > 0
		if err == nil {
			err = r.notePause(ctx, q)
		}
		if err != nil {
			return renamed, err
		}
	}
	return renamed, nil
}

// notePause logs the end of a pause. A pause is a field among the queue's settings,
// so that deleting these ends it.
func (r *reconciler) notePause(ctx context.Context, q *bullmq.Queue) error {
	paused, err := q.IsPaused(ctx)
	if err != nil {
		return fmt.Errorf("check whether queue %s is paused: %w", q.Name(), err)
	}
	if r.paused[q] && !paused {
		r.log.Warn("the queue is no longer paused: it was resumed, or Redis lost its settings", "queue", q.Name())
	}
	r.paused[q] = paused
	return nil
}

// reconcileEvents goes through all open events once. An error at one event's keys
// leaves the others alone; it is returned when they are done.
func (r *reconciler) reconcileEvents(ctx context.Context, full bool) (failed error) {
	for after := ""; ; {
		events, err := r.ledger.OpenEvents(ctx, after, relayPage)
		if err != nil {
			return fmt.Errorf("read open events: %w", err)
		}
		if full && len(events) > 0 {
			if _, err := r.queues.renameDamaged(ctx, r.queues.events, eventIDs(events)...); err != nil {
				return err
			}
		}
		for _, ev := range events {
			if err := r.reconcile(ctx, ev, full); err != nil {
				if !concernsOneJob(err) {
					return err
				}
				failed = err
			}
			after = ev.ID
		}
		if len(events) < relayPage {
			return failed
		}
	}
}

// concernsOneJob reports whether err is what Redis said about one job's keys, so that
// other jobs may still be looked at.
func concernsOneJob(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !errors.Is(err, bullmq.ErrUnavailable)
}

func eventIDs(events []ledger.QueuedEvent) []string {
	ids := make([]string, len(events))
	for i, ev := range events {
		ids[i] = ev.ID
	}
	return ids
}

// reconcile gives the event a job that will run. With full it looks at its batches too.
func (r *reconciler) reconcile(ctx context.Context, ev ledger.QueuedEvent, full bool) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	state, err := r.queues.events.State(ctx, ev.ID)
	switch {
	case err != nil:
		return fmt.Errorf("state of event job %s: %w", ev.ID, err)
	case !willRun(state):
		return r.rebuild.event(ctx, ev, state)
	case state == bullmq.StateWaitingChildren && full:
		open, err := r.rebuild.batchesOf(ctx, ev.ID)
		if err != nil || open > 0 {
			return err
		}
		return r.releaseEvent(ctx, ev)
	}
	return nil
}

// releaseEvent rebuilds the job of an event that waits for children although all its
// batches are finished: the set of its children was lost, or names some that will
// never end.
func (r *reconciler) releaseEvent(ctx context.Context, ev ledger.QueuedEvent) error {
	state, err := r.queues.events.State(ctx, ev.ID)
	if err != nil || state != bullmq.StateWaitingChildren {
		return err // the last child has released it meanwhile
	}
	err = r.queues.events.Remove(ctx, ev.ID, bullmq.RemoveOptions{})
	switch {
	case errors.Is(err, bullmq.ErrJobLocked):
		return nil
	case err != nil:
		return fmt.Errorf("remove event job %s, whose batches are done: %w", ev.ID, err)
	}
	return r.rebuild.event(ctx, ev, state)
}

// apply does at once what the next round would do for one event.
func (r *reconciler) apply(ctx context.Context, c change) error {
	if c.cancelled {
		return r.dropCancelled(ctx, c.eventID)
	}
	ev, err := r.ledger.Event(ctx, c.eventID)
	if err != nil || ev.Status.Terminal() {
		return err
	}
	return r.reconcile(ctx, ledger.QueuedEvent{ID: ev.ID, SendIn: time.Until(ev.SendAt)}, true)
}

// dropCancelled takes a cancelled event's job out of the queue if it has not
// started. A job that runs reads the event's status from the ledger.
func (r *reconciler) dropCancelled(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	state, err := r.queues.events.State(ctx, id)
	if err != nil {
		return fmt.Errorf("state of event job %s: %w", id, err)
	}
	if state != bullmq.StateWaiting && state != bullmq.StateDelayed {
		return nil
	}
	if err := r.queues.events.Remove(ctx, id, bullmq.RemoveOptions{}); err != nil && !errors.Is(err, bullmq.ErrJobLocked) {
		return fmt.Errorf("remove job of cancelled event %s: %w", id, err)
	}
	return nil
}
