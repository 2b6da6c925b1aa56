package bullmq

import (
	"context"
	"encoding/json"
	"time"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// UpdateProgress stores any value that encodes to JSON as the job's progress and publishes it
// as an event. A job that no longer exists is [ErrJobNotFound]. It is safe for concurrent use.
func (j *Job) UpdateProgress(ctx context.Context, progress any) error {
	text, err := encodeValue(progress)
	if err != nil {
		return err
	}
	code, err := run(ctx, j.q, script.Progress{ID: j.ID, Progress: text})
	if err != nil {
		return err
	}
	if err := refusal(code, "update progress of", j.ID, ""); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.Progress = text
	return nil
}

// Log appends a line to the job's log and returns how many lines are kept, at most
// Options.KeepLogs. A job that no longer exists is [ErrJobNotFound]. It is safe for
// concurrent use.
func (j *Job) Log(ctx context.Context, line string) (int64, error) {
	n, err := run(ctx, j.q, script.Log{ID: j.ID, Line: line, Keep: int64(max(j.Options.KeepLogs, 0))})
	if err != nil {
		return 0, err
	}
	return max(n, 0), refusal(n, "log to", j.ID, "")
}

// ClearLogs removes the job's log lines except the newest keep. 0 removes all.
func (j *Job) ClearLogs(ctx context.Context, keep int) error {
	if keep < 0 {
		return invalid("keep %d log lines: must not be negative", keep)
	}
	key := j.q.keys.Logs(j.ID)
	if keep == 0 {
		return wrapWrite(ctx, "clear logs of job "+shortID(j.ID), j.q.rdb.Del(ctx, key).Err())
	}
	return wrapWrite(ctx, "clear logs of job "+shortID(j.ID), j.q.rdb.LTrim(ctx, key, int64(-keep), -1).Err())
}

// UpdateData replaces the job's payload with any value that encodes to JSON. Nil becomes null.
// The Job of a running handler keeps its payload. A job that no longer exists is
// [ErrJobNotFound].
func (j *Job) UpdateData(ctx context.Context, data any) error {
	text, err := encodeValue(data)
	if err != nil {
		return err
	}
	code, err := run(ctx, j.q, script.UpdateData{ID: j.ID, Data: text})
	if err != nil {
		return err
	}
	if err := refusal(code, "update data of", j.ID, ""); err != nil {
		return err
	}
	j.Data = text
	return nil
}

// ChildrenValues returns the results of the job's completed children by their full keys
// (prefix:queue:id). A result that is not JSON is left out.
func (j *Job) ChildrenValues(ctx context.Context) (map[string]json.RawMessage, error) {
	hash, err := j.q.rdb.HGetAll(ctx, j.q.keys.Processed(j.ID)).Result()
	if err != nil {
		return nil, wrapRead(ctx, "children's values", err)
	}
	values := make(map[string]json.RawMessage, len(hash))
	for child, value := range hash {
		if raw := wire.RawJSON(value); raw != nil {
			values[child] = raw
		}
	}
	return values, nil
}

// IgnoredChildrenFailures returns the failure reasons of children whose failure mode is
// IgnoreDependency or ContinueParent, by their full keys (prefix:queue:id).
func (j *Job) IgnoredChildrenFailures(ctx context.Context) (map[string]string, error) {
	hash, err := j.q.rdb.HGetAll(ctx, j.q.keys.Ignored(j.ID)).Result()
	return hash, wrapRead(ctx, "children's failures", err)
}

// DependencyCounts has the numbers of a job's children.
type DependencyCounts struct {
	Processed   int64 // completed
	Unprocessed int64 // not finished, or failed with FailureNone
	Ignored     int64 // failed with IgnoreDependency or ContinueParent
	Failed      int64 // failed with FailParent
}

// DependencyCounts counts the job's children.
func (j *Job) DependencyCounts(ctx context.Context) (DependencyCounts, error) {
	k, pipe := j.q.keys, j.q.rdb.Pipeline()
	processed, unprocessed := pipe.HLen(ctx, k.Processed(j.ID)), pipe.SCard(ctx, k.Dependencies(j.ID))
	ignored, failed := pipe.HLen(ctx, k.Ignored(j.ID)), pipe.ZCard(ctx, k.Unsuccessful(j.ID))
	if err := exec(ctx, pipe); err != nil {
		return DependencyCounts{}, wrapRead(ctx, "dependency counts", err)
	}
	return DependencyCounts{processed.Val(), unprocessed.Val(), ignored.Val(), failed.Val()}, nil
}

// ChangeDelay sets a delayed job's delay, counted from now, in whole milliseconds. A job in
// another state is a [*ScriptError] with [CodeNotInState], one that no longer exists
// [ErrJobNotFound].
func (j *Job) ChangeDelay(ctx context.Context, delay time.Duration) error {
	if delay < 0 {
		return invalid("delay %v is negative", delay)
	}
	code, err := run(ctx, j.q, script.ChangeDelay{Mode: j.q.mode, Now: j.q.nowMillis(), ID: j.ID, Delay: delay.Milliseconds()})
	if err != nil {
		return err
	}
	if err := refusal(code, "change delay of", j.ID, ""); err != nil {
		return err
	}
	j.Delay = delay
	return nil
}

// PriorityOptions are the settings of [Job.ChangePriority].
type PriorityOptions struct {
	// LIFO puts the job before the others of its new priority, not behind them.
	LIFO bool
}

// ChangePriority changes the job's priority and, if the job waits, its position in the queue. A
// priority is from 0, none, to [MaxPriority]; others are [ErrInvalid]. Jobs with 1 run before
// those with 2. A job that does not exist is [ErrJobNotFound].
func (j *Job) ChangePriority(ctx context.Context, priority int, opts PriorityOptions) error {
	if priority < 0 || priority > MaxPriority {
		return invalid("priority %d is not within 0 and %d", priority, MaxPriority)
	}
	code, err := run(ctx, j.q, script.ChangePriority{Mode: j.q.mode, ID: j.ID, Priority: priority, Front: opts.LIFO})
	if err != nil {
		return err
	}
	if err := refusal(code, "change priority of", j.ID, ""); err != nil {
		return err
	}
	j.Priority = priority
	return nil
}
