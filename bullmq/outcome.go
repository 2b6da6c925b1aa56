package bullmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// complete stores a job's result.
func (s *session) complete(ctx context.Context, job *Job, result any) settled {
	value, err := encodeValue(result)
	if err != nil {
		return s.fail(ctx, job, fmt.Errorf("result: %w", err))
	}
	_, end := s.traceOutcome(ctx, SpanComplete, job)
	e := &ending{job: job, op: "complete", set: "completed", value: value}
	e.keep = keepFor(job.Options.RemoveOnComplete, s.opts.RemoveOnComplete)
	next, err := s.end(e)
	end(err)
	switch {
	case isRefusal(err, CodePendingDependencies):
		words := fmt.Sprintf("Job %s has pending dependencies. moveToFinished", job.ID) // BullMQ's
		return s.fail(ctx, job, errors.New(words))
	case isRefusal(err, CodeFailedChildren):
		return s.fail(ctx, job, failedChildren(job))
	case err != nil:
		return settled{span: SpanEnd{Err: err}, err: err}
	}
	job.ReturnValue, job.FinishedOn = value, e.at
	job.AttemptsMade++
	if f := s.opts.Hooks.OnCompleted; f != nil {
		f(job)
	}
	return settled{next: next, span: SpanEnd{AttemptsMade: job.AttemptsMade, Result: value}}
}

// fail stores a failed attempt. The job is retried, now or later, or has failed.
func (s *session) fail(ctx context.Context, job *Job, cause error) settled {
	trace := traceWith(job, cause)
	wait, again := s.retry(job, &cause)
	now := wire.FromMillis(wire.Millis(s.q.now()))
	reason := cause.Error()
	ctx, end := s.traceOutcome(ctx, failure(again, wait), job)
	attempt := script.Attempt{Reason: reason, Trace: trace.json, Context: s.keepsOf(ctx, job)}
	var next *Job
	var err error
	switch {
	case !again:
		e := &ending{job: job, op: "fail", set: "failed", value: reason, attempt: attempt}
		e.keep = keepFor(job.Options.RemoveOnFail, s.opts.RemoveOnFail)
		next, err = s.end(e)
		now = e.at
	case wait > 0:
		next, err = s.storeDelay(job, script.Delay{Now: wire.Millis(now), Delay: wait.Milliseconds(), Attempt: &attempt})
	default:
		s.state.FetchNow()
		_, err = s.store(job, "requeue", script.Requeue{
			Mode: s.q.mode, Now: wire.Millis(now), ID: job.ID, Token: job.token, Attempt: attempt, Front: job.Options.LIFO,
		}.Call())
	}
	end(err)
	if err != nil {
		return settled{span: SpanEnd{Err: err}, err: err}
	}
	job.FailedReason, job.StackTrace = reason, trace.entries
	job.AttemptsMade++
	how := SpanEnd{Err: cause, AttemptsMade: job.AttemptsMade}
	if again {
		if f := s.opts.Hooks.OnRetry; f != nil {
			f(job, cause, wait)
		}
		return settled{next: next, span: how}
	}
	job.FinishedOn = now
	if f := s.opts.Hooks.OnFailed; f != nil {
		f(job, cause)
	}
	return settled{next: next, span: how}
}

// failure returns the operation that stores a failed attempt.
func failure(again bool, wait time.Duration) SpanOperation {
	switch {
	case !again:
		return SpanFail
	case wait > 0:
		return SpanDelay
	}
	return SpanRetry
}

// retry decides whether a job is retried and after what wait. If the wait cannot be computed,
// that error is added to the cause.
func (w *Worker) retry(job *Job, cause *error) (wait time.Duration, again bool) {
	if IsUnrecoverable(*cause) || job.AttemptsMade+1 >= job.Options.Attempts {
		return 0, false
	}
	if n := w.opts.MaxStartedAttempts; n > 0 && n <= job.AttemptsStarted {
		return 0, false
	}
	wait, err := w.backoff(job.AttemptsMade+1, job, *cause)
	if err != nil {
		*cause = fmt.Errorf("%w, and %w", *cause, err)
		return 0, false
	}
	if wait < 0 {
		return 0, false
	}
	if wait > 0 {
		wait = min(max(wait.Round(time.Millisecond), time.Millisecond), maxBackoff)
	}
	return wait, true
}

// trace is a job's stack trace with the newest failure, within the limit in its options.
type trace struct {
	entries []string
	json    []byte
}

func traceWith(job *Job, cause error) trace {
	entry := cause.Error()
	var p *panicError
	if errors.As(cause, &p) {
		entry += "\n" + string(p.stack)
	}
	entries := append(slices.Clone(job.StackTrace), strings.ToValidUTF8(entry, "\uFFFD"))
	if limit := job.Options.StackTraceLimit; limit != nil {
		entries = entries[max(len(entries)-max(*limit, 0), 0):]
	}
	text, _ := wire.EncodeJSON(entries) // strings always encode
	return trace{entries, text}
}

// keepFor returns the limit for finished jobs: the job's, otherwise the worker's, otherwise
// none. Its age is in ms.
func keepFor(job, worker *Keep) script.Keep {
	k := job
	if k == nil {
		k = worker
	}
	keep := script.Keep{Most: "1000"}
	if k == nil {
		return keep
	}
	if k.None {
		keep.Count = "0"
		return keep
	}
	if k.Count > 0 {
		keep.Count = wire.FormatInt(int64(k.Count))
	}
	if k.Age > 0 || k.ageSet {
		keep.Age = wire.FormatInt(k.Age.Milliseconds())
	}
	if k.Limit > 0 {
		keep.Most = wire.FormatInt(int64(k.Limit))
	}
	return keep
}
