package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// unfinishedWait is how long an event job rests when rows are still open but no
// batch job is left to wait for, which only another worker's crash explains.
const unfinishedWait = 2 * time.Second

// fanOut works the events' queue of a lane. A job walks the audience, adding batches as it goes, and
// waits for them; in a second run, released by the last of them, it finishes the event. If the audience is
// small, it delivers the batches itself and finishes the event in one run.
type fanOut struct {
	cfg     Config
	lane    schoolbell.Lane
	events  ledger.Events
	waves   ledger.Waves
	fanOuts ledger.FanOuts
	queues  *queues
	rebuild *rebuilder
	inPlace *inPlace
	asked   *requests
	metrics *Metrics
	traffic *traffic
	log     *slog.Logger
}

func (f *fanOut) handle(ctx context.Context, job *bullmq.Job) (any, error) {
	result, err := f.run(ctx, job)
	if err != nil && f.isLast(job) && !bullmq.IsDecision(err) && !bullmq.IsUnrecoverable(err) {
		f.log.Warn("an event job runs again without an attempt being counted", "queue", job.Queue().Name(), "job", short(job.ID), "again_in", requestWait, "error", err)
		err = bullmq.DelayUntil(time.Now().Add(requestWait))
	}
	return result, err
}

// isLast reports whether another program has given the job fewer attempts than jobs of events need, often a single
// one, and this is its last. If it failed, the event would go on, but the other program would not know.
func (f *fanOut) isLast(job *bullmq.Job) bool {
	return job.Options.Attempts < f.cfg.attempts() && job.AttemptsMade+1 >= job.Options.Attempts
}

func (f *fanOut) run(ctx context.Context, job *bullmq.Job) (any, error) {
	ev, wave, err := f.event(ctx, job)
	if err != nil {
		return nil, err
	}
	if ev.Lane != f.lane || isAsked(ev) && job.ID != eventJobID(wave) {
		return f.follow(ctx, job, ev)
	}
	if ev.Status == schoolbell.EventHeld { // a release adds the job again
		return ledger.Summary{EventID: wave.EventID, Wave: wave.Wave, Status: ev.Status}, nil
	}
	if wait := time.Until(ev.SendAt); wave.Wave == 0 && wait > 0 && !ev.Status.Terminal() {
		return nil, bullmq.DelayUntil(ev.SendAt)
	}
	if why := takeTurn(ctx, f.queues.events(f.lane), job); why != nil {
		f.refund(ctx, job)
		return nil, why
	}
	walked, err := f.walk(ctx, job, ev, wave)
	if err != nil {
		return nil, err
	}
	if walked.whole && walked.children == 0 { // nothing to wait for
		if walked.sum != nil {
			return f.finished(ctx, job, wave, *walked.sum)
		}
		return f.finish(ctx, job, wave)
	}
	if ev.Status == schoolbell.EventProcessing && !(walked.users > 0 && resumed(job)) {
		// An earlier run began the walk. It may have died between a chunk's
		// commit and its jobs, or Redis may have lost them since.
		if _, err := f.rebuild.batchesOf(ctx, f.lane, wave); err != nil {
			return nil, err
		}
	}
	if counts, err := job.DependencyCounts(ctx); err != nil || counts.Unprocessed > 0 {
		return nil, cmp.Or(err, bullmq.WaitForChildren())
	}
	return f.finish(ctx, job, wave)
}

// event returns the event and the wave of a job. A job that asks for an event gets it first.
func (f *fanOut) event(ctx context.Context, job *bullmq.Job) (*schoolbell.Event, ledger.WaveRef, error) {
	if asksForEvent(job.Name, job.Data) {
		ev, err := f.asked.handle(ctx, f.lane, job)
		if err != nil {
			return nil, ledger.WaveRef{}, err
		}
		return ev, eventRef(ev), nil
	}
	data, err := eventJobDataOf(job)
	if err != nil {
		return nil, ledger.WaveRef{}, bullmq.Unrecoverable(err)
	}
	ev, err := eventOrFail(ctx, f.events, data.EventID)
	if err != nil {
		return nil, ledger.WaveRef{}, err
	}
	return ev, ledger.WaveRef{EventID: ev.ID, Wave: data.Wave, JobID: ev.JobID}, nil
}

// eventOrFail reads an event; one the ledger does not have will not come by waiting.
func eventOrFail(ctx context.Context, events ledger.Events, id string) (*schoolbell.Event, error) {
	ev, err := events.Event(ctx, id)
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return nil, bullmq.Unrecoverable(err)
	}
	return ev, err
}

// walked is what one run of a job has walked.
type walked struct {
	users    int
	children int             // batches that got jobs
	whole    bool            // the run walked the whole audience of the event
	sum      *ledger.Summary // of the event, if it was finished together with its deliveries
}

// walk takes the wave to its end, chunk by chunk, and adds the jobs of each chunk's batches as soon as
// they are committed. Between chunks other events may run. Batches of a small audience get jobs only if
// they could not be delivered in place.
func (f *fanOut) walk(ctx context.Context, job *bullmq.Job, ev *schoolbell.Event, wave ledger.WaveRef) (done walked, err error) {
	chunk := firstChunk
	if ev.Status == schoolbell.EventProcessing {
		chunk = chunkSize // an earlier run walked the first
	}
	var early *early
	if wave.Wave == 0 && starts(ev) && !stopping(ctx) {
		early = f.inPlace.prepare(ctx, ev)
		defer early.leave()
	}
	for ; ; chunk = chunkSize {
		if stopping(ctx) {
			return done, bullmq.Requeue()
		}
		step, err := f.chunk(ctx, wave, chunk, early)
		if err != nil {
			return done, err
		}
		whole := step.Done && done.users == 0 && wave.Wave == 0 && starts(ev)
		done.users += step.Users
		f.metrics.walked.Add(float64(step.Users))
		f.traffic.add(schoolbell.ChannelInApp, step.InApp, 0)
		batches := step.Batches
		if whole {
			if batches, done.sum, err = f.inPlace.deliver(ctx, job, ev, step, early); err != nil {
				return done, err
			}
		}
		if err := f.queues.addBatches(ctx, f.lane, wave, batches); err != nil {
			return done, err
		}
		done.children += len(batches)
		if step.Done {
			done.whole = whole
			if step.Users == 0 && ev.Status != schoolbell.EventQueued {
				f.refund(ctx, job)
			}
			return done, nil
		}
		if why := f.yield(ctx, job); why != nil {
			return done, why
		}
	}
}

// chunk walks one chunk. Its errors are those that the job ends with.
func (f *fanOut) chunk(ctx context.Context, wave ledger.WaveRef, users int, early *early) (step ledger.FanOutStep, err error) {
	if early == nil || early.full {
		step, err = f.fanOuts.FanOut(ctx, wave, users, f.cfg.BatchSize)
	} else {
		step, err = f.fanOuts.FanOutSmall(ctx, wave, users, f.cfg.BatchSize, early.claim(f.inPlace.most))
	}
	switch schoolbell.CodeOf(err) {
	case schoolbell.CodeNotFound:
		return step, bullmq.Unrecoverable(err)
	case schoolbell.CodeConflict: // the wave has not started, or the event itself is still being walked
		return step, bullmq.DelayUntil(time.Now().Add(unfinishedWait))
	}
	if err != nil {
		if early != nil && !early.full {
			early.leases.retire(early.lease) // the transaction may have claimed
		}
		return step, fmt.Errorf("fan out event %s: %w", eventJobID(wave), err)
	}
	return step, nil
}

// starts reports whether no walk of the event had begun when it was read.
func starts(ev *schoolbell.Event) bool {
	return ev.Status == schoolbell.EventQueued || ev.Status == schoolbell.EventScheduled
}

// refund gives back the start that a closing run took from the events' rate
// limit: the limit is for events, not for their ends.
func (f *fanOut) refund(ctx context.Context, job *bullmq.Job) {
	if !f.limited() {
		return
	}
	if err := job.RefundRateLimit(ctx); err != nil {
		f.log.Warn("finishing an event counted against the rate limit", "event", job.ID, "error", err)
	}
}

func (f *fanOut) finish(ctx context.Context, job *bullmq.Job, wave ledger.WaveRef) (any, error) {
	sum, err := f.waves.FinishWave(ctx, wave)
	if err != nil {
		return nil, fmt.Errorf("finish event %s: %w", eventJobID(wave), err)
	}
	return f.finished(ctx, job, wave, sum)
}

// finished ends the job of a wave after the try to finish it.
func (f *fanOut) finished(ctx context.Context, job *bullmq.Job, wave ledger.WaveRef, sum ledger.Summary) (any, error) {
	if !sum.Finished {
		return nil, bullmq.DelayUntil(time.Now().Add(unfinishedWait))
	}
	if err := job.UpdateProgress(ctx, sum.Progress); err != nil && !errors.Is(err, bullmq.ErrJobNotFound) {
		return nil, err
	}
	f.log.Info("event finished", "event", wave.EventID, "wave", wave.Wave, "status", string(sum.Status), "deliveries", sum.Progress.Total)
	return sum, nil
}
