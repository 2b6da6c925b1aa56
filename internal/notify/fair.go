package notify

import (
	"context"
	"fmt"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// This file shares the workers of a queue fairly among events, by start-time fair queueing.
// The virtual time of a queue is the priority of the job that runs next. A new event's first
// job gets the next priority, and each further batch one more than the batch before it that
// still waits. So the first batches of an event run before the fiftieth of another, and because
// the virtual time grows with what has run, events that arrive later do not keep a large one
// waiting. See DESIGN.md.

// clampPriority keeps a priority within what a queue can store.
func clampPriority(p int) int { return min(max(p, 1), bullmq.MaxPriority) }

// eventJobs are the jobs of waves of one lane. A wave that starts later takes the first place
// among those that wait at that time.
func (q *queues) eventJobs(ctx context.Context, lane schoolbell.Lane, waves []ledger.QueuedWave) ([]bullmq.JobSpec, error) {
	front, err := q.events(lane).Front(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("read the front of queue %s: %w", q.events(lane).Name(), err)
	}
	specs := make([]bullmq.JobSpec, len(waves))
	for i, w := range waves {
		specs[i] = q.eventJob(w)
		specs[i].Options.Priority = clampPriority(front.Priority + 1)
		if specs[i].Options.Delay > 0 {
			specs[i].Options.Priority = 1
		}
	}
	return specs, nil
}

// batchJobs are the jobs of batches of one wave, one channel and one lane, in the order of their
// numbers, with priorities after that of the batch before them.
func (q *queues) batchJobs(ctx context.Context, lane schoolbell.Lane, wave ledger.WaveRef, batches []ledger.Batch) ([]bullmq.JobSpec, error) {
	if len(batches) == 0 {
		return nil, nil
	}
	before := ledger.Batch{EventID: batches[0].EventID, Wave: batches[0].Wave, Channel: batches[0].Channel, Seq: batches[0].Seq - 1}
	front, err := q.batches(lane, before.Channel).Front(ctx, batchJobID(before))
	if err != nil {
		return nil, fmt.Errorf("read the front of the %s queue: %w", batches[0].Channel, err)
	}
	next := front.Priority + 1
	if front.Job > 0 {
		next = max(next, front.Job+q.levels(before))
	}
	specs := make([]bullmq.JobSpec, len(batches))
	for i, b := range batches {
		specs[i] = q.batchJob(lane, wave, b)
		specs[i].Options.Priority = clampPriority(next)
		next += q.levels(b)
	}
	return specs, nil
}

// takeTurn returns the decision by which a job without a priority, which another program has
// added, takes the place of a new event's first job. It returns nil if nobody waits for that.
// Queues run such jobs first, so many of them would otherwise keep all others waiting.
func takeTurn(ctx context.Context, q *bullmq.Queue, job *bullmq.Job) error {
	if job.Priority > 0 {
		return nil
	}
	front, err := q.Front(ctx, "")
	if err != nil || front.Priority == 0 {
		return err
	}
	return bullmq.RequeueWithPriority(clampPriority(front.Priority + 1))
}

// yield returns the decision by which the walk of a large audience lets other events of its
// lane run first, nil if none can. It costs no attempt and no start of the rate limit.
func (f *fanOut) yield(ctx context.Context, job *bullmq.Job) error {
	q := f.queues.events(f.lane)
	front, err := q.Front(ctx, "")
	if err != nil || front.Waiting == 0 && front.Priority == 0 || !f.canStart(ctx, q) {
		return nil // the walk itself needs nothing of the queue
	}
	f.refund(ctx, job)
	return bullmq.RequeueWithPriority(clampPriority(max(front.Priority, job.Priority+1)))
}

// canStart reports whether the queue lets jobs start: a walk that yielded could not go on
// otherwise, and nobody would gain.
func (f *fanOut) canStart(ctx context.Context, q *bullmq.Queue) bool {
	if paused, err := q.IsPaused(ctx); err != nil || paused {
		return false
	}
	if !f.limited() {
		return true
	}
	rest, err := q.RateLimitTTL(ctx, bullmq.RateLimitTTLOptions{Max: f.cfg.RateMax})
	return err == nil && rest < time.Millisecond
}

// limited reports whether the starts of the lane's event jobs are counted.
func (f *fanOut) limited() bool { return f.cfg.RateMax > 0 && f.lane == schoolbell.LaneNormal }

// resumed reports whether every earlier run of the job ended as the pipeline decided, after the
// batches of its last chunk had their jobs.
func resumed(job *bullmq.Job) bool {
	return job.AttemptsStarted > 1 && job.AttemptsMade == 0 && job.StalledCount == 0
}
