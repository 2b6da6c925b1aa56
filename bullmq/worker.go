package bullmq

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"schoolbell/bullmq/internal/fetch"
	"schoolbell/bullmq/internal/script"

	"github.com/redis/go-redis/v9"
)

// Handler runs a job. Its result is encoded as JSON and stored. An error fails the attempt,
// which is retried as the job's options set, unless the error is one of [DelayUntil],
// [Requeue], [Throttled], [WaitForChildren] and [WaitForChild]. A panic counts as an error.
//
// ctx ends when the job's lock is lost (cause [ErrLockLost]), when the job is cancelled
// (cause [ErrCancelled]), or when the worker was stopped and its grace time is over (cause
// [ErrShutdown]). The handler runs in the goroutine of a slot, at the same time as those of
// other jobs.
type Handler func(ctx context.Context, job *Job) (result any, err error)

// BackoffFunc computes the wait before the next attempt. attempt is the number of the attempt
// that just failed, from 1, and err its error. 0 retries at once. With a negative result the
// job has no further attempt. It must be safe for concurrent use.
type BackoffFunc func(attempt int, b Backoff, err error, job *Job) time.Duration

// WorkerOptions are the settings of a worker. The zero value works.
type WorkerOptions struct {
	// Prefix is the prefix of the queue, as in QueueOptions. Empty means "bull".
	Prefix string
	// Name identifies the worker in [Queue.Workers] and in Job.ProcessedBy. It must be
	// printable ASCII without spaces. With a Prefix that is not, [Queue.Workers] does not
	// list the worker.
	Name string
	// Concurrency is how many jobs run at a time. 0 means 1. [Worker.SetConcurrency] changes
	// it.
	Concurrency int
	// LockDuration is how long a job stays locked after its worker was lost, at least 8 ms.
	// The worker renews locks well before. 0 means 30 s.
	LockDuration time.Duration
	// LockRenewal is the age at which a lock is renewed, from 2 ms to LockDuration. The worker
	// checks twice in that time. It is BullMQ's lockRenewTime. 0 means half of LockDuration.
	LockRenewal time.Duration
	// StalledInterval is the time between two checks for jobs of lost workers, by all
	// workers of the queue together. 0 means 30 s.
	StalledInterval time.Duration
	// MaxStalledCount is how often a job may lose its worker and run again. At the next
	// loss it fails. 0 means once, a negative value any number of times.
	MaxStalledCount int
	// FailOnFirstStall fails a job when it loses its worker for the first time, as BullMQ's
	// maxStalledCount 0 does: a job whose handler may have run is not run again. It
	// excludes MaxStalledCount.
	FailOnFirstStall bool
	// MaxStartedAttempts fails a job that was started more often. 0 means no limit.
	MaxStartedAttempts int
	// DrainDelay is how long an idle worker sleeps between two fetches if nothing wakes it,
	// and so how long a broken connection may stay unnoticed, from 2 ms to 24 h. 0 means 5 s.
	DrainDelay time.Duration
	// Limiter, if set, limits how many jobs are started, counted together with those of
	// other workers that have one.
	Limiter *Limiter
	// HeedRateLimit makes a worker without a Limiter keep to limits set by [Queue.RateLimit]
	// and [Throttled]. In BullMQ only workers with a limiter do. The jobs that it starts are
	// not counted.
	HeedRateLimit bool
	// MaxRateLimitDelay is how long the worker waits for a rate limit at most before it asks
	// again. 0 means 30 s.
	MaxRateLimitDelay time.Duration
	// Backoffs are custom strategies by the name in a job's Backoff.Type.
	Backoffs map[string]BackoffFunc
	// Backoff is the strategy for all other types except "fixed" and "exponential", as
	// BullMQ's settings.backoffStrategy. Nil fails jobs with such a type.
	Backoff BackoffFunc
	// Repeat computes the runs of schedulers with a Pattern. Nil means cron patterns.
	Repeat RepeatFunc
	// RemoveOnComplete and RemoveOnFail apply to jobs whose options do not set them.
	RemoveOnComplete, RemoveOnFail *Keep
	// Grace is how long handlers may continue after Run's context has ended, before their
	// contexts are cancelled. 0 means 30 s, a negative value no time.
	Grace time.Duration
	// Pause sets where jobs wait while the queue is paused, as in QueueOptions.
	Pause PauseMode
	// Logger receives outages, lost jobs and errors that no caller receives. Nil discards
	// them.
	Logger *slog.Logger
	// Clock returns the current time. Nil means time.Now.
	Clock func() time.Time
	// Tracer traces the jobs that the worker runs. Nil means no traces.
	Tracer Tracer
	// MetricsPoints is for how many minutes the worker keeps counts of finished jobs, as
	// [Queue.Metrics] and BullMQ's dashboards read them. 0 means that it does not count.
	MetricsPoints int
	// Hooks are called when jobs start and end and when Redis becomes unavailable.
	Hooks WorkerHooks
}

// WorkerHooks are called from the worker's goroutines, after the change is stored in Redis.
// They must return quickly and be safe for concurrent use. Nil hooks are skipped.
type WorkerHooks struct {
	OnReady     func()                                        // Run has reached Redis for the first time
	OnActive    func(job *Job)                                // a job was started: its handler runs next, or it fails without being run
	OnCompleted func(job *Job)                                // a job has completed
	OnFailed    func(job *Job, err error)                     // a job has failed and has no attempt left
	OnRetry     func(job *Job, err error, wait time.Duration) // an attempt failed, the next one follows after wait
	OnDrained   func()                                        // a fetch found no job: the first one, and the first one after jobs were started
	OnStalled   func(id string)                               // a lost worker's job was put back
	OnError     func(err error)                               // an error that no caller receives, such as an outcome that could not be stored
	OnLost      func(err error)                               // Redis became unavailable
	OnRecovered func()                                        // Redis is available again
}

// Worker runs jobs of one queue. It is safe for concurrent use.
type Worker struct {
	q       *Queue
	handler Handler
	opts    WorkerOptions
	log     *slog.Logger
	id      string
	started atomic.Bool

	slots       fetch.Slots
	health      health
	current     atomic.Pointer[session] // the run, nil before and after it
	byHandState fetch.State             // of Fetch and Settle
}

// NewWorker returns a worker that is not running yet. Its only error is [ErrInvalid]. rdb must
// be a *redis.Client (also one for Sentinel) or a *redis.ClusterClient. The caller closes it,
// after Run has returned. While it runs, the worker opens one further connection.
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
	w.slots.Init(opts.Concurrency)
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
	case o.DrainDelay < 0 || (o.DrainDelay > 0 && o.DrainDelay < fetch.MinBlock) || o.DrainDelay > fetch.MaxBlock:
		return invalid("DrainDelay %v is not within %v and %v", o.DrainDelay, fetch.MinBlock, fetch.MaxBlock)
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

// randomID returns the worker's part of its lock tokens, never the same twice.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Queue returns the worker's queue.
func (w *Worker) Queue() *Queue { return w.q }

// ID returns the worker's random id, the first part of its lock tokens.
func (w *Worker) ID() string { return w.id }

// clientName returns the name of the connection on which the worker waits for jobs. It is
// empty, and the worker not listed, if the prefix is not allowed in such a name.
func (w *Worker) clientName() string {
	if name := clientName(w.q.opts.Prefix, w.q.name, w.opts.Name); isPrintable(name) {
		return name
	}
	return ""
}

// forScript describes the worker to scripts that start jobs.
func (w *Worker) forScript() script.Worker {
	described := script.Worker{Lock: w.opts.LockDuration.Milliseconds(), Name: w.opts.Name, Heed: w.opts.HeedRateLimit}
	if l := w.opts.Limiter; l != nil {
		described.Max, described.Duration = int64(l.Max), l.Duration.Milliseconds()
	}
	return described
}
