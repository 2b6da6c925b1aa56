package bullmq

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// Handler does a job. What it returns is encoded as JSON and stored; an error
// makes the job fail, to be retried as its options say. ctx ends when the job's
// lock is lost (cause [ErrLockLost]) or when the worker was stopped and its
// grace time is over (cause [ErrShutdown]). A panic is an error.
type Handler func(ctx context.Context, job *Job) (result any, err error)

// BackoffFunc computes the wait before the next attempt. attempt is the number
// of the attempt that just failed, from 1. A result of 0 retries at once, a
// negative one fails the job for good.
type BackoffFunc func(attempt int, b Backoff, err error, job *Job) time.Duration

// Limiter lets all workers of a queue together start at most Max jobs per Duration.
type Limiter struct {
	Max      int
	Duration time.Duration
}

// WorkerOptions are the settings of a worker. The zero value works.
type WorkerOptions struct {
	// Prefix is that of the queue; empty means "bull".
	Prefix string
	// Name tells workers apart in lists and in Job.ProcessedBy.
	Name string
	// Concurrency is how many jobs run at a time; 0 means 1.
	Concurrency int
	// LockDuration is how long a job stays a lost worker's; locks are renewed
	// well before. 0 means 30 s.
	LockDuration time.Duration
	// StalledInterval is how often jobs of lost workers are looked for; 0 means 30 s.
	StalledInterval time.Duration
	// MaxStalledCount is how often a job may lose its worker before it is
	// failed; 0 means once, negative never.
	MaxStalledCount int
	// MaxStartedAttempts fails a job that was activated more often; 0 means no limit.
	MaxStartedAttempts int
	// DrainDelay is how long an idle worker sleeps between looks if nothing
	// wakes it; 0 means 5 s.
	DrainDelay time.Duration
	// Limiter, if set, limits how many jobs are started.
	Limiter *Limiter
	// MaxRateLimitDelay caps one rest for a rate limit; 0 means 30 s.
	MaxRateLimitDelay time.Duration
	// Backoffs are strategies by name, for jobs whose Backoff.Type names one.
	Backoffs map[string]BackoffFunc
	// RemoveOnComplete and RemoveOnFail are for jobs that do not say themselves.
	RemoveOnComplete, RemoveOnFail *Keep
	// Grace is how long handlers may go on after Run's context has ended before
	// their contexts are cancelled; 0 means 30 s, negative not at all.
	Grace time.Duration
	// Pause is as in QueueOptions.
	Pause PauseMode
	// Logger gets what has no other way out; nil discards.
	Logger *slog.Logger
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
	// Hooks are called as things happen.
	Hooks WorkerHooks
}

// WorkerHooks are called from the worker's goroutines as things happen, after
// they are stored. They must be quick and safe for concurrent use; nil ones are skipped.
type WorkerHooks struct {
	OnReady     func()                                        // Run has reached Redis for the first time
	OnActive    func(job *Job)                                // a job is about to be run
	OnCompleted func(job *Job)                                // a job has completed
	OnFailed    func(job *Job, err error)                     // a job has failed for good
	OnRetry     func(job *Job, err error, wait time.Duration) // an attempt failed, another will follow
	OnStalled   func(id string)                               // a lost worker's job was put back
	OnError     func(err error)                               // what belongs to no job, or a job's outcome that could not be stored
	OnLost      func(err error)                               // Redis went away
	OnRecovered func()                                        // Redis is back
}

// Worker runs jobs of one queue.
type Worker struct{}

// NewWorker returns a worker that is not running yet. The client stays the
// caller's and must stay open until Run has returned. It must be a
// *redis.Client (also one for Sentinel) or a *redis.ClusterClient.
func NewWorker(rdb redis.UniversalClient, queue string, h Handler, opts WorkerOptions) (*Worker, error) {
	return nil, errTodo
}

// Run takes and runs jobs until ctx ends, then waits for those in hand. After
// the grace time their contexts are cancelled; a job whose handler then returns an
// error goes back to the front of the line without spending an attempt. Run
// returns nil once everything it started has stopped. It rides out a Redis that is
// away. A worker runs once.
func (w *Worker) Run(ctx context.Context) error { return errTodo }

// Queue returns the worker's queue.
func (w *Worker) Queue() *Queue { return nil }

// ID is the worker's own id, the first part of its lock tokens.
func (w *Worker) ID() string { return "" }
