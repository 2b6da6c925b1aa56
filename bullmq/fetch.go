package bullmq

import (
	"cmp"
	"context"
	"strings"

	"schoolbell/bullmq/internal/script"
)

// Fetch starts the next job for a program that runs jobs itself, not in the handler of
// [Worker.Run], and stores their outcomes with [Worker.Settle]. It does not wait for a job: if
// none may be started now, it returns nil without an error. The job is locked with token for
// LockDuration. An empty token means a random one ([Job.Token]). Tokens must be different
// for each job, and must not be "0" or begin with [Worker.ID] and a colon.
//
// The lock is not renewed: call [Job.ExtendLock] if the job takes longer. Programs without a
// running worker find jobs of lost ones with [Worker.CheckStalled]. A job with a
// DeferredFailure is also returned; do not run it, but settle it with that error. If the
// call fails, a job may have been started. The check for stalled jobs then puts it back
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
	fetched, err := runFor(ctx, w, script.Fetch{Mode: w.q.mode, Now: w.q.nowMillis(), Token: token, Worker: w.forScript()})
	if err != nil {
		return nil, err
	}
	s := w.idleSession(ctx)
	job := s.fetched(fetched, token)
	if job == nil {
		s.tellDrained()
		return nil, nil
	}
	if job.SchedulerID != "" || job.mayRepeat() {
		s.scheduleNext(job)
	}
	if f := w.opts.Hooks.OnActive; f != nil {
		f(job)
	}
	return job, nil
}

// Settle stores the outcome of a job that [Worker.Fetch] has started, in this process or
// another, as Run does with a handler's return values. A nil err completes the job with
// result. Any other err fails the attempt, which is retried as the job's options set, unless
// err is one of [Unrecoverable], [DelayUntil], [Requeue], [Throttled], [WaitForChildren] and
// [WaitForChild]. Hooks are called as in Run.
//
// token is the token that holds the lock. Empty means that of the job, [Job.Token]. The job
// may have been read with [Queue.Job] after it was started: its counts of attempts decide
// about retries. Settle repeats its call while Redis is unavailable, until ctx ends. Errors
// are [ErrLockLost] if the lock is gone or held with another token, [ErrJobNotFound],
// [ErrNotActive] without a token, and [ErrInvalid] for a job of another queue.
func (w *Worker) Settle(ctx context.Context, job *Job, token string, result any, err error) error {
	token = cmp.Or(token, job.token)
	switch {
	case token == "":
		return ErrNotActive
	case job.q.QualifiedName() != w.q.QualifiedName():
		return invalid("job %s is of queue %s, the worker of %s", shortID(job.ID), job.q.QualifiedName(), w.q.QualifiedName())
	}
	job.w, job.token = w, token
	done := w.idleSession(ctx).settle(ctx, job, result, err)
	if done.err == nil {
		job.token = ""
	}
	return done.err
}

// idleSession returns a session that stores outcomes until ctx ends and starts no jobs.
func (w *Worker) idleSession(ctx context.Context) *session {
	stopped, stop := context.WithCancel(ctx)
	stop()
	s := newSession(w, &w.byHandState)
	s.ctx, s.work, s.record = stopped, ctx, ctx
	return s
}
