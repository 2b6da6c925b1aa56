package bullmq

import (
	"encoding/json"
	"sync"
	"time"
)

// State is where a job stands.
type State string

// The states of a job.
const (
	StateWaiting         State = "waiting"          // in line
	StateActive          State = "active"           // a worker runs it, or has been lost with it
	StateDelayed         State = "delayed"          // until its time comes
	StatePrioritized     State = "prioritized"      // in line behind those without a priority
	StateWaitingChildren State = "waiting-children" // until its children have finished
	StateCompleted       State = "completed"        // has a result
	StateFailed          State = "failed"           // for good, unless it is retried
	// StatePaused is only a list that BullMQ 5 moves waiting jobs to while a queue is
	// paused: [Queue.State] says StateWaiting for them.
	StatePaused  State = "paused"
	StateUnknown State = "unknown" // nowhere
)

// Job is a job as it was when it was read, added or activated. Its fields are a
// copy: methods that change the job in Redis also change the field they are
// about, nothing else keeps the copy fresh. A handler owns its Job; a Job is not
// for concurrent use, save for Log and UpdateProgress.
type Job struct {
	ID   string // unique in its queue
	Name string // what kind of job it is
	// Data is the payload, a JSON value, unless another program has stored something else.
	Data json.RawMessage
	// Options are as they were stored when the job was added.
	Options JobOptions
	// Delay is what is in force now; Options has what was asked for.
	Delay time.Duration
	// Priority is what is in force now; Options has what was asked for.
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

	// Existed is set by Queue.Add when a job of that id was already there, or one
	// that stands for this one (then DeduplicationID is set). Only ID is set besides.
	Existed bool

	rawOptions string // as stored

	q     *Queue
	token string // the lock's, while a handler runs the job
	w     *Worker
	mu    sync.Mutex // guards Progress against concurrent UpdateProgress
}

// Queue returns the queue that the job belongs to.
func (j *Job) Queue() *Queue { return j.q }

// Attempt is the number of the attempt being made, from 1.
func (j *Job) Attempt() int { return j.AttemptsMade + 1 }
