package bullmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// complete stores a job's result.
func (s *session) complete(ctx context.Context, job *Job, result any) settled {
	value, err := encodeValue(result)
	if err != nil {
		return s.fail(ctx, job, fmt.Errorf("result: %w", err))
	}
	_, end := s.w.traceOutcome(ctx, SpanComplete, job)
	e := &ending{job: job, op: "complete", set: "completed", value: value}
	e.count, e.age, e.limit = keepArgs(job.Options.RemoveOnComplete, s.w.opts.RemoveOnComplete)
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
	if f := s.w.opts.Hooks.OnCompleted; f != nil {
		f(job)
	}
	return settled{next: next, span: SpanEnd{AttemptsMade: job.AttemptsMade, Result: value}}
}

// fail stores a failed attempt: the job is retried, now or later, or fails for good.
func (s *session) fail(ctx context.Context, job *Job, cause error) settled {
	trace := traceWith(job, cause)
	wait, again := s.w.retry(job, &cause)
	now := fromMillis(millis(s.w.q.now()))
	reason := cause.Error()
	ctx, end := s.w.traceOutcome(ctx, failure(again, wait), job)
	kept := s.w.keepsOf(ctx, job)
	var next *Job
	var err error
	switch {
	case !again:
		e := &ending{job: job, op: "fail", set: "failed", value: reason, trace: trace.json, kept: kept}
		e.count, e.age, e.limit = keepArgs(job.Options.RemoveOnFail, s.w.opts.RemoveOnFail)
		next, err = s.end(e)
		now = e.at
	case wait > 0:
		next, err = s.storeAndFetch(job, "delay", scriptDelay, s.w.q.mode, millis(now), job.ID, job.token,
			wait.Milliseconds(), cmp.Or(kept, "1"), reason, trace.json)
	default:
		s.w.pace.look()
		args := []any{s.w.q.mode, millis(now), job.ID, job.token, reason, trace.json, flag(job.Options.LIFO)}
		if kept != "" {
			args = append(args, kept)
		}
		_, err = s.store(job, "requeue", scriptRequeue, args...)
	}
	end(err)
	if err != nil {
		return settled{span: SpanEnd{Err: err}, err: err}
	}
	job.FailedReason, job.StackTrace = reason, trace.entries
	job.AttemptsMade++
	how := SpanEnd{Err: cause, AttemptsMade: job.AttemptsMade}
	if again {
		if f := s.w.opts.Hooks.OnRetry; f != nil {
			f(job, cause, wait)
		}
		return settled{next: next, span: how}
	}
	job.FinishedOn = now
	if f := s.w.opts.Hooks.OnFailed; f != nil {
		f(job, cause)
	}
	return settled{next: next, span: how}
}

// failure is what becomes of a failed attempt.
func failure(again bool, wait time.Duration) SpanOperation {
	switch {
	case !again:
		return SpanFail
	case wait > 0:
		return SpanDelay
	}
	return SpanRetry
}

// retry decides whether a job is tried again and after what wait. If the wait
// cannot be computed, that is added to the cause.
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

// trace is a job's stack trace with the newest failure, limited as its options say.
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
	text, _ := encodeJSON(entries) // strings always encode
	return trace{entries, text}
}

// keepArgs are a limit for finished jobs as the script takes it: the job's, else
// the worker's, else none. Limits by age are in ms there.
func keepArgs(job, worker *Keep) (count, age, limit string) {
	k := job
	if k == nil {
		k = worker
	}
	limit = "1000"
	if k == nil {
		return "", "", limit
	}
	if k.None {
		return "0", "", limit
	}
	if k.Count > 0 {
		count = formatInt(int64(k.Count))
	}
	if k.Age > 0 || k.ageSet {
		age = formatInt(k.Age.Milliseconds())
	}
	if k.Limit > 0 {
		limit = formatInt(int64(k.Limit))
	}
	return count, age, limit
}

func (w *Worker) metricsArg() string {
	if w.opts.MetricsPoints > 0 {
		return formatInt(int64(w.opts.MetricsPoints))
	}
	return ""
}
