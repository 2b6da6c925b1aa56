package bullmq

import (
	"context"
	"math"
	"sync"
	"time"

	"schoolbell/bullmq/internal/combine"
)

// settleTime is how long, after handlers were cancelled at a shutdown, the
// worker still tries to store what became of their jobs.
const settleTime = 5 * time.Second

// Run takes and runs jobs until ctx ends, then waits for those in hand. After
// the grace time their contexts are cancelled; a job whose handler then returns
// an error goes back to the front of the line without spending an attempt. Run
// returns nil once everything it started has stopped; it waits for handlers
// however long they take. It rides out a Redis that is away, but not one that is too
// old ([ErrServerTooOld]). A worker runs once: a second Run is [ErrInvalid].
func (w *Worker) Run(ctx context.Context) error {
	if !w.started.CompareAndSwap(false, true) {
		return invalid("the worker has already been run")
	}
	if err := w.checkServer(ctx); err != nil {
		return err
	}
	lasting := context.WithoutCancel(ctx)
	work, stopWork := context.WithCancelCause(context.WithValue(lasting, stoppingKey{}, ctx.Done()))
	defer stopWork(nil)
	record, stopRecord := context.WithCancel(lasting)
	defer stopRecord()
	keep, stopKeeping := context.WithCancel(lasting)
	defer stopKeeping()

	var keepers sync.WaitGroup
	keepers.Go(func() { w.keepLocks(keep) })
	keepers.Go(func() { w.keepStalled(ctx) })

	s := &session{w: w, ctx: ctx, work: work, record: record}
	s.ends = combine.New(s.flushEnds, (*ending).size)
	running := s.fetchLoop()

	grace := min(max(w.opts.Grace, 0), math.MaxInt64-settleTime) // for ever, if that is what is wanted
	timers := []*time.Timer{
		time.AfterFunc(grace, func() { stopWork(ErrShutdown) }),
		time.AfterFunc(grace+settleTime, stopRecord),
	}
	running.Wait()
	for _, t := range timers {
		t.Stop()
	}
	stopKeeping()
	keepers.Wait()
	w.nudge(lasting)
	return nil
}

type stoppingKey struct{}

// Stopping returns a channel that is closed when the worker that runs the handler with
// context ctx was told to stop: a long handler can then come to an end, or hand its job back
// by [Requeue], before the grace time is over and ctx ends. Outside of a handler it is nil.
func Stopping(ctx context.Context) <-chan struct{} {
	stopping, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return stopping
}

// session is one Run of a worker.
type session struct {
	w *Worker
	// ctx ends when no more jobs are to be taken, work when handlers are to give
	// up, record when outcomes are no longer to be stored.
	ctx, work, record context.Context

	ends *combine.Combiner[ending]
}

// fetchLoop takes jobs while the worker is not paused. It returns when ctx ends, with what
// to wait for.
func (s *session) fetchLoop() *sync.WaitGroup {
	var running sync.WaitGroup
	for s.resumed() {
		s.fetchUntilChanged(&running)
	}
	return &running
}

// resumed waits until the worker is not paused. It reports false when ctx has ended.
func (s *session) resumed() bool {
	if !s.w.slots.isPaused() {
		return s.ctx.Err() == nil
	}
	s.w.nudge(s.record) // the wait that the pause has interrupted may have taken a marker
	waker := newWaker(s.ctx, s.w)
	defer waker.close()
	waker.introduce() // so that a paused worker is listed too
	return s.w.slots.resumed(s.ctx)
}

// fetchUntilChanged takes jobs, as many at a time as there are slots, and gives each to a
// goroutine that continues with the next job as long as there is one. It returns when ctx
// ends, when the worker is paused and when the number of slots has changed.
func (s *session) fetchUntilChanged(running *sync.WaitGroup) {
	ctx, end := s.w.slots.untilChanged(s.ctx)
	defer end()
	waker := newWaker(ctx, s.w)
	defer waker.close()
	waker.introduce()
	s.w.pace.look() // a wait that was interrupted may have taken a marker
	for s.w.slots.acquire(ctx) {
		job := s.next(ctx, waker)
		if job == nil {
			s.w.slots.release()
			return
		}
		running.Go(func() {
			defer s.w.slots.release()
			for job != nil {
				job = s.process(job)
			}
		})
	}
}

// next waits for a job, nil when ctx has ended.
func (s *session) next(ctx context.Context, waker *waker) *Job {
	var trouble retryDelay
	for ctx.Err() == nil {
		if rest := s.w.pace.rest(s.w.q.now(), s.w.opts.MaxRateLimitDelay); rest > 0 {
			sleep(ctx, rest)
			s.w.pace.rested()
			continue
		}
		var err error
		retry := &trouble
		if s.w.pace.isEmpty() {
			retry = &waker.trouble // a fetch that goes well does not mend it
			err = waker.wait()
		} else {
			var job *Job
			if job, err = s.fetch(); job != nil {
				waker.reset()
				return s.unlessStopped(job)
			}
			s.w.tellDrained()
		}
		if err != nil && ctx.Err() == nil {
			s.w.trouble(err)
			sleep(ctx, retry.next())
			continue
		}
		retry.reset()
	}
	return nil
}

// takesJobs reports whether a slot may go on with another job.
func (s *session) takesJobs() bool { return s.ctx.Err() == nil && s.w.slots.mayGoOn() }

// unlessStopped hands a job back that came after the worker was told to stop or to pause. Its
// start does not count: no handler has seen it.
func (s *session) unlessStopped(job *Job) *Job {
	if job == nil || s.ctx.Err() == nil && !s.w.slots.isPaused() {
		return job
	}
	if _, err := s.handBack(job, handBack{notRun: true}); err != nil {
		s.notStored(job, err)
	}
	return nil
}

// fetch asks for the next job.
func (s *session) fetch() (*Job, error) {
	token := s.w.take()
	args := append([]any{s.w.q.mode, s.w.q.nowMillis()}, s.w.workerArgs(token)...)
	reply, err := s.w.call(s.record, scriptFetch, args...)
	if err != nil {
		s.w.lostReply(token)
		return nil, err
	}
	return s.w.fetched(reply, token), nil
}

// workerArgs describe the worker to scripts that start jobs.
func (w *Worker) workerArgs(token string) []any {
	maxJobs, duration := w.limiterArgs()
	return []any{token, formatInt(w.opts.LockDuration.Milliseconds()), maxJobs, duration, w.opts.Name}
}

// fetched reads what a script that starts jobs answered, and keeps in mind what
// it says about when to ask again.
func (w *Worker) fetched(reply any, token string) *Job {
	list, _ := reply.([]any)
	if len(list) < 4 {
		w.drop(token)
		w.foundNone(0, 0)
		return nil
	}
	id, ok := list[1].(string)
	hash, _ := list[0].([]any)
	if !ok {
		w.drop(token)
		w.foundNone(number(list[2]), number(list[3]))
		return nil
	}
	w.pace.busy()
	var started int64
	if len(list) > 4 {
		started = number(list[4])
	}
	return w.startedJob(id, hash, token, started)
}

// foundNone takes in that a script that starts jobs started none: how many ms the rate
// limit still holds, and when the next delayed job is due (ms).
func (w *Worker) foundNone(limited, nextDelayed int64) {
	w.pace.learn(w.q.now(), time.Duration(limited)*time.Millisecond, nextDelayed)
	w.pace.noneLeft()
}

// tellDrained calls OnDrained if it is news that there are no jobs. It is called after what
// the same call to Redis has ended was told.
func (w *Worker) tellDrained() {
	if f := w.opts.Hooks.OnDrained; w.pace.newlyDrained() && f != nil {
		f()
	}
}

// nudge leaves a marker for other workers: this one may have taken one that it
// did not follow.
func (w *Worker) nudge(ctx context.Context) {
	if w.health.isDown() {
		return
	}
	if _, err := w.q.run(ctx, scriptNudge, w.q.mode); err != nil {
		w.log.Debug("no marker left for other workers", "error", err)
	}
}
