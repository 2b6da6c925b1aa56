package notify

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// rebuilder adds jobs that Redis should have according to the ledger.
type rebuilder struct {
	events  ledger.Events
	fanOuts ledger.FanOuts
	queues  *queues
	metrics *Metrics
	log     *slog.Logger
}

func (p *Pipeline) rebuilder() *rebuilder {
	return &rebuilder{events: p.ledger.Events, fanOuts: p.ledger.FanOuts, queues: p.queues, metrics: p.metrics, log: p.log}
}

// waves adds the jobs of open waves of one lane again. These jobs add the jobs of open batches. If an error
// concerns one job, the others get theirs.
func (r *rebuilder) waves(ctx context.Context, lane schoolbell.Lane, waves []ledger.QueuedWave) error {
	err := r.add(ctx, lane, waves)
	if len(waves) < 2 || !concernsOneJob(err) {
		return err
	}
	var failed error
	for _, w := range waves {
		if err := r.add(ctx, lane, []ledger.QueuedWave{w}); err != nil {
			if !concernsOneJob(err) {
				return err
			}
			failed = err
		}
	}
	return failed
}

// add adds the jobs of waves of one lane that will not run.
func (r *rebuilder) add(ctx context.Context, lane schoolbell.Lane, waves []ledger.QueuedWave) error {
	if len(waves) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	waves, ids := slices.Clone(waves), make([]string, len(waves))
	for i, w := range waves {
		named, err := r.nameable(ctx, w)
		if err != nil {
			return err
		}
		waves[i], ids[i] = named, eventJobID(named.WaveRef)
	}
	events := r.queues.events(lane)
	if _, err := r.queues.renameDamaged(ctx, events, ids...); err != nil {
		return err
	}
	specs, err := r.queues.eventJobs(ctx, lane, waves)
	if err != nil {
		return err
	}
	added, err := r.queues.addMissing(ctx, events, specs)
	if added > 0 {
		r.metrics.reconciled.WithLabelValues("event").Add(float64(added))
		r.log.Info("event jobs rebuilt from the ledger", "queue", events.Name(), "events", added, "first", waves[0].EventID)
	}
	if err != nil {
		return fmt.Errorf("add event jobs from %s on: %w", ids[0], err)
	}
	return nil
}

// withoutNumbers returns those of the waves that need a job and can get one: not those whose job has a number, and
// will run.
func (r *rebuilder) withoutNumbers(ctx context.Context, waves []ledger.QueuedWave) (missing []ledger.QueuedWave, err error) {
	for _, w := range waves {
		if id := eventJobID(w.WaveRef); !bullmq.ValidJobID(id) {
			state, err := r.queues.events(w.Lane).State(ctx, id)
			if err != nil {
				return nil, fmt.Errorf("state of event job %s: %w", short(id), err)
			}
			if willRun(state) {
				continue
			}
			if w, err = r.nameable(ctx, w); err != nil {
				return nil, err
			}
		}
		missing = append(missing, w)
	}
	return missing, nil
}

// nameable returns a wave whose job is missing with a job id that it can be added under. The job of an event
// that has the number of a lost job gets the event's id instead: Redis gives the number to another job.
func (r *rebuilder) nameable(ctx context.Context, w ledger.QueuedWave) (ledger.QueuedWave, error) {
	if bullmq.ValidJobID(eventJobID(w.WaveRef)) {
		return w, nil
	}
	if err := r.events.ForgetJob(ctx, w.Lane, w.JobID, ""); err != nil {
		return w, fmt.Errorf("forget job %s of event %s: %w", short(w.JobID), w.EventID, err)
	}
	w.JobID = ""
	return w, nil
}

// batchesOf gives every open batch of a wave of the lane a job that will run, and
// returns how many batches are open.
func (r *rebuilder) batchesOf(ctx context.Context, lane schoolbell.Lane, wave ledger.WaveRef) (open int, err error) {
	const page = 500
	for after := (*ledger.Batch)(nil); ; {
		batches, err := r.fanOuts.OpenBatches(ctx, wave, after, page)
		if err != nil {
			return open, fmt.Errorf("read open batches of event %s: %w", eventJobID(wave), err)
		}
		open += len(batches)
		added, err := r.page(ctx, lane, wave, batches)
		if added > 0 {
			r.metrics.reconciled.WithLabelValues("batch").Add(float64(added))
			r.log.Info("batch jobs rebuilt from the ledger", "event", wave.EventID, "wave", wave.Wave, "batches", added)
		}
		if err != nil || len(batches) < page {
			return open, err
		}
		after = &batches[len(batches)-1]
	}
}

// page gives each of the batches of a wave a job that will run and returns how many had none.
func (r *rebuilder) page(ctx context.Context, lane schoolbell.Lane, wave ledger.WaveRef, batches []ledger.Batch) (added int, err error) {
	for channel, list := range byChannel(batches) {
		q := r.queues.batches(lane, channel)
		if q == nil { // the channel was removed from the settings
			continue
		}
		missing, err := r.withoutJob(ctx, q, list)
		if err != nil {
			return added, err
		}
		specs, err := r.queues.batchJobs(ctx, lane, wave, missing)
		if err != nil {
			return added, err
		}
		n, err := r.queues.addMissing(ctx, q, specs)
		added += n
		if err != nil {
			return added, fmt.Errorf("add %s batch jobs: %w", channel, err)
		}
	}
	return added, nil
}

// withoutJob returns those batches of one queue whose job is missing or will not run.
func (r *rebuilder) withoutJob(ctx context.Context, q *bullmq.Queue, batches []ledger.Batch) (missing []ledger.Batch, err error) {
	ids := make([]string, len(batches))
	for i, b := range batches {
		ids[i] = batchJobID(b)
	}
	if _, err := r.queues.renameDamaged(ctx, q, ids...); err != nil {
		return nil, err
	}
	states, err := q.States(ctx, ids...)
	if err != nil {
		return nil, fmt.Errorf("states of batch jobs from %s on: %w", ids[0], err)
	}
	for i, b := range batches {
		if !willRun(states[i]) {
			missing = append(missing, b)
		}
	}
	return missing, nil
}

// willRun reports whether a job in this state gets to a worker sooner or later.
func willRun(s bullmq.State) bool {
	switch s {
	case bullmq.StateWaiting, bullmq.StateActive, bullmq.StateDelayed, bullmq.StatePrioritized, bullmq.StateWaitingChildren:
		return true
	}
	return false
}
