package bullmq

import (
	"cmp"
	"context"
	"strings"

	"schoolbell/bullmq/internal/combine"
)

// Fetch starts the next job for a program that runs jobs itself instead of in the handler of
// [Worker.Run], and ends them by [Worker.Settle]. It returns nil without an error when there
// is no job that may be started now; it does not wait for one. The job is locked with token
// for LockDuration; an empty token draws one ([Job.Token]). Tokens must differ from job to
// job, and must not be "0" or begin with [Worker.ID] and a colon.
//
// Nobody renews the lock: call [Job.ExtendLock] while the job takes longer. Programs without
// a running worker look for jobs of lost ones by [Worker.CheckStalled]. A job with a
// DeferredFailure is returned as well, and is to be settled with it, not to be run. When the
// call fails, the job may have been started; if so, the check for stalled jobs puts it back
// after LockDuration.
//
// The worker's Limiter, Name, Clock and Hooks apply as in Run; its handler is not called.
func (w *Worker) Fetch(ctx context.Context, token string) (*Job, error) {
	if token == "" {
		token = randomID()
	}
	if token == "0" || strings.HasPrefix(token, w.id+":") {
		return nil, invalid("lock token %q is one of the package's own", token)
	}
	args := append([]any{w.q.mode, w.q.nowMillis()}, w.workerArgs(token)...)
	reply, err := w.call(ctx, scriptFetch, args...)
	if err != nil {
		return nil, err
	}
	job := w.fetched(reply, token)
	if job == nil {
		w.tellDrained()
		return nil, nil
	}
	if job.SchedulerID != "" || job.mayRepeat() {
		w.byHand(ctx).scheduleNext(job)
	}
	if f := w.opts.Hooks.OnActive; f != nil {
		f(job)
	}
	return job, nil
}

// Settle ends the run of a job that [Worker.Fetch] has started, here or in another process: it
// does what Run does with what a handler returns. A nil err completes the job with result. An
// err fails the attempt, which is retried as the job's options say, or is one of
// [Unrecoverable], [DelayUntil], [Requeue], [Throttled], [WaitForChildren] and
// [WaitForChild]. Hooks are called as in Run.
//
// token is what the lock is held with; empty means the job's own, [Job.Token]. The job may
// have been read by [Queue.Job] of the worker's queue since it was started: its counts of
// attempts decide about retries. Settle repeats its call while Redis is unavailable, until
// ctx ends. Errors: [ErrLockLost] if the lock is gone or another's, [ErrJobNotFound],
// [ErrNotActive] without a token, [ErrInvalid] for a job of another queue.
func (w *Worker) Settle(ctx context.Context, job *Job, token string, result any, err error) error {
	token = cmp.Or(token, job.token)
	switch {
	case token == "":
		return ErrNotActive
	case job.q.QualifiedName() != w.q.QualifiedName():
		return invalid("job %s is of queue %s, the worker of %s", shortID(job.ID), job.q.QualifiedName(), w.q.QualifiedName())
	}
	job.w, job.token = w, token
	done := w.byHand(ctx).settle(ctx, job, result, err)
	if done.err == nil {
		job.token = ""
	}
	return done.err
}

// byHand is a session that stores outcomes until ctx ends and starts no jobs.
func (w *Worker) byHand(ctx context.Context) *session {
	stopped, stop := context.WithCancel(ctx)
	stop()
	s := &session{w: w, ctx: stopped, work: ctx, record: ctx}
	s.ends = combine.New(s.flushEnds, (*ending).size)
	return s
}
