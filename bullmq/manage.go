package bullmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// RemoveOptions are the settings of [Queue.Remove].
type RemoveOptions struct {
	Children bool // also remove the job's children, their children and so on
}

// Remove deletes a job in any state. If a worker runs it, or a descendant that would be
// removed, the error is [ErrJobLocked] and nothing is removed. A job that does not exist is no
// error. A parent that waited only for this job can run. The next job of a scheduler is a
// [*ScriptError] with [CodeSchedulerJob]; use [Queue.RemoveScheduler].
func (q *Queue) Remove(ctx context.Context, id string, opts RemoveOptions) error {
	if err := checkTarget(id); err != nil {
		return err
	}
	code, err := run(ctx, q, script.Remove{Mode: q.mode, ID: id, Children: opts.Children})
	if err != nil {
		return err
	}
	if err := refusal(code, "remove", id, ""); err != nil {
		return err
	}
	if code == 0 {
		return fmt.Errorf("%w: %s in queue %s", ErrJobLocked, id, q.name)
	}
	return nil
}

// RetryOptions are the settings of [Queue.Retry].
type RetryOptions struct {
	// From is the state that the job must be in: [StateFailed] or [StateCompleted].
	// Empty means StateFailed.
	From State
	// ResetAttemptsMade sets Job.AttemptsMade to 0, so that the job has all its attempts
	// again. Otherwise it has one more attempt.
	ResetAttemptsMade bool
	// ResetAttemptsStarted sets Job.AttemptsStarted to 0, which
	// WorkerOptions.MaxStartedAttempts limits.
	ResetAttemptsStarted bool
}

// Retry puts a finished job back into the queue. A job that is not in the state opts.From is a
// [*ScriptError] with [CodeNotInState], an unknown id is [ErrJobNotFound], and another value
// of opts.From is [ErrInvalid].
func (q *Queue) Retry(ctx context.Context, id string, opts RetryOptions) error {
	if err := checkTarget(id); err != nil {
		return err
	}
	from := cmp.Or(opts.From, StateFailed)
	if from != StateFailed && from != StateCompleted {
		return invalid("retry from state %q: only failed and completed jobs are retried", from)
	}
	code, err := run(ctx, q, script.Retry{
		Mode: q.mode, ID: id, Set: string(from), ResetMade: opts.ResetAttemptsMade, ResetStarted: opts.ResetAttemptsStarted,
	})
	if err != nil {
		return err
	}
	return refusal(code, "retry", id, "")
}

// Promote makes a delayed job run now. A job in another state is a [*ScriptError] with
// [CodeNotInState], an unknown id is [ErrJobNotFound].
func (q *Queue) Promote(ctx context.Context, id string) error {
	if err := checkTarget(id); err != nil {
		return err
	}
	code, err := run(ctx, q, script.Promote{Mode: q.mode, ID: id})
	if err != nil {
		return err
	}
	return refusal(code, "promote", id, "")
}

// Pause stops all workers of the queue from starting jobs, until [Queue.Resume]. Active jobs
// continue. Pausing a paused queue does nothing.
func (q *Queue) Pause(ctx context.Context) error {
	return q.repeat(ctx, "pause", func(first bool) script.Script[int64] { return script.Pause{Mode: q.mode, First: first} })
}

// Resume ends a pause. It does nothing if the queue is not paused.
func (q *Queue) Resume(ctx context.Context) error {
	return q.repeat(ctx, "resume", func(first bool) script.Script[int64] { return script.Resume{First: first} })
}

// repeat calls a script that handles many jobs, in several steps, until all are done.
func (q *Queue) repeat(ctx context.Context, op string, next func(first bool) script.Script[int64]) error {
	for first := true; ; first = false {
		code, err := run(ctx, q, next(first))
		if err != nil {
			return err
		}
		if err := refusal(code, op, "", ""); err != nil || code != 1 {
			return err
		}
	}
}

// IsPaused reports whether the queue is paused.
func (q *Queue) IsPaused(ctx context.Context) (bool, error) {
	paused, err := q.rdb.HExists(ctx, q.keys.Meta(), "paused").Result()
	return paused, wrapRead(ctx, "whether the queue is paused", err)
}

// IsRestricted reports whether something other than busy workers may keep a new job of the queue from
// starting: a pause, a rate limit in force, or a global limit, whether reached or not. It takes one
// round trip.
func (q *Queue) IsRestricted(ctx context.Context) (bool, error) {
	pipe := q.rdb.Pipeline()
	settings := pipe.HMGet(ctx, q.keys.Meta(), "paused", "concurrency", "max")
	limited := pipe.Exists(ctx, q.keys.Limiter())
	if err := exec(ctx, pipe); err != nil {
		return false, wrapRead(ctx, "what restricts the queue", err)
	}
	set := slices.ContainsFunc(settings.Val(), func(v any) bool { return v != nil })
	return set || limited.Val() > 0, nil
}

// manualLimit is the value of the limiter's counter while a limit is set by hand.
const manualLimit int64 = 1<<53 - 1

// RateLimit stops workers from starting jobs for d, at least a millisecond. It applies to
// workers that have a Limiter or HeedRateLimit, and to all if the queue has a global rate limit.
// It replaces a limit that is in force. A handler that met a limit returns [Throttled] instead.
func (q *Queue) RateLimit(ctx context.Context, d time.Duration) error {
	if d < time.Millisecond {
		return invalid("rate limit of %v is shorter than a millisecond", d)
	}
	return wrapWrite(ctx, "set rate limit", q.rdb.Set(ctx, q.keys.Limiter(), manualLimit, d).Err())
}

// RateLimitTTLOptions select the limit for [Queue.RateLimitTTL].
type RateLimitTTLOptions struct {
	// Max is how many jobs per window the limit allows, such as [Limiter].Max of a
	// worker. 0 means the queue's global limit.
	Max int
}

// RateLimitTTL returns how long the limit is still in force. It is 0 if fewer jobs than the
// maximum have been started in the window. If neither opts nor the queue has a maximum, any
// counter of workers' own limiters counts as a limit in force.
func (q *Queue) RateLimitTTL(ctx context.Context, opts RateLimitTTLOptions) (time.Duration, error) {
	if opts.Max < 0 {
		return 0, invalid("rate limit of %d jobs", opts.Max)
	}
	ms, err := run(ctx, q, script.LimitTTL{Max: int64(opts.Max)})
	return wire.CappedMillis(ms), err
}

// ClearRateLimit ends a limit that is in force.
func (q *Queue) ClearRateLimit(ctx context.Context) error {
	return wrapWrite(ctx, "clear rate limit", q.rdb.Del(ctx, q.keys.Limiter()).Err())
}

// SetGlobalRateLimit lets all workers together start at most n jobs per duration, at least a
// millisecond. n 0 removes the limit. n replaces the maximum of a worker's own Limiter, but not
// its duration, which applies to windows that begin with a job of that worker.
func (q *Queue) SetGlobalRateLimit(ctx context.Context, n int, per time.Duration) error {
	var err error
	switch {
	case n < 0 || (n > 0 && per < time.Millisecond):
		return invalid("global rate limit of %d per %v", n, per)
	case n == 0:
		err = q.rdb.HDel(ctx, q.keys.Meta(), "max", "duration").Err()
	default:
		err = q.rdb.HSet(ctx, q.keys.Meta(), "max", n, "duration", per.Milliseconds()).Err()
	}
	return wrapWrite(ctx, "set global rate limit", err)
}

// SetGlobalConcurrency lets all workers together run at most n jobs at a time. 0 removes the
// limit.
func (q *Queue) SetGlobalConcurrency(ctx context.Context, n int) error {
	if n < 0 {
		return invalid("global concurrency of %d", n)
	}
	var err error
	if n == 0 {
		err = q.rdb.HDel(ctx, q.keys.Meta(), "concurrency").Err()
	} else {
		err = q.rdb.HSet(ctx, q.keys.Meta(), "concurrency", n).Err()
	}
	return wrapWrite(ctx, "set global concurrency", err)
}

// batchSize is how many jobs one call of a script processes where a queue may have many.
const batchSize = 1000

// Clean removes up to limit jobs (0 means all) of one state that are older than grace, and
// returns their ids. The age of a finished job counts from its end, that of a prioritized one
// from its creation, that of others from their last start or, without one, from their
// creation. Active jobs are removed only if no worker holds their lock. With an error, it
// returns the ids of the jobs that were removed before.
func (q *Queue) Clean(ctx context.Context, state State, grace time.Duration, limit int) ([]string, error) {
	places, err := q.places(state)
	if err != nil {
		return nil, err
	}
	if grace < 0 || limit < 0 {
		return nil, invalid("clean with grace %v and limit %d", grace, limit)
	}
	newest := wire.Millis(q.now().Add(-grace))
	var removed []string
	for _, p := range places {
		set := p.key[len(q.keys.Prefix):]
		for {
			batch := batchSize
			if limit > 0 {
				batch = min(batch, limit-len(removed))
			}
			if batch <= 0 {
				return removed, nil
			}
			ids, err := run(ctx, q, script.Clean{Mode: q.mode, Set: set, Newest: newest, Most: batch})
			if err != nil {
				return removed, err
			}
			removed = append(removed, ids...)
			if len(ids) < batch {
				break
			}
		}
	}
	return removed, nil
}

// DrainOptions are the settings of [Queue.Drain].
type DrainOptions struct {
	Delayed bool // also delayed jobs
}

// Drain removes all waiting and prioritized jobs and, with opts.Delayed, delayed ones. A
// scheduler's next job stays. A long queue is drained in several steps of 1000 jobs each. If
// one fails, the remaining jobs stay.
func (q *Queue) Drain(ctx context.Context, opts DrainOptions) error {
	return q.repeat(ctx, "drain", func(bool) script.Script[int64] {
		return script.Drain{Mode: q.mode, Delayed: opts.Delayed, Most: batchSize}
	})
}

// ObliterateOptions are the settings of [Queue.Obliterate].
type ObliterateOptions struct {
	Force bool // also if jobs are active
}

// ErrQueueActive reports that a queue cannot be obliterated because jobs are active.
var ErrQueueActive = errors.New("bullmq: jobs of the queue are being run")

// Obliterate pauses the queue and deletes all of it, in steps of 1000 jobs. If jobs are active
// and opts.Force is not set, it returns [ErrQueueActive], and the queue stays paused.
func (q *Queue) Obliterate(ctx context.Context, opts ObliterateOptions) error {
	if err := q.Pause(ctx); err != nil {
		return err
	}
	err := q.repeat(ctx, "obliterate", func(bool) script.Script[int64] {
		return script.Obliterate{Mode: q.mode, Most: batchSize, Force: opts.Force}
	})
	var refused *ScriptError
	if errors.As(err, &refused) && refused.Code == -2 {
		return ErrQueueActive
	}
	return err
}

// RetryJobs moves all jobs that failed (or completed) before a time to the waiting jobs,
// whatever their priority, in steps of 1000. The zero time means now. Any other state is
// [ErrInvalid].
func (q *Queue) RetryJobs(ctx context.Context, state State, before time.Time) error {
	if state != StateFailed && state != StateCompleted {
		return invalid("state %q: only failed and completed jobs are retried", state)
	}
	if before.IsZero() {
		before = q.now()
	}
	if before.After(lastTime) {
		return invalid("before %v: the year 9999 is the last", before)
	}
	return q.moveAll(ctx, string(state), wire.Millis(before))
}

// PromoteJobs moves all delayed jobs to the waiting jobs, whatever their priority, in steps of
// 1000.
func (q *Queue) PromoteJobs(ctx context.Context) error {
	return q.moveAll(ctx, "delayed", math.MaxInt64)
}

// moveAll puts all jobs of a set, up to a score, back to wait.
func (q *Queue) moveAll(ctx context.Context, set string, maxScore int64) error {
	return q.repeat(ctx, "move_all", func(bool) script.Script[int64] {
		return script.MoveAll{Mode: q.mode, Set: set, MaxScore: maxScore, Most: batchSize}
	})
}
