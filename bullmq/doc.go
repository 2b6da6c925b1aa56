// Package bullmq is a job queue on Redis that speaks BullMQ's protocol: queues,
// jobs and events can be shared with Node programs that use BullMQ 5 or 6, and
// are read by the dashboards made for them. It needs Redis 6.2 or later, alone,
// behind Sentinel or as a Cluster.
//
// # Queues
//
// A [Queue] adds jobs and looks after them. It holds no connection and no
// goroutine, except while a call waits for a job to finish, and may be used by many at a time: keep one for each queue. Before its first
// change it asks the server for its version, and refuses one that is too old.
//
//	queue, err := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
//	job, err := queue.Add(ctx, "welcome", payload, bullmq.JobOptions{Attempts: 3})
//
// What is added with an ID of one's own is added once, however often that is
// tried. Without one, Redis draws a number, and an Add whose connection broke may
// or may not have added its job: nothing here sends a script twice by itself.
//
// [JobOptions] say when and in which order a job runs (Delay, Priority, LIFO), how often it
// is tried (Attempts, Backoff) and how long it is kept. [Job.ChangeDelay],
// [Job.ChangePriority], [Job.UpdateData], [Queue.Promote], [Queue.Retry] and [Queue.Remove]
// change it afterwards; [Queue.RetryJobs], [Queue.PromoteJobs], [Queue.Clean], [Queue.Drain]
// and [Queue.Obliterate] do it to many. [Queue.Pause] holds the line.
//
// # Workers
//
// A [Worker] runs a [Handler] for each job, several at a time, and stores the
// outcome and starts the next job in one step. [Worker.Run] blocks until its
// context ends, then waits for the handlers in hand.
//
//	worker, err := bullmq.NewWorker(rdb, "mails", handle, bullmq.WorkerOptions{Concurrency: 5})
//	err = worker.Run(ctx)
//
// What a handler returns decides:
//
//   - a result and no error completes the job; the result is stored as JSON;
//   - an error fails the attempt. While Options.Attempts allows, the job is tried
//     again after its backoff; then it is failed;
//   - [Unrecoverable] fails it at once;
//   - [ErrDelayed], [ErrWaiting] and [ErrWaitingChildren] say that the handler has
//     moved the job by [Job.MoveToDelayed], [Job.MoveToWait] or
//     [Job.MoveToWaitingChildren]; [ErrRateLimited], that it met a limit announced
//     by [Queue.RateLimit]. None of them spends an attempt.
//
// A handler must be ready to run more than once for one job. That happens when a
// worker is lost in the middle of it, or when Redis forgets what it was told
// last: a job is run at least once, not exactly once.
//
// [WorkerOptions.Limiter], [Queue.SetGlobalRateLimit] and [Queue.SetGlobalConcurrency] bound
// how much is started. [WorkerHooks] tell what happens (OnDrained, that no job is left), [Job.Log] and [Job.UpdateProgress]
// let a handler tell it.
//
// # Locks, lost workers and shutdown
//
// A job being run is locked by its worker, which renews the lock. When the worker
// is lost, the lock runs out and the next check of any worker of the queue puts
// the job back in line: after the rest of LockDuration and up to two
// StalledIntervals. A worker that lost its lock while it still runs cancels the
// handler's context with the cause [ErrLockLost] and stores nothing.
//
// When Run's context ends, handlers may go on for the grace time. Then their
// contexts end with the cause [ErrShutdown], and jobs whose handlers return an error
// go back to the front of the line as if they had not been tried.
//
// A worker rides out a Redis that is away: it tells so once through its logger and
// OnLost, keeps trying, stores outcomes when it is back, and puts jobs back in line
// that Redis started for it in replies that never came. So it does while Redis loads its
// data, cannot save them or has no memory left. What Redis refuses for other reasons, such
// as a lack of permission or a key of another type, it reports through OnError, each time
// it tries, and it goes on trying: after 25 ms, then ever later, up to every 2 s.
//
// # Parents, children and flows
//
// A job with a [ParentRef] is a child, in the same queue or another. A running
// job can add children to itself and wait for them; then it runs again from its
// start and reads what they returned with [Job.ChildrenValues]. [AddFlow] adds a
// whole tree in one step, of any depth and over several queues: its parents wait
// from the start. Options.OnFailure of a child says what its final failure means for
// the parent. [Queue.Flow] reads a tree, [Job.Dependencies] the children of one job,
// [Queue.DependencyPage] a page of them.
//
// # Typed payloads, cancelling and traces
//
// [HandlerFor] makes a Handler of a function that takes the payload as a type,
// [AddTyped] adds one. [Worker.Cancel] ends the context of a job's handler with a
// reason. A [Tracer] connects queues and workers with a tracing library: jobs carry
// the W3C trace context as BullMQ's own telemetry writes it. Package bullmqotel has
// the one for OpenTelemetry:
//
//	tracer := bullmqotel.New(bullmqotel.Options{})
//	queue, err := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{Tracer: tracer})
//	worker, err := bullmq.NewWorker(rdb, "mails", handle, bullmq.WorkerOptions{Tracer: tracer})
//
// # Many jobs at a time
//
// Goroutines that add to one [Queue] at the same time share calls to Redis, and so do
// the slots of a [Worker] that end jobs. Nobody waits for company: what comes in
// while a call is under way goes out with the next. So keep one Queue for a queue
// and use it everywhere. Where jobs are known beforehand, [Queue.AddBulk] sends them together.
//
// # Deduplication and schedules
//
// Options.Deduplication names what a job is about: while a job holds that id, others
// with it are dropped, replace it if it is still delayed, or follow it, as the
// [Deduplication] says.
//
// [Queue.UpsertScheduler] adds jobs at an interval or by a cron pattern in a time
// zone. Each job adds the one that follows when a worker, of this package or
// of BullMQ, starts it: at any time one is pending, and a run whose time has passed
// while no worker was there is not made up for.
//
//	_, err := queue.UpsertScheduler(ctx, "nightly", bullmq.Schedule{Pattern: "0 3 * * *", TZ: "Europe/Berlin"},
//		bullmq.JobTemplate{Name: "clean", Options: bullmq.JobOptions{Attempts: 3}})
//
// Zones are read from the machine, or from the program if it imports time/tzdata.
//
// # Looking at a queue
//
// [Queue.Events] yields what happens, from now or from an event on, and
// [Queue.Publish] adds events of one's own. [Queue.WaitUntilFinished] waits for the result
// of one job, [JobFailedError] says that it failed. [Queue.Counts], [Queue.CountsPerPriority],
// [Queue.Metrics], [Queue.Workers], [Queue.Schedulers] and [Queue.Meta] say how things
// stand; [Queue.CheckServer], whether the Redis is one to rely on.
//
// # Time, numbers and identity
//
// All times are UTC in milliseconds, taken from the caller's clock, not Redis's:
// clocks of producers and workers of a queue should agree within some hundred
// milliseconds. Durations are stored in whole milliseconds, what is left over is cut off.
// Times end with the year 9999, and counts at 2⁵³−1, the largest whole number of Node.
// Jobs that are due in the same millisecond keep their order up to September 2039.
//
// Ids, names and JSON are UTF-8. Ids that other parts of the protocol could take for
// something else, such as "meta" or "x:logs", are refused with [ErrInvalid] before anything
// is written, also where a job is read, removed, retried or promoted.
//
// # Use from several goroutines
//
// A [Queue] and a [Worker] are safe for concurrent use, a [Job] is not, save for [Job.Log]
// and [Job.UpdateProgress]. What is passed in belongs to the package until the call
// returns, options of a Queue or Worker for ever; what is returned is the caller's. Clients
// of Redis stay the caller's, who closes them. A Job comes from this package: one that a
// program has made by itself has no queue, and its methods panic, as they do for a nil
// context.
//
// # Errors
//
// [ErrInvalid] is a refused argument; [*ScriptError] a change that the state in
// Redis did not allow, with BullMQ's own number in its Code, also found as
// [ErrJobNotFound] or [ErrLockLost] by errors.Is. [ErrServerTooOld], [ErrServerReadOnly],
// [ErrServerFull] and [ErrNoPermission] are servers that cannot do it. With each of these
// nothing was changed, unless a method says otherwise. A context that has ended is its own
// error. Anything else is what Redis or the network said, wrapped, and then a change may
// have been made or not.
package bullmq
