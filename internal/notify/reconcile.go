package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"schoolbell"

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
	events     ledger.Events
	waves      ledger.Waves
	deliveries ledger.Deliveries
	queues     *queues
	rebuild    *rebuilder
	changed    <-chan change
	log        *slog.Logger

	down      outage.Log
	untilFull int                    // rounds until one also looks at every open batch
	paused    map[*bullmq.Queue]bool // which queues were paused in the last round
}

// change names an event whose jobs no longer match its ledger row.
type change struct {
	eventID   string
	jobID     string
	lane      schoolbell.Lane
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
	if err := r.endAbandoned(ctx); err != nil {
		return err
	}
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

// endAbandoned ends what dead workers had claimed of cancelled events. Their batch jobs would do it too, but a cancelled
// event's jobs are not added again.
func (r *reconciler) endAbandoned(ctx context.Context) error {
	n, err := r.deliveries.EndAbandoned(ctx)
	if err != nil {
		return fmt.Errorf("end cancelled events: %w", err)
	}
	if n > 0 {
		r.log.Info("deliveries of cancelled events ended as uncertain: their workers were lost", "events", n)
	}
	return nil
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
		return fmt.Errorf("look whether queue %s is paused: %w", q.Name(), err)
	}
	if r.paused[q] && !paused {
		r.log.Warn("the queue is no longer paused: it was resumed, or Redis lost its settings", "queue", q.Name())
	}
	r.paused[q] = paused
	return nil
}

// reconcileEvents goes through the open waves of all events once. An error at one wave's keys
// leaves the others alone; it is returned when they are done.
func (r *reconciler) reconcileEvents(ctx context.Context, full bool) (failed error) {
	for after := (ledger.WaveRef{}); ; {
		waves, err := r.waves.OpenWaves(ctx, after, relayPage)
		if err != nil {
			return fmt.Errorf("read open events: %w", err)
		}
		if full && len(waves) > 0 {
			if err := r.renameDamaged(ctx, waves); err != nil {
				return err
			}
		}
		if err := r.reconcilePage(ctx, waves, full); err != nil {
			if !concernsOneJob(err) {
				return err
			}
			failed = err
		}
		if len(waves) < relayPage {
			return failed
		}
		after = waves[len(waves)-1].WaveRef
	}
}

// reconcilePage gives each of the waves a job that will run. It reads the states of all jobs of a lane by one
// call. An error at one wave's keys is returned when the others are done.
func (r *reconciler) reconcilePage(ctx context.Context, waves []ledger.QueuedWave, full bool) (failed error) {
	for lane, list := range byLane(waves) {
		states, err := r.states(ctx, lane, list)
		if err != nil {
			return err
		}
		for i, w := range list {
			if err := r.compare(ctx, w, states[i], full); err != nil {
				if !concernsOneJob(err) {
					return err
				}
				failed = err
			}
		}
	}
	return failed
}

// states reads the states of the jobs of waves of one lane.
func (r *reconciler) states(ctx context.Context, lane schoolbell.Lane, waves []ledger.QueuedWave) ([]bullmq.State, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	ids := make([]string, len(waves))
	for i, w := range waves {
		ids[i] = eventJobID(w.WaveRef)
	}
	states, err := r.queues.events(lane).States(ctx, ids...)
	if err != nil {
		return nil, fmt.Errorf("states of event jobs from %s on: %w", ids[0], err)
	}
	return states, nil
}

// concernsOneJob reports whether err is what Redis said about one job's keys, so that
// other jobs may still be looked at.
func concernsOneJob(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !errors.Is(err, bullmq.ErrUnavailable)
}

// renameDamaged renames the damaged keys of the waves' jobs.
func (r *reconciler) renameDamaged(ctx context.Context, waves []ledger.QueuedWave) error {
	for lane, list := range byLane(waves) {
		ids := make([]string, len(list))
		for i, w := range list {
			ids[i] = eventJobID(w.WaveRef)
		}
		if _, err := r.queues.renameDamaged(ctx, r.queues.events(lane), ids...); err != nil {
			return err
		}
	}
	return nil
}

// compare gives the wave, whose job was in a state, a job that will run. With full it looks at its batches
// too.
func (r *reconciler) compare(ctx context.Context, w ledger.QueuedWave, state bullmq.State, full bool) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	switch {
	case !willRun(state):
		return r.rebuild.event(ctx, w, state)
	case state == bullmq.StateWaitingChildren && full:
		open, err := r.rebuild.batchesOf(ctx, w.Lane, w.WaveRef)
		if err != nil || open > 0 {
			return err
		}
		return r.releaseEvent(ctx, w)
	}
	return nil
}

// releaseEvent rebuilds the job of a wave that waits for children although all its
// batches are finished: the set of its children was lost, or names some that will
// never end.
func (r *reconciler) releaseEvent(ctx context.Context, w ledger.QueuedWave) error {
	id := eventJobID(w.WaveRef)
	events := r.queues.events(w.Lane)
	state, err := events.State(ctx, id)
	if err != nil || state != bullmq.StateWaitingChildren {
		return err // the last child has released it meanwhile
	}
	err = events.Remove(ctx, id, bullmq.RemoveOptions{})
	switch {
	case errors.Is(err, bullmq.ErrJobLocked):
		return nil
	case err != nil:
		return fmt.Errorf("remove event job %s, whose batches are done: %w", id, err)
	}
	return r.rebuild.event(ctx, w, state)
}

// apply does at once what the next round would do for one event.
func (r *reconciler) apply(ctx context.Context, c change) error {
	if c.cancelled {
		return r.dropCancelled(ctx, c)
	}
	waves, err := r.waves.OpenWaves(ctx, ledger.WaveRef{EventID: c.eventID, Wave: -1}, schoolbell.MaxWaves)
	if err != nil {
		return fmt.Errorf("read open waves of event %s: %w", c.eventID, err)
	}
	own := slices.DeleteFunc(waves, func(w ledger.QueuedWave) bool { return w.EventID != c.eventID })
	return r.reconcilePage(ctx, own, true)
}

// dropCancelled takes the jobs of a cancelled event out of the queue if they have not
// started. A job that runs reads the event's status from the ledger.
func (r *reconciler) dropCancelled(ctx context.Context, c change) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	further, err := r.waves.Waves(ctx, c.eventID)
	if err != nil {
		return fmt.Errorf("read waves of event %s: %w", c.eventID, err)
	}
	jobs := []string{eventJobID(ledger.WaveRef{EventID: c.eventID, JobID: c.jobID})}
	for _, w := range further {
		jobs = append(jobs, eventJobID(ledger.WaveRef{EventID: c.eventID, Wave: w.Number}))
	}
	for _, job := range jobs {
		if err := r.dropWaiting(ctx, r.queues.events(c.lane), job, c.eventID); err != nil {
			return err
		}
	}
	return nil
}

// dropWaiting removes a job of an event that has not started.
func (r *reconciler) dropWaiting(ctx context.Context, events *bullmq.Queue, id, eventID string) error {
	state, err := events.State(ctx, id)
	if err != nil {
		return fmt.Errorf("state of event job %s: %w", id, err)
	}
	if state != bullmq.StateWaiting && state != bullmq.StatePrioritized && state != bullmq.StateDelayed {
		return nil
	}
	job, err := events.Job(ctx, id)
	if errors.Is(err, bullmq.ErrJobNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read event job %s: %w", id, err)
	}
	if data, err := eventJobDataOf(job); err != nil || data.EventID != eventID {
		return nil // Redis lost the event's job, and another one has got its number
	}
	if err := events.Remove(ctx, id, bullmq.RemoveOptions{}); err != nil && !errors.Is(err, bullmq.ErrJobLocked) {
		return fmt.Errorf("remove job %s of a cancelled event: %w", id, err)
	}
	return nil
}
