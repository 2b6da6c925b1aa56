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

// looksPerRound is how often a process looks, in the time of a round, whether the next round is due. That is also how
// soon a Redis that has lost its data is noticed.
const looksPerRound = 6

// reconciler makes what the queue holds match the ledger: every open
// event that was queued has a job that will run, and so has every open batch of it. That repairs
// a Redis that lost some or all of its data, jobs removed by hand, and jobs that used up
// their attempts while their rows did not.
type reconciler struct {
	waves      ledger.Waves
	deliveries ledger.Deliveries
	queues     *queues
	rebuild    *rebuilder
	changed    <-chan change
	duty       *duty
	log        *slog.Logger

	down    outage.Log
	failed  bool                   // the last round of this process did not end, or there was none
	paused  map[*bullmq.Queue]bool // which queues were paused when they were looked at last
	pauseAt time.Time              // when they are looked at again
}

func (p *Pipeline) reconciler() *reconciler {
	return &reconciler{waves: p.ledger.Waves, deliveries: p.ledger.Deliveries, queues: p.queues, rebuild: p.rebuilder(), changed: p.changed,
		duty: p.queues.duty("round", p.cfg.Round), log: p.log, failed: true, paused: map[*bullmq.Queue]bool{}}
}

// change names an event whose jobs no longer match its ledger row, or says that this may be any.
type change struct {
	all       bool
	eventID   string
	jobID     string
	lane      schoolbell.Lane
	cancelled bool
	earlier   bool // it starts earlier than before
}

// notifyReconciler never waits: if the reconciler is busy, its next round will see the event.
func (p *Pipeline) notifyReconciler(c change) {
	select {
	case p.changed <- c:
	default:
	}
}

// Run compares the queues with the ledger until ctx ends: all open events when a round is due, and one at
// once when told of its change.
func (r *reconciler) Run(ctx context.Context) error {
	tick := time.NewTicker(r.duty.every / looksPerRound)
	defer tick.Stop()
	for {
		r.note(ctx, r.look(ctx))
		for more := true; more; {
			select {
			case <-ctx.Done():
				return nil
			case c := <-r.changed:
				r.note(ctx, r.apply(ctx, c))
			case <-tick.C:
				more = false
			}
		}
	}
}

func (r *reconciler) note(ctx context.Context, err error) {
	r.down.Note(ctx, r.log, slog.LevelError, "reconcile the queue with the ledger", err)
}

// look makes a round if one is due. One that has failed is made again. What only the ledger is needed for does
// not wait for rounds.
func (r *reconciler) look(ctx context.Context) error {
	if err := r.endAbandoned(ctx); err != nil {
		return err
	}
	due, err := r.duty.take(ctx, r.failed)
	if err != nil {
		return err
	}
	if due {
		r.failed = true
		if err := r.round(ctx); err != nil {
			return err
		}
		r.failed = false
	}
	return r.notePauses(ctx)
}

// round compares all queued events and their open batches with the queue. Damaged keys are renamed
// first, because every script that meets one fails.
func (r *reconciler) round(ctx context.Context) error {
	failed := r.repairQueues(ctx)
	if failed != nil && !concernsOneJob(failed) {
		return failed
	}
	if err := r.reconcileEvents(ctx); err != nil {
		return err
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

// repairQueues renames the damaged keys of every queue.
func (r *reconciler) repairQueues(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	for _, q := range r.queues.all() {
		if _, err := r.queues.renameDamaged(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// notePauses notes, once in the time of a round, which pauses have ended.
func (r *reconciler) notePauses(ctx context.Context) error {
	if time.Now().Before(r.pauseAt) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	for _, q := range r.queues.all() {
		if err := r.notePause(ctx, q); err != nil {
			return err
		}
	}
	r.pauseAt = time.Now().Add(r.duty.every)
	return nil
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

// reconcileEvents goes through the open waves of all queued events once. An error at one wave's keys
// leaves the others alone; it is returned when they are done.
func (r *reconciler) reconcileEvents(ctx context.Context) (failed error) {
	for after := (ledger.WaveRef{}); ; {
		waves, err := r.waves.OpenWaves(ctx, after, relayPage)
		if err != nil {
			return fmt.Errorf("read open events: %w", err)
		}
		if len(waves) > 0 {
			if err := r.renameDamaged(ctx, waves); err != nil {
				return err
			}
		}
		if err := r.reconcilePage(ctx, after, waves); err != nil {
			if !concernsOneJob(err) {
				return err
			}
			failed = err
		}
		if len(waves) < relayPage {
			return failed
		}
		if err := r.duty.extend(ctx); err != nil {
			return err
		}
		after = waves[len(waves)-1].WaveRef
	}
}

// reconcilePage gives each of the waves, which follow a given one, and each of their open batches a job that
// will run. It reads the states of all jobs of a lane by one call. An error at one wave's keys is returned when
// the others are done.
func (r *reconciler) reconcilePage(ctx context.Context, after ledger.WaveRef, waves []ledger.QueuedWave) (failed error) {
	for lane, list := range byLane(waves) {
		states, err := r.states(ctx, lane, list)
		if err != nil {
			return err
		}
		var missing []ledger.QueuedWave
		for i, w := range list {
			if !willRun(states[i]) {
				missing = append(missing, w)
				continue
			}
			if states[i] != bullmq.StateWaitingChildren {
				continue
			}
			if err := r.compareBatches(ctx, w); err != nil {
				if !concernsOneJob(err) {
					return err
				}
				failed = err
			}
		}
		if err := r.addMissing(ctx, lane, after, missing); err != nil {
			if !concernsOneJob(err) {
				return err
			}
			failed = err
		}
	}
	return failed
}

// addMissing adds the jobs of those waves that are still open: a wave that has ended since it was listed may
// have no job any more.
func (r *reconciler) addMissing(ctx context.Context, lane schoolbell.Lane, after ledger.WaveRef, missing []ledger.QueuedWave) error {
	if len(missing) == 0 {
		return nil
	}
	open, err := r.waves.OpenWaves(ctx, after, 2*relayPage) // some may have been queued meanwhile
	if err != nil {
		return fmt.Errorf("read open events again: %w", err)
	}
	still := make(map[ledger.WaveRef]bool, len(open))
	for _, w := range open {
		still[w.WaveRef] = true
	}
	missing = slices.DeleteFunc(missing, func(w ledger.QueuedWave) bool { return !still[w.WaveRef] })
	return r.rebuild.waves(ctx, lane, missing)
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

// compareBatches gives each open batch of a wave that waits for its batches a job that will run. If none is
// open, it releases the wave's job.
func (r *reconciler) compareBatches(ctx context.Context, w ledger.QueuedWave) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	open, err := r.rebuild.batchesOf(ctx, w.Lane, w.WaveRef)
	if err != nil || open > 0 {
		return err
	}
	return r.releaseEvent(ctx, w)
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
	return r.rebuild.waves(ctx, w.Lane, []ledger.QueuedWave{w})
}

// apply does at once what the next round would do for one event, or for all.
func (r *reconciler) apply(ctx context.Context, c change) error {
	if c.all {
		return r.round(ctx)
	}
	if c.cancelled || c.earlier {
		if err := r.dropJobs(ctx, c); err != nil || c.cancelled {
			return err
		}
	}
	before := ledger.WaveRef{EventID: c.eventID, Wave: -1}
	waves, err := r.waves.OpenWaves(ctx, before, schoolbell.MaxWaves)
	if err != nil {
		return fmt.Errorf("read open waves of event %s: %w", c.eventID, err)
	}
	own := slices.DeleteFunc(waves, func(w ledger.QueuedWave) bool { return w.EventID != c.eventID })
	return r.reconcilePage(ctx, before, own)
}

// dropJobs takes the jobs of an event that is cancelled, or starts earlier, out of the queue if they have not
// started, except that of the wave that tells of the cancellation. A job that runs reads the event from the ledger.
func (r *reconciler) dropJobs(ctx context.Context, c change) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	further, err := r.waves.Waves(ctx, c.eventID)
	if err != nil {
		return fmt.Errorf("read waves of event %s: %w", c.eventID, err)
	}
	jobs := []string{eventJobID(ledger.WaveRef{EventID: c.eventID, JobID: c.jobID})}
	for _, w := range further {
		if w.Notice == schoolbell.NoticeCancelled {
			continue
		}
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
		return fmt.Errorf("remove job %s: %w", id, err)
	}
	return nil
}
