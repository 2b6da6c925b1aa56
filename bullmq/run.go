package bullmq

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"schoolbell/bullmq/combine"
	"schoolbell/bullmq/internal/fetch"
	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// settleTime is how long the worker still tries to store outcomes after the handlers' contexts
// were cancelled at a shutdown.
const settleTime = 5 * time.Second

// Run fetches and runs jobs until ctx ends. Then it waits for the running handlers, however
// long they take, and returns nil once everything it started has stopped. After the grace time
// the handlers' contexts are cancelled, and a job whose handler then returns an error goes
// to the front of the queue without spending an attempt.
//
// Run continues while Redis is unavailable. A server that is too old is [ErrServerTooOld]. A
// worker runs only once: a second Run is [ErrInvalid].
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

	s := newSession(w, new(fetch.State))
	s.ctx, s.work, s.record = ctx, work, record
	w.current.Store(s)
	defer w.current.Store(nil)

	var keepers sync.WaitGroup
	keepers.Go(func() { s.keepLocks(keep) })
	keepers.Go(func() { s.keepStalled(ctx) })
	running := s.fetchLoop()

	grace := min(max(w.opts.Grace, 0), math.MaxInt64-settleTime) // the longest Grace means forever
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

// Stopping returns a channel that is closed when the worker of the handler with context ctx is
// stopped. A long handler can then end early, or put its job back with [Requeue], before the
// grace time is over and ctx ends. The channel is nil if ctx is not a handler's.
func Stopping(ctx context.Context) <-chan struct{} {
	stopping, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return stopping
}

// session is one Run of a worker, or the settling of a job by hand.
type session struct {
	*Worker
	// After ctx has ended, no more jobs are fetched. work is the handlers' context. After
	// record has ended, outcomes are no longer stored.
	ctx, work, record context.Context

	inFlight *inFlight
	state    *fetch.State
	ends     *combine.Combiner[ending]
}

// newSession returns a session without its contexts.
func newSession(w *Worker, state *fetch.State) *session {
	s := &session{Worker: w, inFlight: newInFlight(w.id + ":"), state: state}
	s.ends = combine.New(s.flushEnds, (*ending).size, callLimits)
	return s
}

// fetchLoop fetches and runs jobs while the worker is not paused. It returns when ctx ends; the
// caller waits for the running ones.
func (s *session) fetchLoop() *sync.WaitGroup {
	var running sync.WaitGroup
	for s.resumed() {
		s.fetchUntilChanged(&running)
	}
	return &running
}

// resumed waits until the worker is not paused. It reports false when ctx has ended.
func (s *session) resumed() bool {
	if !s.slots.IsPaused() {
		return s.ctx.Err() == nil
	}
	s.nudge(s.record) // the wait that the pause has interrupted may have taken a marker
	waker := newWaker(s.ctx, s)
	defer waker.close()
	waker.introduce() // so that a paused worker is listed too
	return s.slots.Resumed(s.ctx)
}

// fetchUntilChanged fetches jobs while there are free slots, and runs each in a goroutine that
// continues with the next job as long as there is one. It returns when ctx ends, when the
// worker is paused and when the number of slots has changed.
func (s *session) fetchUntilChanged(running *sync.WaitGroup) {
	ctx, end := s.slots.UntilChanged(s.ctx)
	defer end()
	waker := newWaker(ctx, s)
	defer waker.close()
	waker.introduce()
	s.state.FetchNow() // a wait that was interrupted may have taken a marker
	for s.slots.Acquire(ctx) {
		job := s.next(ctx, waker)
		if job == nil {
			s.slots.Release()
			return
		}
		running.Go(func() {
			defer s.slots.Release()
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
		if rest := s.state.LimitRest(s.q.now(), s.opts.MaxRateLimitDelay); rest > 0 {
			sleep(ctx, rest)
			s.state.LimitOver()
			continue
		}
		var err error
		retry := &trouble
		if s.state.IsEmpty() {
			retry = &waker.trouble // a successful fetch does not end that trouble
			s.state.NoteDrained()
			s.tellDrained()
			err = waker.wait()
		} else {
			var job *Job
			if job, err = s.fetch(); job != nil {
				waker.reset()
				return s.unlessStopped(job)
			}
			s.tellDrained()
		}
		if err != nil && ctx.Err() == nil {
			s.trouble(err)
			sleep(ctx, retry.next())
			continue
		}
		retry.reset()
	}
	return nil
}

// takesJobs reports whether a slot may continue with another job.
func (s *session) takesJobs() bool { return s.ctx.Err() == nil && s.slots.MayGoOn() }

// unlessStopped hands back a job that was fetched after the worker was stopped or paused. Its
// start does not count, because no handler has seen it.
func (s *session) unlessStopped(job *Job) *Job {
	if job == nil || s.ctx.Err() == nil && !s.slots.IsPaused() {
		return job
	}
	if _, err := s.handBack(job, handBack{notRun: true}); err != nil {
		s.notStored(job, err)
	}
	return nil
}

// fetch asks for the next job.
func (s *session) fetch() (*Job, error) {
	token := s.inFlight.newToken()
	fetched, err := runFor(s.record, s.Worker, script.Fetch{Mode: s.q.mode, Now: s.q.nowMillis(), Token: token, Worker: s.forScript()})
	if err != nil {
		s.lostReply(token)
		return nil, err
	}
	return s.fetched(fetched, token), nil
}

// fetched is the job that a script has started under a token. If there is none, or no further
// one, the worker remembers when to ask again.
func (s *session) fetched(f script.Fetched, token string) *Job {
	if f.Job == nil {
		s.inFlight.forget(token)
		s.foundNone(f.Later)
		return nil
	}
	s.state.FoundJob()
	s.noFurther(f.Later)
	return s.startedJob(*f.Job)
}

// foundNone notes that a script had no job to start.
func (s *session) foundNone(later script.Later) {
	s.state.NoJob(s.q.now(), wire.CappedMillis(later.Rest), later.Due)
	s.state.NoteDrained()
}

// noFurther notes that a script that has started a job knows of no further one, if that is so: the
// fetch loop then waits at once.
func (s *session) noFurther(later script.Later) {
	if later.None {
		s.state.NoJob(s.q.now(), 0, later.Due)
	}
}

// tellDrained calls OnDrained if no job is left and that was not reported yet. It is called
// after the hooks of the jobs that the same call to Redis has ended.
func (s *session) tellDrained() {
	if f := s.opts.Hooks.OnDrained; s.state.NewlyDrained() && f != nil {
		f()
	}
}

// lostReply notes that the job of a call, if it has started one, will not be known.
func (s *session) lostReply(token string) {
	s.inFlight.forget(token)
	s.health.setOrphans(true)
}

// nudge sets the marker for other workers, because this one may have taken it without a fetch.
// It does so twice: a server that reads the end of this worker's connection together with other
// requests forgets the connection only after it has answered them, so a marker that is set
// between them may still be sent to it. The second call finds that marker missing.
func (w *Worker) nudge(ctx context.Context) {
	for range 2 {
		if w.health.isDown() {
			return
		}
		if _, err := run(ctx, w.q, script.Nudge{Mode: w.q.mode}); err != nil {
			w.log.Debug("no marker left for other workers", "error", err)
		}
	}
}

// checkServer refuses a server on which the worker could never run a job, and warns of one
// that may lose jobs. The worker starts even if the server does not reply.
func (w *Worker) checkServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	info, err := w.q.CheckServer(ctx)
	if errors.Is(err, ErrServerTooOld) {
		return err
	}
	if info != nil {
		for _, warning := range info.Warnings {
			w.log.Warn("redis: " + warning)
		}
	}
	return nil
}
