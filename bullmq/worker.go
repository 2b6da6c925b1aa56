package bullmq

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Handler does a job. What it returns is encoded as JSON and stored; an error
// makes the job fail, to be retried as its options say, unless it is one of [DelayUntil],
// [Requeue], [Throttled], [WaitForChildren] and [WaitForChild]. ctx ends when the job's
// lock is lost (cause [ErrLockLost]), when the job is cancelled (cause [ErrCancelled]),
// or when the worker was stopped and its grace time is over (cause [ErrShutdown]). A panic is an error.
type Handler func(ctx context.Context, job *Job) (result any, err error)

// BackoffFunc computes the wait before the next attempt. attempt is the number
// of the attempt that just failed, from 1. A result of 0 retries at once, a
// negative one fails the job for good.
type BackoffFunc func(attempt int, b Backoff, err error, job *Job) time.Duration

// Limiter lets all workers of a queue together start at most Max jobs per Duration.
type Limiter struct {
	Max      int           // how many jobs, at least one
	Duration time.Duration // of a window, which begins with its first job; at least a millisecond
}

// WorkerOptions are the settings of a worker. The zero value works.
type WorkerOptions struct {
	// Prefix is that of the queue; empty means "bull".
	Prefix string
	// Name tells workers apart in lists and in Job.ProcessedBy. It is printable ASCII
	// without spaces. A prefix that is not leaves the worker out of [Queue.Workers].
	Name string
	// Concurrency is how many jobs run at a time; 0 means 1. [Worker.SetConcurrency] changes it.
	Concurrency int
	// LockDuration is how long a job stays a lost worker's, at least 8 ms; locks are
	// renewed well before. 0 means 30 s.
	LockDuration time.Duration
	// LockRenewal is how old a lock may get before it is renewed, from 2 ms to
	// LockDuration: the worker looks twice in that time. It is BullMQ's lockRenewTime. 0
	// means half of LockDuration.
	LockRenewal time.Duration
	// StalledInterval is how often jobs of lost workers are looked for, by all workers of
	// the queue together; 0 means 30 s.
	StalledInterval time.Duration
	// MaxStalledCount is how often a job may lose its worker before it is
	// failed; 0 means once, negative never.
	MaxStalledCount int
	// FailOnFirstStall fails a job when it has lost its first worker, as BullMQ's
	// maxStalledCount 0 does: a job whose handler may have run is not run again.
	// It excludes MaxStalledCount.
	FailOnFirstStall bool
	// MaxStartedAttempts fails a job that was activated more often; 0 means no limit.
	MaxStartedAttempts int
	// DrainDelay is how long an idle worker sleeps between looks if nothing
	// wakes it, and so how long a broken connection may go unnoticed, from 2 ms to 24 h;
	// 0 means 5 s.
	DrainDelay time.Duration
	// Limiter, if set, limits how many jobs are started, counted together with those of
	// other workers that have one.
	Limiter *Limiter
	// HeedRateLimit lets a worker without a Limiter keep to limits set by [Queue.RateLimit]
	// or [Throttled] too. In BullMQ only workers with a limiter do. What it starts is not counted.
	HeedRateLimit bool
	// MaxRateLimitDelay caps one rest for a rate limit; 0 means 30 s.
	MaxRateLimitDelay time.Duration
	// Backoffs are strategies by name, for jobs whose Backoff.Type names one.
	Backoffs map[string]BackoffFunc
	// Backoff is the strategy for every other type that is neither "fixed" nor
	// "exponential", as BullMQ's settings.backoffStrategy is; nil fails such jobs.
	Backoff BackoffFunc
	// Repeat computes the runs of schedulers with a Pattern; nil takes them for cron patterns.
	Repeat RepeatFunc
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
	// Tracer follows jobs that are run; nil for none.
	Tracer Tracer
	// MetricsPoints, if positive, makes the worker count finished jobs by the
	// minute, as BullMQ's dashboards read them, and is how many minutes are kept.
	MetricsPoints int
	// Hooks are called as things happen.
	Hooks WorkerHooks
}

// WorkerHooks are called from the worker's goroutines as things happen, after
// they are stored. They must be quick and safe for concurrent use; nil ones are skipped.
type WorkerHooks struct {
	OnReady     func()                                        // Run has reached Redis for the first time
	OnActive    func(job *Job)                                // a job was started; it is about to be run, or to fail unrun
	OnCompleted func(job *Job)                                // a job has completed
	OnFailed    func(job *Job, err error)                     // a job has failed for good
	OnRetry     func(job *Job, err error, wait time.Duration) // an attempt failed, another will follow
	OnDrained   func()                                        // a look for jobs found none: once after each job that was started, and at first
	OnStalled   func(id string)                               // a lost worker's job was put back
	OnError     func(err error)                               // what belongs to no job, or a job's outcome that could not be stored
	OnLost      func(err error)                               // Redis went away
	OnRecovered func()                                        // Redis is back
}

// Worker runs jobs of one queue.
type Worker struct {
	q       *Queue
	handler Handler
	opts    WorkerOptions
	log     *slog.Logger
	id      string
	seq     atomic.Int64 // of lock tokens
	started atomic.Bool

	hand   hand
	pace   pace
	slots  slots
	health health
}

// NewWorker returns a worker that is not running yet. The client stays the
// caller's and must stay open until Run has returned. It must be a
// *redis.Client (also one for Sentinel) or a *redis.ClusterClient; the worker
// opens one connection of its own beside it while it runs.
func NewWorker(rdb redis.UniversalClient, queue string, h Handler, opts WorkerOptions) (*Worker, error) {
	if h == nil {
		return nil, invalid("no handler")
	}
	switch rdb.(type) {
	case *redis.Client, *redis.ClusterClient:
	default:
		return nil, invalid("a worker needs a *redis.Client or a *redis.ClusterClient, not a %T", rdb)
	}
	q, err := NewQueue(rdb, queue, QueueOptions{Prefix: opts.Prefix, Pause: opts.Pause, Clock: opts.Clock})
	if err != nil {
		return nil, err
	}
	if err := opts.validate(); err != nil {
		return nil, err
	}
	opts.setDefaults()
	w := &Worker{q: q, handler: h, opts: opts, log: opts.Logger.With("queue", queue), id: randomID()}
	w.hand.init()
	w.slots.init(opts.Concurrency)
	w.health.init(w)
	return w, nil
}

const defaultLockDuration = 30 * time.Second

func (o *WorkerOptions) validate() error {
	switch {
	case !isPrintable(o.Name):
		return invalid("worker name %q: printable ASCII without spaces, as Redis names connections", o.Name)
	case o.Concurrency < 0:
		return invalid("Concurrency %d is negative", o.Concurrency)
	case o.LockDuration < 0 || (o.LockDuration > 0 && o.LockDuration < 8*time.Millisecond):
		return invalid("LockDuration %v is shorter than 8ms", o.LockDuration)
	case o.LockRenewal < 0 || (o.LockRenewal > 0 && o.LockRenewal < 2*time.Millisecond) || o.LockRenewal > cmp.Or(o.LockDuration, defaultLockDuration):
		return invalid("LockRenewal %v is not within 2ms and LockDuration", o.LockRenewal)
	case o.StalledInterval < 0 || (o.StalledInterval > 0 && o.StalledInterval < time.Millisecond):
		return invalid("StalledInterval %v is shorter than a millisecond", o.StalledInterval)
	case o.DrainDelay < 0 || (o.DrainDelay > 0 && o.DrainDelay < minBlock) || o.DrainDelay > maxBlock:
		return invalid("DrainDelay %v is not within %v and %v", o.DrainDelay, minBlock, maxBlock)
	case o.MaxRateLimitDelay < 0:
		return invalid("MaxRateLimitDelay %v is negative", o.MaxRateLimitDelay)
	case o.FailOnFirstStall && o.MaxStalledCount != 0:
		return invalid("FailOnFirstStall and MaxStalledCount %d exclude one another", o.MaxStalledCount)
	case o.MaxStartedAttempts < 0:
		return invalid("MaxStartedAttempts %d is negative", o.MaxStartedAttempts)
	case o.MetricsPoints < 0:
		return invalid("MetricsPoints %d is negative", o.MetricsPoints)
	case o.Limiter != nil && (o.Limiter.Max < 1 || o.Limiter.Duration < time.Millisecond):
		return invalid("Limiter %+v: at least one job per millisecond", *o.Limiter)
	}
	for name, f := range o.Backoffs {
		if f == nil || name == "" || name == backoffFixed || name == backoffExponential {
			return invalid("Backoffs[%q]: the name is empty or taken, or the function is nil", name)
		}
	}
	for _, k := range []*Keep{o.RemoveOnComplete, o.RemoveOnFail} {
		if err := k.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (o *WorkerOptions) setDefaults() {
	setDefault(&o.Concurrency, 1)
	setDefault(&o.LockDuration, defaultLockDuration)
	setDefault(&o.LockRenewal, o.LockDuration/2)
	setDefault(&o.StalledInterval, 30*time.Second)
	if !o.FailOnFirstStall {
		setDefault(&o.MaxStalledCount, 1)
	}
	setDefault(&o.DrainDelay, 5*time.Second)
	setDefault(&o.MaxRateLimitDelay, 30*time.Second)
	setDefault(&o.Grace, 30*time.Second)
	if o.MaxStalledCount < 0 {
		o.MaxStalledCount = 1 << 30
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// randomID is the worker's part of its lock tokens, never the same twice.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Queue returns the worker's queue.
func (w *Worker) Queue() *Queue { return w.q }

// ID is the worker's own id, the first part of its lock tokens.
func (w *Worker) ID() string { return w.id }

// clientName is the name of the connection on which the worker waits for jobs.
// A prefix that Redis does not allow there leaves it without one, and so unlisted.
func (w *Worker) clientName() string {
	if name := clientName(w.q.opts.Prefix, w.q.name, w.opts.Name); isPrintable(name) {
		return name
	}
	return ""
}

func (w *Worker) newToken() string { return w.id + ":" + formatInt(w.seq.Add(1)) }

// limiterArgs are the worker's own limit as scripts take it, empty for none. "heed" has the
// worker keep to limits that were set by hand.
func (w *Worker) limiterArgs() (maxJobs, duration string) {
	switch l := w.opts.Limiter; {
	case l != nil:
		return formatInt(int64(l.Max)), formatInt(l.Duration.Milliseconds())
	case w.opts.HeedRateLimit:
		return "heed", ""
	}
	return "", ""
}
