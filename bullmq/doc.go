// Package bullmq is a job queue on Redis that uses BullMQ's protocol. Queues, jobs and
// events can be shared with Node programs that use BullMQ 5 or 6, at the same time, and
// with the dashboards made for them. It needs Redis 6.2 or later, standalone, behind
// Sentinel or as a Cluster.
//
// # A first queue
//
// A [Queue] adds jobs and manages them. The payload is any value that encodes to JSON:
//
//	queue, err := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
//	job, err := queue.Add(ctx, "welcome", payload, bullmq.JobOptions{Attempts: 3})
//
// Create one Queue per queue name and share it between goroutines. It opens no connection
// and no goroutine of its own, except while [Queue.Events] or [Queue.WaitUntilFinished] is
// in use. Before its first change it asks the server for its version, and refuses a server
// that is too old.
//
// [JobOptions] set when and in which order a job runs (Delay, Priority, LIFO), how many
// attempts it has (Attempts, Backoff) and how long it is kept. [Job.ChangeDelay],
// [Job.ChangePriority], [Job.UpdateData], [Queue.Promote], [Queue.Retry] and
// [Queue.Remove] change a job afterwards. [Queue.RetryJobs], [Queue.PromoteJobs],
// [Queue.Clean], [Queue.Drain] and [Queue.Obliterate] change many. [Queue.Pause] stops
// workers from starting jobs until [Queue.Resume].
//
// A job added with a caller-supplied ID is added at most once, however often the call is
// repeated. Without an ID, Redis assigns a number, and an Add whose connection broke may or
// may not have added its job: this package never sends a script twice on its own.
//
// # Workers
//
// A [Worker] runs a [Handler] for each job, several at a time. It stores the outcome of a
// job and starts the next job in one step. [Worker.Run] blocks until its context ends, then
// waits for the running handlers.
//
//	handle := func(ctx context.Context, job *bullmq.Job) (any, error) {
//		return nil, send(ctx, job.Name, job.Data)
//	}
//	worker, err := bullmq.NewWorker(rdb, "mails", handle, bullmq.WorkerOptions{Concurrency: 5})
//	err = worker.Run(ctx)
//
// [HandlerFor] makes a Handler of a function that takes the payload as a Go type;
// [AddTyped] adds such a payload. [Worker.Cancel] ends the context of a job's handler with
// a reason. A [Mux] runs a separate handler for each name of jobs.
//
// [Worker.Pause] stops one worker from starting jobs until [Worker.Resume], and
// [Worker.SetConcurrency] changes how many it runs at a time. Programs that run jobs
// themselves start them with [Worker.Fetch] and store their outcomes with [Worker.Settle].
//
// [WorkerOptions.Limiter], [Queue.SetGlobalRateLimit] and [Queue.SetGlobalConcurrency] limit
// how many jobs are started. [Queue.RateLimit] stops starts for a time, in workers that have
// a Limiter or set HeedRateLimit. [WorkerHooks] report what happens, such as OnDrained when no
// job is left. Handlers report with [Job.Log] and [Job.UpdateProgress].
//
// # Outcomes
//
// What a handler returns decides the outcome of the job:
//
//   - A result and no error completes the job. The result is stored as JSON.
//   - An error fails the attempt. The job is retried after its backoff as long as
//     Options.Attempts allows; then it has failed.
//   - [Unrecoverable] fails the job without a further attempt.
//   - [DelayUntil] runs the job again at a given time, [Requeue] as soon as possible,
//     [RequeueWithPriority] after others, [WaitForChildren] and [WaitForChild] when its
//     children have finished. [Throttled] reports a rate limit. None of them spends an
//     attempt.
//
// A job runs at least once, not exactly once. A handler can run twice for one job when its
// worker is killed, or when Redis loses its latest writes, so it must tolerate that.
//
// # Locks, lost workers and shutdown
//
// A worker locks each job that it runs and renews the lock. When the worker is killed or
// cut off from Redis, the lock expires, and a check by any worker of the queue puts the job
// back: after the rest of LockDuration and up to two StalledIntervals. A worker that has
// lost a lock while its handler runs cancels the handler's context with the cause
// [ErrLockLost] and stores nothing.
//
// When Run's context ends, handlers may continue for the grace time; [Stopping] tells them
// that it has begun. Then their contexts end with the cause [ErrShutdown], and jobs whose
// handlers return an error go to the front of the queue without spending an attempt.
//
// A worker continues through Redis outages. It reports the outage once, through its logger
// and OnLost, and keeps trying. When Redis is back, it stores outcomes and puts back
// jobs that Redis had started for it in replies that never arrived. It does the same while
// Redis loads its data, cannot save it, or has no memory left. An error that will not pass
// on its own, such as a missing permission or a key of another type, is reported through
// OnError at each attempt. The worker retries after 25 ms, then more slowly, up to every 2 s.
//
// # Parents, children and flows
//
// [AddFlow] adds a whole tree of jobs in one step, of any depth and over several queues.
// Each parent waits for its children, and reads what they returned with
// [Job.ChildrenValues]. Options.OnFailure of a child sets what its final failure means for
// the parent.
//
// A running job can also add children to itself, with a [ParentRef], in the same queue or
// another, and wait for them by returning [WaitForChildren]. It then runs again from its start.
//
// [Queue.Flow] reads a tree, [Job.Dependencies] the children of one job,
// [Queue.DependencyPage] a page of them.
//
// # Schedules
//
// [Queue.UpsertScheduler] adds jobs at an interval or by a cron pattern in a time zone:
//
//	_, err := queue.UpsertScheduler(ctx, "nightly", bullmq.Schedule{Pattern: "0 3 * * *", TZ: "Europe/Berlin"},
//		bullmq.JobTemplate{Name: "clean", Options: bullmq.JobOptions{Attempts: 3}})
//
// A worker, of this package or of BullMQ, adds the next job when it starts one. One job is
// pending at any time. A run whose time passed while no worker was running is not made up
// for. Zones are read from the machine, or from the program if it imports time/tzdata. With a
// [RepeatFunc], patterns may have another syntax.
//
// # Deduplication
//
// Options.Deduplication names what a job is about. While a job holds that id, other jobs
// with the id are dropped, replace it if it is still delayed, or run after it, as
// [Deduplication] sets.
//
// # Adding many jobs
//
// Goroutines that add to one [Queue] at the same time share calls to Redis, and so do the
// slots of a [Worker] that end jobs. Nobody waits to fill a batch: requests that arrive while
// a call is in flight are sent together with the next one. Use [Queue.AddBulk] for jobs that
// are known beforehand.
//
// # Reading a queue
//
// [Queue.Events] yields events, from now or after a given one, and [Queue.Publish] adds
// custom ones. [Queue.WaitUntilFinished] waits for the result of one job; a failed one is a
// [JobFailedError]. [Queue.Counts], [Queue.CountsPerPriority], [Queue.Metrics],
// [Queue.Workers] and [Queue.Meta] read the current state. [Queue.Jobs], [Queue.Schedulers]
// and [Queue.Logs] read pages of lists; [Queue.AllJobs] and [Queue.AllSchedulers] range over
// whole lists, however long.
// [Queue.CheckServer] reports whether the Redis server is suitable.
//
// # Traces
//
// A [Tracer] connects queues and workers with a tracing library. Jobs carry the W3C trace
// context in the form of BullMQ's own telemetry. Package bullmqotel implements it for
// OpenTelemetry:
//
//	tracer := bullmqotel.New(bullmqotel.Options{})
//	queue, err := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{Tracer: tracer})
//	worker, err := bullmq.NewWorker(rdb, "mails", handle, bullmq.WorkerOptions{Tracer: tracer})
//
// # Errors
//
//   - [ErrInvalid]: an argument was refused.
//   - [*ScriptError]: the state in Redis did not allow the change. Its Code is BullMQ's
//     number; errors.Is finds [ErrJobNotFound] and [ErrLockLost] in it.
//   - [ErrDamagedKey]: another program has overwritten a key of the queue with another type.
//   - [ErrServerTooOld] and [ErrNoPermission]: the server cannot make the change.
//   - [ErrUnavailable]: Redis cannot be reached or cannot serve at the moment; the same call
//     may succeed later, and callers need no list of Redis's own errors. [ErrServerReadOnly]
//     and [ErrServerFull] are cases of it.
//
// With each of these nothing was changed, unless a method's comment says otherwise. The
// exception is an ErrUnavailable whose connection broke: then the change may or may not have
// been made. A context that has ended is returned as its own error and is not
// ErrUnavailable. Any other error comes from Redis, wrapped.
//
// # Time, numbers and text
//
// Times are UTC in milliseconds, taken from the caller's clock, not from Redis: the clocks of
// a queue's producers and workers should agree within some hundred milliseconds. Durations
// are stored in whole milliseconds, rounded down. Times end with the year 9999, and counts at
// 2⁵³−1, the largest whole number of Node. Jobs that are due in the same millisecond keep
// their order up to September 2039.
//
// Ids, names and JSON are UTF-8. Ids that other parts of the protocol would confuse with
// keys, such as "meta" or "x:logs", are refused with [ErrInvalid] before anything is
// written, also where a job is read, removed, retried or promoted.
//
// # Concurrency and ownership
//
// A [Queue] and a [Worker] are safe for concurrent use. A [Job] is not, except for
// [Job.Log] and [Job.UpdateProgress]. Arguments belong to the package until the call returns,
// and options of a Queue or Worker from then on. Results belong to the caller. The caller
// closes its Redis clients. Only this package creates jobs: the methods of a Job that a
// program has made itself panic, and so does a nil context.
package bullmq
