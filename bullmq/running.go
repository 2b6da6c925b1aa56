package bullmq

import (
	"context"
	"time"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// RefundRateLimit returns the start of this run to the queue's limiter window, for a run that
// did no limited work. It does nothing if the window is over or the queue has no limiter. Call
// it at most once per run. Outside a handler it is [ErrNotActive]. BullMQ has no such call.
func (j *Job) RefundRateLimit(ctx context.Context) error {
	if j.w == nil {
		return ErrNotActive
	}
	w := j.w.forScript()
	_, err := run(ctx, j.q, script.Refund{Now: j.q.nowMillis(), Started: wire.Millis(j.ProcessedOn), Max: w.Max, Duration: w.Duration})
	return err
}

// ExtendLock makes the lock of an active job last for d from now, at least one millisecond, in
// whole milliseconds. It reports false if the lock is gone or held with another token: another
// worker may then be running the job. It is for jobs started with [Worker.Fetch]; a worker
// renews the locks of the jobs that its handler runs.
func (j *Job) ExtendLock(ctx context.Context, token string, d time.Duration) (bool, error) {
	if d < time.Millisecond {
		return false, invalid("lock of %v is shorter than a millisecond", d)
	}
	if token == "" {
		return false, invalid("no lock token")
	}
	lost, err := run(ctx, j.q, script.ExtendLocks{For: d.Milliseconds(), Locks: []script.Lock{{JobID: j.ID, Token: token}}})
	return err == nil && len(lost) == 0, err
}

// Token returns the token of the job's lock if a worker has started this Job: one that a
// handler was given, or that [Worker.Fetch] has returned and that is not settled. It is empty
// for a Job that was added or read.
func (j *Job) Token() string { return j.token }
