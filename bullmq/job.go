package bullmq

import (
	"encoding/json"
	"sync"
	"time"
)

// State is the state of a job.
type State string

// The states of a job.
const (
	StateWaiting         State = "waiting"          // until a worker starts it
	StateActive          State = "active"           // a worker runs it, or was lost while running it
	StateDelayed         State = "delayed"          // until it is due
	StatePrioritized     State = "prioritized"      // waiting, after all jobs without a priority
	StateWaitingChildren State = "waiting-children" // until its children have finished
	StateCompleted       State = "completed"        // has a result
	StateFailed          State = "failed"           // no attempt is left; [Queue.Retry] gives it another
	// StatePaused is only a list to which BullMQ 5 moves waiting jobs while a queue is
	// paused. [Queue.State] returns StateWaiting for them.
	StatePaused  State = "paused"
	StateUnknown State = "unknown" // the job is in no list or set
)

// Job is a job as it was when it was read, added or started. Its fields are a copy: a
// method that changes the job in Redis also changes the field concerned, and nothing else
// updates the copy. A handler owns its Job. A Job is not safe for concurrent use, except
// for Log and UpdateProgress.
type Job struct {
	ID   string // unique in its queue
	Name string // the kind of job
	// Data is the payload, a JSON value unless another program has stored something else.
	Data json.RawMessage
	// Options are as they were stored when the job was added.
	Options JobOptions
	// Delay is the current delay. Options has the one that the job was added with.
	Delay time.Duration
	// Priority is the current priority. Options has the one that the job was added with.
	Priority int

	// Timestamp is when the job was created, ProcessedOn when it was last started,
	// FinishedOn when it completed or failed for the last time. They are UTC, in
	// milliseconds, and zero before that has happened.
	Timestamp, ProcessedOn, FinishedOn time.Time

	// AttemptsMade counts attempts that ended, AttemptsStarted all starts,
	// StalledCount the starts that ended because the worker was lost.
	AttemptsMade, AttemptsStarted, StalledCount int

	// Progress and ReturnValue are JSON values, nil for none.
	Progress, ReturnValue json.RawMessage
	// FailedReason is the error text of the latest failed attempt.
	FailedReason string
	// StackTrace has one entry for each failed attempt, oldest first.
	StackTrace []string
	// ParentKey is the full key of the parent job, prefix:queue:id, or empty.
	ParentKey string
	// ProcessedBy is the name of the last worker that started the job and has a name.
	ProcessedBy string
	// DeferredFailure is the reason with which the next worker will fail the job instead
	// of running it, empty for most jobs.
	DeferredFailure string
	// SchedulerID is the scheduler that made the job, DeduplicationID the id
	// under which it was deduplicated. Both are empty for most jobs.
	SchedulerID, DeduplicationID string

	// Existed is set by Queue.Add when the job was not added, because a job of that id
	// existed or another job holds its deduplication id (then DeduplicationID is set).
	// ID is the existing job's; no other field is set.
	Existed bool

	rawOptions string // as stored

	q     *Queue
	token string // of the lock, while a handler runs the job
	w     *Worker
	mu    sync.Mutex // guards Progress against concurrent UpdateProgress
}

// Queue returns the job's queue.
func (j *Job) Queue() *Queue { return j.q }

// Attempt returns the number of the current attempt, from 1.
func (j *Job) Attempt() int { return j.AttemptsMade + 1 }
