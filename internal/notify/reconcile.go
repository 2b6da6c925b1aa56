package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
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
		r.reconcilerDown.note(ctx, r.log, "reconcile the queue with the ledger", err)
		for more := true; more; {
			select {
			case <-ctx.Done():
				return nil
			case a := <-r.attend:
				err := r.attendTo(ctx, a)
				r.reconcilerDown.note(ctx, r.log, "reconcile the queue with the ledger", err)
			case <-tick.C:
				more = false
			}
		}
	}
}

func (r *relay) reconcileAll(ctx context.Context) error {
	withBatches := r.rounds%batchCheckEvery == 0
	for after := ""; ; {
		events, err := r.ledger.OpenEvents(ctx, after, relayPage)
		if err != nil {
			return fmt.Errorf("read open events: %w", err)
		}
		for _, ev := range events {
			if err := r.reconcile(ctx, ev, withBatches); err != nil {
				return err
			}
			after = ev.ID
		}
		if len(events) < relayPage {
			r.rounds++
			return nil
		}
	}
}

func (r *relay) reconcile(ctx context.Context, ev schoolbell.QueuedEvent, withBatches bool) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	state, err := r.events.State(ctx, ev.ID)
	switch {
	case err != nil:
		return fmt.Errorf("state of event job %s: %w", ev.ID, err)
	case !willRun(state):
		return r.rebuildEvent(ctx, ev, state)
	case state == bullmq.StateWaitingChildren && withBatches:
		return r.rebuildBatches(ctx, ev.ID)
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

// rebuildEvent adds the event's job anew. The job itself adds the batches that are
// still open, so that nothing else is to be done here.
func (r *relay) rebuildEvent(ctx context.Context, ev schoolbell.QueuedEvent, state bullmq.State) error {
	now, err := r.ledger.Event(ctx, ev.ID)
	if err != nil {
		return err
	}
	if now.Status.Terminal() {
		return nil // it came to its end since it was listed
	}
	if err := r.forget(ctx, r.events, ev.ID, state); err != nil {
		return err
	}
	if err := r.addEvents(ctx, []schoolbell.QueuedEvent{ev}); err != nil {
		return err
	}
	r.metrics.reconciled.WithLabelValues("event").Inc()
	r.log.Info("event job rebuilt from the ledger", "event", ev.ID, "was", string(state))
	return nil
}

// forget makes room for a fresh job under the id of one that has ended.
func (p *Pipeline) forget(ctx context.Context, q *bullmq.Queue, id string, state bullmq.State) error {
	if state != bullmq.StateCompleted && state != bullmq.StateFailed {
		return nil
	}
	if err := q.Remove(ctx, id, bullmq.RemoveOptions{}); err != nil && !errors.Is(err, bullmq.ErrJobLocked) {
		return fmt.Errorf("remove ended job %s: %w", id, err)
	}
	return nil
}

// rebuildBatches gives every open batch of the event a job that will run.
func (p *Pipeline) rebuildBatches(ctx context.Context, eventID string) error {
	const page = 500
	for after := (*schoolbell.Batch)(nil); ; {
		open, err := p.ledger.OpenBatches(ctx, eventID, after, page)
		if err != nil {
			return fmt.Errorf("read open batches of event %s: %w", eventID, err)
		}
		missing, err := p.withoutJob(ctx, open)
		if err != nil {
			return err
		}
		if err := p.addBatches(ctx, missing); err != nil {
			return err
		}
		if len(missing) > 0 {
			p.metrics.reconciled.WithLabelValues("batch").Add(float64(len(missing)))
			p.log.Info("batch jobs rebuilt from the ledger", "event", eventID, "batches", len(missing))
		}
		if len(open) < page {
			return nil
		}
		after = &open[len(open)-1]
	}
}

// withoutJob returns those of batches whose job will not run, with no ended job left in the way.
func (p *Pipeline) withoutJob(ctx context.Context, batches []schoolbell.Batch) ([]schoolbell.Batch, error) {
	var missing []schoolbell.Batch
	for _, b := range batches {
		q := p.batches[b.Channel]
		if q == nil { // a channel that is set up no longer: its batches wait for its return
			continue
		}
		state, err := q.State(ctx, batchJobID(b))
		if err != nil {
			return nil, fmt.Errorf("state of batch job %s: %w", batchJobID(b), err)
		}
		if willRun(state) {
			continue
		}
		if err := p.forget(ctx, q, batchJobID(b), state); err != nil {
			return nil, err
		}
		missing = append(missing, b)
	}
	return missing, nil
}

// attendTo does at once what the next round would do for one event.
func (r *relay) attendTo(ctx context.Context, a attention) error {
	if a.cancelled {
		return r.dropCancelled(ctx, a.eventID)
	}
	ev, err := r.ledger.Event(ctx, a.eventID)
	if err != nil || ev.Status.Terminal() {
		return err
	}
	return r.reconcile(ctx, schoolbell.QueuedEvent{ID: ev.ID, SendIn: time.Until(ev.SendAt)}, true)
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
