package bullmq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// decision is an error by which a handler decides what happens to its job instead of failing.
// Equal decisions are equal values, so that errors.Is finds them.
type decision struct {
	kind     decisionKind
	until    time.Time     // delay
	limit    time.Duration // throttle
	child    string        // wait: the key of the child, empty for all
	priority int           // requeue with a priority: the new one
}

type decisionKind int

const (
	decideDelay decisionKind = iota
	decideRequeue
	decideThrottle
	decideWait
	decidePriority
)

// IsDecision reports whether a handler that returns err decides what happens to its job, as with [DelayUntil], and
// does not fail.
func IsDecision(err error) bool {
	var d decision
	return errors.As(err, &d)
}

func (d decision) Error() string {
	switch d.kind {
	case decideDelay:
		return fmt.Sprintf("bullmq: the job is delayed until %v", d.until)
	case decideThrottle:
		return fmt.Sprintf("bullmq: the job met a rate limit of %v", d.limit)
	case decideWait:
		return "bullmq: the job waits for its children"
	}
	return "bullmq: the job goes back to the queue"
}

// DelayUntil makes the job run again from its start at time t, or at once if t is past. The
// handler returns it as its error. No attempt is spent. A t more than 292 years from now fails
// the attempt with [ErrInvalid].
//
//	return nil, bullmq.DelayUntil(time.Now().Add(time.Hour))
//
// The worker recognizes this error and those of [Requeue], [RequeueWithPriority], [Throttled],
// [WaitForChildren] and [WaitForChild] through wrapping. It makes the move after the handler has returned, repeats
// it while Redis is unavailable, and reports to OnError if the job's lock is lost.
func DelayUntil(t time.Time) error { return decision{kind: decideDelay, until: t} }

// Requeue puts the job back to the front of the queue, so that it runs again from its start
// as soon as possible. The handler returns it as its error, see [DelayUntil]. No attempt is
// spent.
func Requeue() error { return decision{kind: decideRequeue} }

// RequeueWithPriority gives the job a priority from 0, none, to [MaxPriority] and puts it behind
// the others of that priority. It runs again from its start when its turn comes. The handler
// returns it as its error, see [DelayUntil]. No attempt is spent. Others are [ErrInvalid].
func RequeueWithPriority(priority int) error {
	return decision{kind: decidePriority, priority: priority}
}

// Throttled reports that the handler met a rate limit. The handler returns it as its error,
// see [DelayUntil]. The job goes back to the front of the queue and no attempt is spent. If d
// is positive, the same step announces that limit on the queue, as [Queue.RateLimit] does:
// workers with a Limiter or HeedRateLimit start no job for d, rounded up to whole
// milliseconds. If d is 0 or less, the worker pauses as long as a limit in force holds.
func Throttled(d time.Duration) error { return decision{kind: decideThrottle, limit: max(d, 0)} }

// WaitForChildren makes the job run again from its start once all its children have finished.
// The handler returns it as its error, see [DelayUntil]. No attempt is spent. If no child is
// unfinished, the job runs again at once, so the handler must find out what is left to do,
// for example with [Job.DependencyCounts]. If a child has failed with FailParent, the job
// fails without a further attempt.
func WaitForChildren() error { return decision{kind: decideWait} }

// WaitForChild is [WaitForChildren] for a handler that needs one child, the one with that id
// in queue. If that child has finished, the job runs again at once. Otherwise the job waits as
// with WaitForChildren, for all children that are unfinished at that time.
func WaitForChild(queue *Queue, id string) error {
	return decision{kind: decideWait, child: queue.keys.Job(id)}
}

// carryOut makes the move that a handler has decided on.
func (s *session) carryOut(ctx context.Context, job *Job, d decision) settled {
	how := handBack{limit: d.limit}
	switch d.kind {
	case decideDelay:
		return s.delayUntil(ctx, job, d.until)
	case decideWait:
		return s.waitForChildren(ctx, job, d.child)
	case decidePriority:
		if d.priority < 0 || d.priority > MaxPriority {
			return s.fail(ctx, job, invalid("priority %d is not within 0 and %d", d.priority, MaxPriority))
		}
		how.priority = &d.priority
	}
	rest, err := s.handBack(job, how)
	if err == nil && d.kind == decideThrottle && rest > 0 {
		s.state.NoJob(s.q.now(), rest, 0)
	} else {
		s.state.FetchNow() // the job can be had
	}
	return settled{span: SpanEnd{Err: err}, err: err}
}

// delayUntil moves a job to the delayed ones.
func (s *session) delayUntil(ctx context.Context, job *Job, until time.Time) settled {
	now := s.q.now()
	if until.Sub(now) == math.MaxInt64 {
		return s.fail(ctx, job, invalid("delay until %v: at most 292 years", until))
	}
	delay := max(wire.Millis(until)-wire.Millis(now), 0)
	next, err := s.storeDelay(job, script.Delay{Now: wire.Millis(now), Delay: delay})
	if err == nil {
		job.Delay = time.Duration(delay) * time.Millisecond
	}
	return settled{next: next, span: SpanEnd{Err: err}, err: err}
}

// waitForChildren stores that a job waits for its children, or hands it back if there is
// nothing to wait for.
func (s *session) waitForChildren(ctx context.Context, job *Job, child string) settled {
	_, err := s.store(job, "let wait for children", script.WaitChildren{
		Mode: s.q.mode, Now: s.q.nowMillis(), ID: job.ID, Token: job.token, Child: child,
	}.Call())
	if isRefusal(err, CodeFailedChildren) {
		return s.fail(ctx, job, failedChildren(job))
	}
	s.state.FetchNow() // it may be the next one, or there may be another
	return settled{span: SpanEnd{Err: err}, err: err}
}

// failedChildren is why a job with children that failed with FailParent fails, in BullMQ's words.
func failedChildren(job *Job) error {
	words := fmt.Sprintf("Cannot complete job %s because it has at least one failed child", job.ID)
	return Unrecoverable(errors.New(words))
}

// isRefusal reports whether a script refused its operation with a code.
func isRefusal(err error, code Code) bool {
	var refused *ScriptError
	return errors.As(err, &refused) && refused.Code == code
}
