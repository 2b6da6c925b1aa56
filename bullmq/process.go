package bullmq

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// process runs a job and stores its outcome. It returns the job that this slot continues with,
// if the outcome's script has started one.
func (s *session) process(job *Job) *Job {
	ctx, cancel := context.WithCancelCause(s.work)
	defer cancel(nil)
	s.inFlight.add(job, cancel)
	defer s.inFlight.forget(job.token)

	if job.SchedulerID != "" || job.mayRepeat() {
		s.scheduleNext(job) // also after a job that is going to fail
	}
	var result any
	within, end := s.traceRun(ctx, job)
	err := s.deferredFailure(job)
	if f := s.opts.Hooks.OnActive; f != nil {
		f(job)
	}
	if err == nil {
		result, err = s.runHandler(within, job)
		err = whyCancelled(ctx, err)
	}
	s.inFlight.release(job)
	done := s.settle(within, job, result, err)
	end(done.span)
	if done.err != nil {
		s.notStored(job, done.err)
	}
	s.tellDrained()
	return s.unlessStopped(done.next)
}

// deferredFailure returns why a job fails without being run, nil if it does not.
func (w *Worker) deferredFailure(job *Job) error {
	switch {
	case job.DeferredFailure != "":
		return Unrecoverable(errors.New(job.DeferredFailure))
	case w.opts.MaxStartedAttempts > 0 && w.opts.MaxStartedAttempts < job.AttemptsStarted:
		return Unrecoverable(errors.New("job started more than allowable limit"))
	}
	return nil
}

// panicError is a handler's panic.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.value) }

func (w *Worker) runHandler(ctx context.Context, job *Job) (result any, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return w.handler(ctx, job)
}

// settled is the result of storing an outcome.
type settled struct {
	next *Job    // that the slot continues with, if the outcome's script has started one
	span SpanEnd // the end of the run's span
	err  error   // why the outcome is not stored
}

// settle stores the outcome of a job.
func (s *session) settle(ctx context.Context, job *Job, result any, err error) settled {
	cause := context.Cause(ctx)
	var d decision
	switch {
	case err == nil:
		return s.complete(ctx, job, result)
	case errors.As(err, &d):
		return s.carryOut(ctx, job, d)
	case IsUnrecoverable(err):
		return s.fail(ctx, job, err)
	case errors.Is(cause, ErrCancelled): // also if the cause wraps another reason
		return s.fail(ctx, job, err)
	case errors.Is(cause, ErrLockLost):
		s.state.FetchNow() // another worker has the job, or will
		return settled{span: SpanEnd{Err: err}}
	case errors.Is(cause, ErrShutdown):
		_, errBack := s.handBack(job, handBack{})
		return settled{span: SpanEnd{Err: err}, err: errBack}
	}
	return s.fail(ctx, job, err)
}

// handBack is how a job goes back to the queue: to its front unless it has a new priority.
type handBack struct {
	notRun   bool          // no handler has seen it: its start does not count
	limit    time.Duration // a rate limit to announce, 0 for none
	priority *int          // a new priority, behind whose jobs it goes; nil for none
}

// handBack returns a job to the queue without spending an attempt, and how long
// a rate limit still holds.
func (s *session) handBack(job *Job, how handBack) (time.Duration, error) {
	s.inFlight.release(job)
	defer s.inFlight.forget(job.token)
	limit := how.limit.Milliseconds()
	if how.limit > how.limit.Truncate(time.Millisecond) {
		limit++
	}
	reply, err := s.store(job, "hand back", script.HandBack{
		Mode: s.q.mode, ID: job.ID, Token: job.token, NotRun: how.notRun, Limit: limit, Priority: how.priority,
	}.Call())
	return wire.CappedMillis(max(script.Number(reply), 0)), err
}

// alreadyStored replaces the reply of a call whose reply was lost.
type alreadyStored struct{}

// store calls the script that ends a job's run. It repeats the call while Redis is unavailable.
// If a repeated call is refused, an earlier one whose reply was lost has stored the outcome, or
// the lock has expired since: there is nothing left to do.
func (s *session) store(job *Job, op string, call script.Call) (any, error) {
	reply, repeated, err := s.retryUntilStored(call)
	if err != nil {
		return nil, err
	}
	code, _ := reply.(int64)
	if err = refusal(code, op, job.ID, ""); err != nil && repeated {
		s.log.Debug("outcome was already stored, or the lock had run out", "job", shortID(job.ID), "error", err)
		return alreadyStored{}, nil
	}
	return reply, err
}

// storeDelay stores that a job runs again later. It returns the next job, unless the worker
// takes none.
func (s *session) storeDelay(job *Job, d script.Delay) (*Job, error) {
	d.Mode, d.ID, d.Token, d.Worker = s.q.mode, job.ID, job.token, s.forScript()
	if !s.takesJobs() {
		_, err := s.store(job, "delay", d.Call())
		return nil, err
	}
	d.Next = s.inFlight.newToken()
	reply, err := s.store(job, "delay", d.Call())
	if _, lost := reply.(alreadyStored); lost {
		s.lostReply(d.Next) // the reply may have had a next job
		s.state.FetchNow()
		return nil, nil
	}
	if err != nil {
		s.inFlight.forget(d.Next)
		return nil, err
	}
	return s.fetched(d.Reply(reply).Next, d.Next), nil
}

// unstoredRest is how long a slot waits when Redis replies but cannot store outcomes: the next
// job would meet the same error.
const unstoredRest = time.Second

// notStored reports that a job's outcome could not be stored. Its lock will expire, and the
// check for stalled jobs will put it back.
func (s *session) notStored(job *Job, err error) {
	s.state.FetchNow()
	s.report(fmt.Errorf("outcome of job %s is not stored: %w", shortID(job.ID), err))
	var refused *ScriptError
	if !errors.As(err, &refused) {
		sleep(s.ctx, unstoredRest)
	}
}
