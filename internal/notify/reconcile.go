package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// runReconciler makes what the queue holds fit what the ledger says: every open
// event has a job that will run, and so has every open batch of it. That heals
// a Redis that lost some or all of its data, jobs removed by hand, and jobs that used up
// their attempts while their rows did not.
func (r *relay) runReconciler(ctx context.Context) error {
	tick := time.NewTicker(reconcileInterval)
	defer tick.Stop()
	for {
		err := r.reconcileAll(ctx)
		r.reconcilerDown.Note(ctx, r.log, slog.LevelError, "reconcile the queue with the ledger", err)
		for more := true; more; {
			select {
			case <-ctx.Done():
				return nil
			case a := <-r.attend:
				err := r.attendTo(ctx, a)
				r.reconcilerDown.Note(ctx, r.log, slog.LevelError, "reconcile the queue with the ledger", err)
			case <-tick.C:
				more = false
			}
		}
	}
}

// reconcileAll looks at all open events, and sometimes at all their open batches too:
// when a key of a queue was damaged, because that may have cost jobs, and else every
// batchCheckEvery rounds, or as soon as that succeeds.
func (r *relay) reconcileAll(ctx context.Context) error {
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

// reconcileEvents goes through all open events once. An error at one event's keys
// leaves the others alone; it is returned when they are done.
func (r *relay) reconcileEvents(ctx context.Context, full bool) (failed error) {
	for after := ""; ; {
		events, err := r.ledger.OpenEvents(ctx, after, relayPage)
		if err != nil {
			return fmt.Errorf("read open events: %w", err)
		}
		if full && len(events) > 0 {
			if _, err := r.renameDamaged(ctx, r.events, eventIDs(events)...); err != nil {
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

func eventIDs(events []ledger.QueuedEvent) []string {
	ids := make([]string, len(events))
	for i, ev := range events {
		ids[i] = ev.ID
	}
	return ids
}

// reconcile gives the event a job that will run. With full it looks at its batches too.
func (r *relay) reconcile(ctx context.Context, ev ledger.QueuedEvent, full bool) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	state, err := r.events.State(ctx, ev.ID)
	switch {
	case err != nil:
		return fmt.Errorf("state of event job %s: %w", ev.ID, err)
	case !willRun(state):
		return r.rebuildEvent(ctx, ev, state)
	case state == bullmq.StateWaitingChildren && full:
		open, err := r.rebuildBatches(ctx, ev.ID)
		if err != nil || open > 0 {
			return err
		}
		return r.releaseEvent(ctx, ev)
	}
	return nil
}

// willRun reports whether a job in this state gets to a worker sooner or later.
func willRun(s bullmq.State) bool {
	switch s {
	case bullmq.StateWaiting, bullmq.StateActive, bullmq.StateDelayed, bullmq.StatePrioritized, bullmq.StateWaitingChildren:
		return true
	}
	return false
}

// rebuildEvent adds the event's job again. The job itself adds the batches that are
// still open.
func (r *relay) rebuildEvent(ctx context.Context, ev ledger.QueuedEvent, state bullmq.State) error {
	now, err := r.ledger.Event(ctx, ev.ID)
	if err != nil {
		return err
	}
	if now.Status.Terminal() {
		return nil // it came to its end since it was listed
	}
	if _, err := r.renameDamaged(ctx, r.events, ev.ID); err != nil {
		return err
	}
	added, err := r.addMissing(ctx, r.events, []bullmq.JobSpec{r.eventJob(ev)})
	if err != nil {
		return fmt.Errorf("add event job %s: %w", ev.ID, err)
	}
	if added > 0 {
		r.metrics.reconciled.WithLabelValues("event").Inc()
		r.log.Info("event job rebuilt from the ledger", "event", ev.ID, "was", string(state))
	}
	return nil
}

// releaseEvent rebuilds the job of an event that waits for children although all its
// batches are finished: the set of its children was lost, or names some that will
// never end.
func (r *relay) releaseEvent(ctx context.Context, ev ledger.QueuedEvent) error {
	state, err := r.events.State(ctx, ev.ID)
	if err != nil || state != bullmq.StateWaitingChildren {
		return err // the last child has released it meanwhile
	}
	err = r.events.Remove(ctx, ev.ID, bullmq.RemoveOptions{})
	switch {
	case errors.Is(err, bullmq.ErrJobLocked):
		return nil
	case err != nil:
		return fmt.Errorf("remove event job %s, which waits for nothing: %w", ev.ID, err)
	}
	return r.rebuildEvent(ctx, ev, state)
}

// rebuildBatches gives every open batch of the event a job that will run, and
// returns how many batches are open.
func (p *Pipeline) rebuildBatches(ctx context.Context, eventID string) (open int, err error) {
	const page = 500
	for after := (*ledger.Batch)(nil); ; {
		batches, err := p.ledger.OpenBatches(ctx, eventID, after, page)
		if err != nil {
			return open, fmt.Errorf("read open batches of event %s: %w", eventID, err)
		}
		open += len(batches)
		added, err := p.rebuildPage(ctx, batches)
		if added > 0 {
			p.metrics.reconciled.WithLabelValues("batch").Add(float64(added))
			p.log.Info("batch jobs rebuilt from the ledger", "event", eventID, "batches", added)
		}
		if err != nil || len(batches) < page {
			return open, err
		}
		after = &batches[len(batches)-1]
	}
}

// rebuildPage gives each of the batches a job that will run and returns how many had none.
func (p *Pipeline) rebuildPage(ctx context.Context, batches []ledger.Batch) (added int, err error) {
	byChannel := make(map[schoolbell.Channel][]ledger.Batch)
	for _, b := range batches {
		byChannel[b.Channel] = append(byChannel[b.Channel], b)
	}
	for channel, list := range byChannel {
		q := p.batches[channel]
		if q == nil { // a channel that is set up no longer: its batches wait for its return
			continue
		}
		missing, err := p.withoutJob(ctx, q, list)
		if err != nil {
			return added, err
		}
		n, err := p.addMissing(ctx, q, missing)
		added += n
		if err != nil {
			return added, fmt.Errorf("add %s batch jobs: %w", channel, err)
		}
	}
	return added, nil
}

// withoutJob returns the jobs of those batches of one queue that have none that will run.
func (p *Pipeline) withoutJob(ctx context.Context, q *bullmq.Queue, batches []ledger.Batch) ([]bullmq.JobSpec, error) {
	ids := make([]string, len(batches))
	for i, b := range batches {
		ids[i] = batchJobID(b)
	}
	if _, err := p.renameDamaged(ctx, q, ids...); err != nil {
		return nil, err
	}
	var missing []bullmq.JobSpec
	for i, b := range batches {
		state, err := q.State(ctx, ids[i])
		if err != nil {
			return nil, fmt.Errorf("state of batch job %s: %w", ids[i], err)
		}
		if !willRun(state) {
			missing = append(missing, p.batchJob(b))
		}
	}
	return missing, nil
}

// attendTo does at once what the next round would do for one event.
func (r *relay) attendTo(ctx context.Context, a wakeup) error {
	if a.cancelled {
		return r.dropCancelled(ctx, a.eventID)
	}
	ev, err := r.ledger.Event(ctx, a.eventID)
	if err != nil || ev.Status.Terminal() {
		return err
	}
	return r.reconcile(ctx, ledger.QueuedEvent{ID: ev.ID, SendIn: time.Until(ev.SendAt)}, true)
}

// dropCancelled takes a cancelled event's job out of the queue if it has not
// started. One that has finds out by itself.
func (r *relay) dropCancelled(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	state, err := r.events.State(ctx, id)
	if err != nil {
		return fmt.Errorf("state of event job %s: %w", id, err)
	}
	if state != bullmq.StateWaiting && state != bullmq.StateDelayed {
		return nil
	}
	if err := r.events.Remove(ctx, id, bullmq.RemoveOptions{}); err != nil && !errors.Is(err, bullmq.ErrJobLocked) {
		return fmt.Errorf("remove job of cancelled event %s: %w", id, err)
	}
	return nil
}
