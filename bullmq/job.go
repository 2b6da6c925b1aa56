package bullmq

import (
	"context"
	"encoding/json"
	"time"
)

// State is where a job stands.
type State string

// The states of a job. StatePaused is only a list that BullMQ 5 moves waiting
// jobs to while a queue is paused: [Queue.State] says StateWaiting for them.
const (
	StateWaiting         State = "waiting"
	StateActive          State = "active"
	StateDelayed         State = "delayed"
	StatePrioritized     State = "prioritized"
	StateWaitingChildren State = "waiting-children"
	StateCompleted       State = "completed"
	StateFailed          State = "failed"
	StatePaused          State = "paused"
	StateUnknown         State = "unknown"
)

// Job is a job as it was when it was read, added or activated. Its fields are a
// copy: methods that change the job in Redis also change the field they are
// about, nothing else keeps the copy fresh. A handler owns its Job; a Job is not
// for concurrent use, save for Log and UpdateProgress.
type Job struct {
	ID   string
	Name string
	// Data is the payload, a JSON value.
	Data    json.RawMessage
	Options JobOptions
	// Delay and Priority are what is in force now; Options has what was asked for.
	Delay    time.Duration
	Priority int

	// Timestamp is when the job was made, ProcessedOn when it was last
	// activated, FinishedOn when it completed or failed for good. Zero when it
	// has not happened; UTC, in milliseconds.
	Timestamp, ProcessedOn, FinishedOn time.Time

	// AttemptsMade counts attempts that ended, AttemptsStarted every
	// activation, StalledCount those that ended with a lost worker.
	AttemptsMade, AttemptsStarted, StalledCount int

	// Progress and ReturnValue are JSON values, nil when there is none.
	Progress, ReturnValue json.RawMessage
	// FailedReason is the text of the latest failure.
	FailedReason string
	// StackTrace has one entry for each failed attempt, oldest first.
	StackTrace []string
	// ParentKey is the full key of the parent job, prefix:queue:id, or empty.
	ParentKey string
	// ProcessedBy is the name of the worker that activated the job last.
	ProcessedBy string
	// DeferredFailure is the reason with which the next worker will fail the
	// job instead of running it.
	DeferredFailure string
	// SchedulerID is the scheduler that made the job, DeduplicationID the id
	// under which it was deduplicated; empty for most jobs.
	SchedulerID, DeduplicationID string

	q     *Queue
	token string
	run   *activation
}

// activation is what a job's handler needs of the worker that runs it.
type activation struct{ w *Worker }

// Queue returns the queue that the job belongs to.
func (j *Job) Queue() *Queue { return j.q }

// Attempt is the number of the attempt being made, from 1.
func (j *Job) Attempt() int { return j.AttemptsMade + 1 }

// UpdateProgress stores any JSON value as the job's progress and tells it to
// listeners of the queue's events.
func (j *Job) UpdateProgress(ctx context.Context, progress any) error { return errTodo }

// Log appends a line to the job's log and returns how many are kept.
func (j *Job) Log(ctx context.Context, line string) (int64, error) { return 0, errTodo }

// UpdateData replaces the job's payload.
func (j *Job) UpdateData(ctx context.Context, data any) error { return errTodo }

// MoveToDelayed takes the running job out of the worker's hands until the given
// time. The handler must then return [ErrDelayed]. No attempt is spent.
func (j *Job) MoveToDelayed(ctx context.Context, until time.Time) error { return errTodo }

// MoveToWait hands the running job back to the front of the line. The handler
// must then return [ErrWaiting]. No attempt is spent.
func (j *Job) MoveToWait(ctx context.Context) error { return errTodo }

// MoveToWaitingChildren lets the running job wait for its children. It reports
// false when there is no unfinished child, and the handler goes on. When it reports
// true, the handler must return [ErrWaitingChildren]; it runs again from its
// start once the children have finished.
func (j *Job) MoveToWaitingChildren(ctx context.Context) (bool, error) { return false, errTodo }

// ChildrenValues returns what the job's completed children returned, by the
// children's full keys (prefix:queue:id).
func (j *Job) ChildrenValues(ctx context.Context) (map[string]json.RawMessage, error) {
	return nil, errTodo
}

// IgnoredChildrenFailures returns the reasons of failed children whose
// failure mode is IgnoreDependency or ContinueParent, by the children's full keys.
func (j *Job) IgnoredChildrenFailures(ctx context.Context) (map[string]string, error) {
	return nil, errTodo
}

// RefundRateLimit gives back the one start that this activation took from the queue's
// limiter window, for a run that did no limited work. It does nothing when the
// window is over or the queue has no limiter. BullMQ has no such call.
func (j *Job) RefundRateLimit(ctx context.Context) error { return errTodo }
