// Package bullmq is a job queue on Redis that speaks BullMQ's protocol: queues,
// jobs and events can be shared with Node programs that use BullMQ 5 or 6, and
// are read by the dashboards made for them. It needs Redis 6.2 or later, alone,
// behind Sentinel or as a Cluster.
//
// # Queues
//
// A [Queue] adds jobs and looks after them. It holds no connection and no
// goroutine: make one where it is needed.
//
//	queue, err := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
//	job, err := queue.Add(ctx, "welcome", payload, bullmq.JobOptions{Attempts: 3})
//
// What is added with an ID of one's own is added once, however often that is
// tried. Without one, Redis draws a number, and an Add whose connection broke may
// or may not have added its job: nothing here sends a script twice by itself.
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
// that Redis started for it in replies that never came.
//
// # Parents, children and flows
//
// A job with a [ParentRef] is a child, in the same queue or another. A running
// job can add children to itself and wait for them; then it runs again from its
// start and reads what they returned with [Job.ChildrenValues]. [AddFlow] adds a
// whole tree in one step, of any depth and over several queues: its parents wait
// from the start. Options.OnFailure of a child says what its final failure means for
// the parent. [Queue.Flow] reads a tree, [Job.Dependencies] the children of one job.
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
// [Queue.Publish] adds events of one's own. [Queue.Counts], [Queue.CountsPerPriority],
// [Queue.Metrics], [Queue.Workers], [Queue.Schedulers] and [Queue.Meta] say how things
// stand; [Queue.CheckServer], whether the Redis is one to rely on.
//
// # Time and identity
//
// All times are UTC in milliseconds, taken from the caller's clock, not Redis's:
// clocks of producers and workers of a queue should agree within some hundred
// milliseconds. Ids that other parts of the protocol could take for something
// else are refused with [ErrInvalid] before anything is written.
//
// # Errors
//
// [ErrInvalid] is a refused argument; [*ScriptError] a change that the state in
// Redis did not allow, with BullMQ's own number in its Code, also found as
// [ErrJobNotFound] or [ErrLockLost] by errors.Is. Anything else is what Redis or
// the network said, wrapped.
package bullmq
