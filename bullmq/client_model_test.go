package bullmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"schoolbell/bullmq/combine"
	"schoolbell/bullmq/internal/fetch"
	"schoolbell/bullmq/internal/script"
)

// machine does the same to Redis, through the package, and to the model.
type machine struct {
	t       rapid.TB
	ctx     context.Context
	rdb     *redis.Client
	w       *world
	p       []string // the queues' prefixes
	clients []*modelUser
	held    []*heldJob // being run
}

// modelUser is a program that uses the queues: it adds, manages and works.
type modelUser struct {
	modelClient
	queues   map[string]*Queue
	sessions map[string]*session
	handler  Handler // what the next job that is processed is done with
}

// heldJob is a job that a worker has started and not ended.
type heldJob struct {
	u    *modelUser
	s    *session
	job  *Job
	key  string
	atm  int    // as it was at the start
	defa string // as it was at the start
}

func newMachine(t rapid.TB, rdb *redis.Client, modes ...PauseMode) *machine {
	m := &machine{t: t, ctx: context.Background(), rdb: rdb, p: []string{"bull:a:", "bull:b:"}}
	m.w = newWorld(1_800_000_000_000, m.p...)
	m.ok(rdb.FlushAll(m.ctx).Err())
	clock := func() time.Time { return time.UnixMilli(m.w.now) }
	for i, mode := range modes {
		u := &modelUser{modelClient: modelClient{mode: mode.mode()}, queues: map[string]*Queue{}, sessions: map[string]*session{}}
		opts := WorkerOptions{Pause: mode, Clock: clock, LockDuration: time.Hour}
		if i == 0 {
			u.limit = 3
			opts.Limiter = &Limiter{Max: 3, Duration: time.Hour}
		}
		for _, name := range []string{"a", "b"} {
			q, err := NewQueue(rdb, name, QueueOptions{Pause: mode, Clock: clock})
			m.ok(err)
			h := func(ctx context.Context, j *Job) (any, error) { return u.handler(ctx, j) }
			w, err := NewWorker(rdb, name, h, opts)
			m.ok(err)
			u.queues[q.keys.Prefix] = q
			u.sessions[q.keys.Prefix] = modelSession(m.ctx, w)
		}
		m.clients = append(m.clients, u)
	}
	return m
}

// modelSession is a run of a worker of which each step is taken by hand.
func modelSession(ctx context.Context, w *Worker) *session {
	s := newSession(w, new(fetch.State))
	s.ctx, s.work, s.record = ctx, ctx, ctx
	s.ends = combine.New(s.flushEnds, func(*ending) int { return 0 }, callLimits)
	return s
}

func (m *machine) ok(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// allowed checks that a call was refused exactly if the model refuses it.
func (m *machine) allowed(what string, allowed bool, err error) {
	m.t.Helper()
	var refusal *ScriptError
	if allowed && err != nil {
		m.t.Fatalf("%s: %v", what, err)
	}
	if !allowed && !errors.As(err, &refusal) {
		m.t.Fatalf("%s: got %v, want a refusal", what, err)
	}
}

// check compares Redis with the model and looks for broken promises.
func (m *machine) check() {
	m.t.Helper()
	r, err := readRaw(m.ctx, m.rdb, m.p)
	m.ok(err)
	if faults := r.faults(m.w); len(faults) > 0 {
		m.t.Fatalf("broken promises:\n%s", strings.Join(faults, "\n"))
	}
	if d := cmp.Diff(m.w.text(), r.text); d != "" {
		m.t.Fatalf("Redis differs from the model (-model +redis):\n%s", d)
	}
	for p, q := range m.clients[0].queues {
		counts, err := q.Counts(m.ctx)
		m.ok(err)
		mq := m.w.queues[p]
		want := map[State]int64{StateWaiting: int64(len(mq.wait) + len(mq.paused)), StateActive: int64(len(mq.active)),
			StatePrioritized: int64(len(mq.prioritized)), StateDelayed: int64(len(mq.delayed)), StateWaitingChildren: int64(len(mq.children)),
			StateCompleted: int64(len(mq.completed)), StateFailed: int64(len(mq.failed))}
		if d := cmp.Diff(want, counts); d != "" {
			m.t.Fatalf("counts of %s (-model +redis):\n%s", p, d)
		}
	}
}

func (m *machine) add(u *modelUser, p string, o JobOptions) string {
	m.t.Helper()
	job, err := u.queues[p].Add(m.ctx, "n", nil, o)
	id, refused := m.w.add(u.modelClient, m.w.queues[p], o)
	m.allowed("add", !refused, err)
	if !refused && job.ID != id {
		m.t.Fatalf("added %s, the model %s", job.ID, id)
	}
	return p + id
}

// started takes in what a call started, which must be what the model started.
func (m *machine) started(u *modelUser, s *session, job *Job, want *modelJob) {
	m.t.Helper()
	if (job == nil) != (want == nil) || (job != nil && job.ID != want.id) {
		m.t.Fatalf("started %+v, the model %+v", job, want)
	}
	if job == nil {
		return
	}
	if job.AttemptsMade != want.atm || job.AttemptsStarted != want.ats || job.StalledCount != want.stc || job.DeferredFailure != want.defa {
		m.t.Fatalf("started %+v, the model %+v", job, want)
	}
	m.held = append(m.held, &heldJob{u: u, s: s, job: job, key: want.q.p + want.id, atm: want.atm, defa: want.defa})
}

// as is a client whose next start has the token of a job that was started.
func (u *modelUser) as(job *Job) modelClient {
	c := u.modelClient
	if job != nil {
		c.token = job.token
	}
	return c
}

func (m *machine) fetch(u *modelUser, p string) {
	m.t.Helper()
	s := u.sessions[p]
	job, err := s.fetch()
	m.ok(err)
	c := u.as(job)
	m.started(u, s, job, m.w.fetch(m.w.open(m.w.queues[p], c.mode), c))
}

// fetchStopped starts a job for a worker that was told to stop meanwhile.
func (m *machine) fetchStopped(u *modelUser, p string) {
	m.t.Helper()
	s := u.sessions[p]
	job, err := s.fetch()
	m.ok(err)
	c := u.as(job)
	if want := m.w.fetch(m.w.open(m.w.queues[p], c.mode), c); want != nil {
		m.w.handBackUnrun(c, p+want.id, c.token)
	}
	ctx, stop := context.WithCancel(m.ctx)
	stop()
	stopped := *s
	stopped.ctx = ctx
	if job = stopped.unlessStopped(job); job != nil {
		m.t.Fatalf("a worker that was stopped runs %s", job.ID)
	}
}

// outcome is how a run ends.
type outcome string

const (
	outComplete      outcome = "complete"
	outFail          outcome = "fail"
	outUnrecoverable outcome = "fail for good"
	outDelay         outcome = "move to delayed"
	outWait          outcome = "move to wait"
	outPriority      outcome = "take another priority"
	outChildren      outcome = "wait for children"
	outLimited       outcome = "rate limited"
	outThrottled     outcome = "announces a rate limit"
	outShutdown      outcome = "shutdown"
	outLockLost      outcome = "lock lost"
)

var outcomes = []outcome{outComplete, outFail, outUnrecoverable, outDelay, outWait, outPriority, outChildren, outLimited, outThrottled, outShutdown, outLockLost}

const modelDelay = 2000 // ms

// modelPriority is between those that jobs of the model are added with.
const modelPriority = 2

var errModel = errors.New("bad luck")

func (o outcome) handler() Handler {
	return func(ctx context.Context, j *Job) (any, error) {
		switch o {
		case outComplete:
			return 1, nil
		case outUnrecoverable:
			return nil, Unrecoverable(errModel)
		case outDelay:
			return nil, DelayUntil(j.q.now().Add(modelDelay * time.Millisecond))
		case outWait:
			return nil, fmt.Errorf("later: %w", Requeue())
		case outPriority:
			return nil, RequeueWithPriority(modelPriority)
		case outChildren:
			return nil, WaitForChildren()
		case outLimited:
			return nil, Throttled(0)
		case outThrottled:
			return nil, Throttled(time.Hour)
		}
		return nil, errModel
	}
}

// settle ends the run of a held job.
func (m *machine) settle(h *heldJob, o outcome) {
	m.t.Helper()
	m.held = slices.DeleteFunc(m.held, func(other *heldJob) bool { return other == h })
	h.u.handler = o.handler()
	s := h.s
	if cause := map[outcome]error{outShutdown: ErrShutdown, outLockLost: ErrLockLost}[o]; cause != nil {
		work, cancel := context.WithCancelCause(m.ctx)
		cancel(cause)
		cancelled := *h.s
		cancelled.work = work
		s = &cancelled
	}
	job := s.process(h.job)
	m.started(h.u, h.s, job, m.w.settle(h, o, h.u.as(job)))
}

// settleSeveral ends runs of one worker with one call, as slots that end together do.
func (m *machine) settleSeveral(held []*heldJob, completed []bool) {
	m.t.Helper()
	h := held[0]
	var ends []*ending
	var modelEnds []modelEnd
	for i, h := range held {
		m.held = slices.DeleteFunc(m.held, func(other *heldJob) bool { return other == h })
		e := &ending{job: h.job, op: "complete", set: "completed", value: "1", token: h.s.inFlight.newToken()}
		if !completed[i] {
			e.op, e.set, e.value = "fail", "failed", errModel.Error()
			e.attempt.Trace = []byte("[]")
		}
		e.keep = keepFor(h.job.Options.RemoveOnComplete, nil)
		ends = append(ends, e)
		modelEnds = append(modelEnds, modelEnd{h.key, h.job.token, completed[i], e.token})
	}
	h.s.flushEnds(m.ctx, ends)
	codes, next := m.w.finish(h.u.modelClient, modelEnds...)
	for i, e := range ends {
		m.allowed(e.op, codes[i] == 0, e.err)
		h.s.inFlight.forget(held[i].job.token)
		if e.err != nil {
			h.s.inFlight.forget(e.token)
		}
		m.started(h.u, h.s, e.next, next[i])
	}
}

// settle is what the model makes of an outcome; it returns what is started next.
func (w *world) settle(h *heldJob, o outcome, c modelClient) *modelJob {
	token := h.job.token
	if h.defa != "" {
		o = outUnrecoverable // the handler is not asked
	}
	switch o {
	case outDelay:
		_, next := w.delay(c, h.key, token, modelDelay, false, true)
		return next
	case outPriority:
		w.handBackAs(c, h.key, token, modelPriority)
		return nil
	case outChildren:
		switch w.waitChildren(h.key, token) {
		case 1:
			w.handBack(c, h.key, token)
			return nil
		case -9:
			o = outUnrecoverable
		default:
			return nil
		}
	case outThrottled:
		if w.handBack(c, h.key, token) {
			q, _ := w.split(h.key)
			q.limiter = manualLimit
		}
		return nil
	case outWait, outLimited, outShutdown:
		w.handBack(c, h.key, token)
		return nil
	case outLockLost:
		return nil
	}
	if o == outComplete {
		codes, next := w.finish(c, modelEnd{h.key, token, true, c.token})
		switch codes[0] {
		case -9:
			o = outUnrecoverable
		case -4:
		default:
			return next[0]
		}
	}
	return w.fail(h, c, o == outUnrecoverable)
}

func (w *world) fail(h *heldJob, c modelClient, final bool) (next *modelJob) {
	token := h.job.token
	backoff := int64(0)
	if b := h.job.Options.Backoff; b != nil {
		backoff = b.Delay.Milliseconds()
	}
	switch {
	case final || h.atm+1 >= h.job.Options.Attempts:
		_, started := w.finish(c, modelEnd{h.key, token, false, c.token})
		next = started[0]
	case backoff > 0:
		_, next = w.delay(c, h.key, token, backoff, true, true)
	default:
		w.requeue(c, h.key, token)
	}
	return next
}

// loseLock is what time does to the lock of a worker that does not renew it.
func (m *machine) loseLock(key string) {
	m.ok(m.rdb.Del(m.ctx, key+":lock").Err())
	delete(m.w.locks, key)
}

// loseReply starts a job of which the worker never learns.
func (m *machine) loseReply(u *modelUser, p string) {
	m.t.Helper()
	n := len(m.held)
	m.fetch(u, p)
	if len(m.held) > n {
		u.sessions[p].lostReply(m.held[n].job.token)
		m.held = m.held[:n]
	}
}

func (m *machine) reclaim(u *modelUser, p string) {
	s := u.sessions[p]
	s.reclaim(m.ctx)
	m.w.reclaim(u.modelClient, m.w.queues[p], func(token string) bool {
		return strings.HasPrefix(token, s.id+":") && !slices.Contains(s.inFlight.known(), token)
	})
}

const modelStalls = 1 // how often a job may lose its worker

func (m *machine) stalled(u *modelUser, p string) {
	m.t.Helper()
	w := u.sessions[p].Worker
	m.ok(m.rdb.Del(m.ctx, p+"stalled-check").Err())
	back, err := runFor(m.ctx, w, script.Stalled{Mode: w.q.mode, Now: w.q.nowMillis(), Most: modelStalls, Interval: 1000})
	m.ok(err)
	if d := cmp.Diff(m.w.stalled(m.w.queues[p]), slices.Sorted(slices.Values(back))); d != "" {
		m.t.Fatalf("stalled (-model +redis):\n%s", d)
	}
	m.w.restore(u.modelClient, m.w.queues[p], back, modelStalls)
}
