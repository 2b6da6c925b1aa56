package bullmq

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

var errTodo = errors.New("bullmq: not there yet")

// QueueOptions are the settings of a queue. The zero value works.
type QueueOptions struct {
	// Prefix is the first part of every key; empty means "bull". In Redis
	// Cluster it must hold a hash tag, such as "{bull}".
	Prefix string
	// DefaultJobOptions fill the zero fields of every added job's options. ID
	// and Parent are not inherited.
	DefaultJobOptions JobOptions
	// MaxEvents is the approximate length of the events stream, set when
	// the queue has none of its own yet; 0 means 10,000.
	MaxEvents int64
	// Pause says where jobs wait while the queue is paused.
	Pause PauseMode
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
}

// PauseMode says where jobs wait while a queue is paused, which is the one
// thing that BullMQ's majors do differently.
type PauseMode int

// The pause modes. PauseAuto follows the version that the queue's Node
// programs have noted in Redis, and means PauseInPlace when there is none.
const (
	PauseAuto    PauseMode = iota
	PauseInPlace           // BullMQ 6: jobs stay in the wait list
	PauseMoves             // BullMQ 5: jobs are moved to a list named paused
)

// Queue adds jobs to a queue, reads and manages it. It holds no connection of
// its own and is safe for concurrent use.
type Queue struct {
	rdb redis.UniversalClient
}

// NewQueue returns the queue of that name. Nothing is sent to Redis. The client
// stays the caller's, who closes it.
func NewQueue(rdb redis.UniversalClient, name string, opts QueueOptions) (*Queue, error) {
	return nil, errTodo
}

// Name is the queue's name without prefix.
func (q *Queue) Name() string { return "" }

// QualifiedName is prefix:name, by which a [ParentRef] names the queue.
func (q *Queue) QualifiedName() string { return "" }

// Close releases what the queue holds. It leaves the Redis client open.
func (q *Queue) Close() error { return nil }

// Add adds a job. data is anything that encodes to JSON; a json.RawMessage is
// stored as it is, nil becomes {}. If the id is taken, the job that has it stays as
// it is and the returned Job has its id only.
func (q *Queue) Add(ctx context.Context, name string, data any, opts JobOptions) (*Job, error) {
	return nil, errTodo
}

// AddBulk adds jobs in one pipeline: one round trip, not one transaction. If
// some fail, the error joins theirs and the jobs returned have nil in their
// places.
func (q *Queue) AddBulk(ctx context.Context, specs []JobSpec) ([]*Job, error) { return nil, errTodo }

// Job reads a job; an unknown id is [ErrJobNotFound].
func (q *Queue) Job(ctx context.Context, id string) (*Job, error) { return nil, errTodo }

// State tells where a job stands, StateUnknown if nowhere.
func (q *Queue) State(ctx context.Context, id string) (State, error) { return "", errTodo }

// Counts counts jobs by state; none given means all but StatePaused.
// StateWaiting includes jobs that BullMQ 5 put into its paused list.
func (q *Queue) Counts(ctx context.Context, states ...State) (map[State]int64, error) {
	return nil, errTodo
}

// Jobs reads jobs of the given states from position start to end (inclusive, -1
// is the last) of each, newest first or, with asc, oldest first.
func (q *Queue) Jobs(ctx context.Context, states []State, start, end int64, asc bool) ([]*Job, error) {
	return nil, errTodo
}

// Logs returns a job's log lines from start to end (inclusive, -1 is the
// last), oldest first if asc, and how many there are.
func (q *Queue) Logs(ctx context.Context, id string, start, end int64, asc bool) ([]string, int64, error) {
	return nil, 0, errTodo
}

// RemoveOptions say how far a removal goes.
type RemoveOptions struct {
	Children bool // also remove the job's children, theirs and so on
}

// Remove deletes a job in whatever state. It is [ErrJobLocked] if a worker runs it, and
// no error if it does not exist. A parent that waited for this job alone is released.
func (q *Queue) Remove(ctx context.Context, id string, opts RemoveOptions) error { return errTodo }

// RetryOptions say how a finished job is retried.
type RetryOptions struct {
	ResetAttempts bool // start counting attempts from 0
}

// Retry puts a failed or completed job back in line.
func (q *Queue) Retry(ctx context.Context, id string, opts RetryOptions) error { return errTodo }

// Promote makes a delayed job run now.
func (q *Queue) Promote(ctx context.Context, id string) error { return errTodo }

// Pause stops all workers of the queue from taking jobs. Jobs being run go on.
func (q *Queue) Pause(ctx context.Context) error { return errTodo }

// Resume ends a pause.
func (q *Queue) Resume(ctx context.Context) error { return errTodo }

// IsPaused tells whether the queue is paused.
func (q *Queue) IsPaused(ctx context.Context) (bool, error) { return false, errTodo }

// RateLimit keeps workers that have a limiter from taking jobs for d. A handler
// that hit a limit calls it and returns [ErrRateLimited].
func (q *Queue) RateLimit(ctx context.Context, d time.Duration) error { return errTodo }

// RateLimitTTL tells how long the queue's limit is still in force, 0 if it is not.
func (q *Queue) RateLimitTTL(ctx context.Context) (time.Duration, error) { return 0, errTodo }

// ClearRateLimit ends a limit before its time.
func (q *Queue) ClearRateLimit(ctx context.Context) error { return errTodo }

// SetGlobalRateLimit lets all workers together start at most max jobs per duration; max 0
// removes the limit.
func (q *Queue) SetGlobalRateLimit(ctx context.Context, max int, per time.Duration) error {
	return errTodo
}

// SetGlobalConcurrency lets all workers together run at most n jobs at a time; 0 removes the limit.
func (q *Queue) SetGlobalConcurrency(ctx context.Context, n int) error { return errTodo }

// Clean removes up to limit jobs (0 means all) of one state that are older
// than grace, and returns their ids.
func (q *Queue) Clean(ctx context.Context, state State, grace time.Duration, limit int) ([]string, error) {
	return nil, errTodo
}

// Drain removes all waiting and prioritized jobs, and delayed ones if asked.
func (q *Queue) Drain(ctx context.Context, delayed bool) error { return errTodo }

// ObliterateOptions say how far an obliteration goes.
type ObliterateOptions struct {
	Force bool // also when jobs are being run
}

// Obliterate pauses the queue and deletes all of it.
func (q *Queue) Obliterate(ctx context.Context, opts ObliterateOptions) error { return errTodo }

// RetryJobs puts all jobs that failed (or completed) before a time, zero meaning now, back in line.
func (q *Queue) RetryJobs(ctx context.Context, state State, before time.Time) error { return errTodo }

// PromoteJobs makes all delayed jobs run now.
func (q *Queue) PromoteJobs(ctx context.Context) error { return errTodo }
