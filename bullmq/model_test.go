package bullmq

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"schoolbell/bullmq/internal/wire"
	"schoolbell/bullmq/redistest"
)

// TestModel makes random calls from several
// clients and compares Redis with the model after each step. A run is longer with
// -rapid.checks and -rapid.steps.
func TestModel(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: redistest.Addr(t)})
	t.Cleanup(func() { _ = rdb.Close() })
	rapid.Check(t, func(r *rapid.T) {
		modes := rapid.SliceOfN(rapid.SampledFrom([]PauseMode{PauseAuto, PauseInPlace, PauseMoves}), 3, 3).Draw(r, "pause modes")
		m := newMachine(r, rdb, modes...)
		r.Repeat(m.actions())
	})
}

// actions are all calls, each with random arguments. The empty name is the check after each
// of them.
func (m *machine) actions() map[string]func(*rapid.T) {
	a := map[string]func(*rapid.T){
		"": func(r *rapid.T) { m.t = r; m.check() },
		"clock": func(r *rapid.T) {
			m.w.now += rapid.SampledFrom([]int64{1, 500, 2000, 60_000}).Draw(r, "ms")
		},
		"lose lock": func(r *rapid.T) { m.loseLock(m.drawHeld(r).key) },
	}
	for _, n := range []string{"", " 2", " 3", " 4", " 5", " 6"} { // often, so that there is something to play with
		a["add"+n] = func(r *rapid.T) { m.add(m.drawUser(r), m.drawQueue(r), m.drawOptions(r)) }
		a["fetch"+n] = func(r *rapid.T) { m.fetch(m.drawUser(r), m.drawQueue(r)) }
		a["settle"+n] = func(r *rapid.T) { m.settle(m.drawHeld(r), rapid.SampledFrom(outcomes).Draw(r, "outcome")) }
	}
	a["settle several"] = m.drawSeveral
	for name, do := range queueMoves {
		a[name] = func(r *rapid.T) { do(m, m.drawUser(r), m.drawQueue(r)) }
	}
	for name, do := range jobMoves {
		a[name] = func(r *rapid.T) { do(m, m.drawUser(r), m.drawJob(r)) }
	}
	return a
}

func (m *machine) drawUser(r *rapid.T) *modelUser {
	return m.clients[rapid.IntRange(0, len(m.clients)-1).Draw(r, "client")]
}

func (m *machine) drawQueue(r *rapid.T) string { return rapid.SampledFrom(m.p).Draw(r, "queue") }

func (m *machine) drawHeld(r *rapid.T) *heldJob {
	if len(m.held) == 0 {
		r.Skip("nothing is being run")
	}
	return m.held[rapid.IntRange(0, len(m.held)-1).Draw(r, "run")]
}

// drawSeveral ends all runs of a worker at once.
func (m *machine) drawSeveral(r *rapid.T) {
	first := m.drawHeld(r)
	var held []*heldJob
	var completed []bool
	for _, h := range m.held {
		if h.s == first.s {
			held = append(held, h)
			completed = append(completed, rapid.Bool().Draw(r, "completed"))
		}
	}
	m.settleSeveral(held, completed)
}

// drawJob is the key of a job that exists, as a rule.
func (m *machine) drawJob(r *rapid.T) string {
	keys := []string{m.p[0] + "never"}
	for key := range m.w.jobs {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return rapid.SampledFrom(keys).Draw(r, "job")
}

func (m *machine) drawOptions(r *rapid.T) JobOptions {
	o := JobOptions{
		ID:       rapid.SampledFrom([]string{"", "x", "y", "z", "u", "v"}).Draw(r, "id"),
		LIFO:     rapid.Bool().Draw(r, "lifo"),
		Attempts: rapid.IntRange(0, 3).Draw(r, "attempts"),
	}
	switch rapid.IntRange(0, 5).Draw(r, "kind") {
	case 0:
		o.Delay = rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second}).Draw(r, "delay")
	case 1:
		o.Priority = rapid.IntRange(1, 2).Draw(r, "priority")
	case 2:
		o.Delay, o.Priority = time.Second, 1
	}
	if rapid.Bool().Draw(r, "backs off") {
		o.Backoff = &Backoff{Type: "fixed", Delay: time.Second}
	}
	o.RemoveOnComplete = rapid.SampledFrom([]*Keep{nil, nil, nil, {None: true}, {Count: 1}, {Age: time.Second}}).Draw(r, "keep")
	o.RemoveOnFail = o.RemoveOnComplete
	if rapid.Bool().Draw(r, "has parent") {
		if parent := m.drawJob(r); !m.under(parent, o.ID) {
			q, id := m.w.split(parent)
			o.Parent = &ParentRef{ID: id, Queue: q.p[:len(q.p)-1]}
			o.OnFailure = FailureMode(rapid.IntRange(int(FailureNone), int(RemoveDependency)).Draw(r, "on failure"))
		}
	}
	return o
}

// under tells whether a job is, or has above it, one of the given id in either queue: as
// its parent it would close a circle, which no flow can have.
func (m *machine) under(key, id string) bool {
	for key != "" {
		if q, own := m.w.split(key); own == id || (id == "" && own == wire.FormatInt(q.lastID+1)) {
			return true
		}
		j := m.w.jobs[key]
		if j == nil {
			return false
		}
		key = j.parent
	}
	return false
}

// queueMoves are the calls about a whole queue.
var queueMoves = map[string]func(m *machine, u *modelUser, p string){
	"pause": func(m *machine, u *modelUser, p string) {
		m.ok(u.queues[p].Pause(m.ctx))
		m.w.pause(u.modelClient, m.w.queues[p])
	},
	"resume": func(m *machine, u *modelUser, p string) {
		m.ok(u.queues[p].Resume(m.ctx))
		m.w.resume(m.w.queues[p])
	},
	"resume at last": func(m *machine, u *modelUser, p string) { // or most of a run would be paused
		m.ok(u.queues[p].Resume(m.ctx))
		m.w.resume(m.w.queues[p])
	},
	"drain": func(m *machine, u *modelUser, p string) {
		m.ok(u.queues[p].Drain(m.ctx, DrainOptions{}))
		m.w.drain(u.modelClient, m.w.queues[p], false)
	},
	"drain delayed": func(m *machine, u *modelUser, p string) {
		m.ok(u.queues[p].Drain(m.ctx, DrainOptions{Delayed: true}))
		m.w.drain(u.modelClient, m.w.queues[p], true)
	},
	"obliterate":          func(m *machine, u *modelUser, p string) { m.obliterate(u, p, false) },
	"obliterate by force": func(m *machine, u *modelUser, p string) { m.obliterate(u, p, true) },
	"stalled check":       func(m *machine, u *modelUser, p string) { m.stalled(u, p) },
	"fetch and stop":      func(m *machine, u *modelUser, p string) { m.fetchStopped(u, p) },
	"lose reply":          func(m *machine, u *modelUser, p string) { m.loseReply(u, p) },
	"reclaim":             func(m *machine, u *modelUser, p string) { m.reclaim(u, p) },
	"retry failed":        func(m *machine, u *modelUser, p string) { m.retryJobs(u, p, StateFailed) },
	"retry completed":     func(m *machine, u *modelUser, p string) { m.retryJobs(u, p, StateCompleted) },
	"promote all": func(m *machine, u *modelUser, p string) {
		m.ok(u.queues[p].PromoteJobs(m.ctx))
		q := m.w.queues[p]
		m.w.moveAll(u.modelClient, q, q.delayed, 1<<62, StateDelayed)
	},
	"rate limit": func(m *machine, u *modelUser, p string) {
		m.ok(u.queues[p].RateLimit(m.ctx, time.Hour))
		m.w.queues[p].limiter = manualLimit
	},
	"clear rate limit": func(m *machine, u *modelUser, p string) {
		m.ok(u.queues[p].ClearRateLimit(m.ctx))
		m.w.queues[p].limiter = 0
	},
	"one at a time": func(m *machine, u *modelUser, p string) { m.limit(u, p, 1) },
	"no limit":      func(m *machine, u *modelUser, p string) { m.limit(u, p, 0) },
	"clean waiting": func(m *machine, u *modelUser, p string) { m.clean(u, p, StateWaiting) },
	"clean active":  func(m *machine, u *modelUser, p string) { m.clean(u, p, StateActive) },
	"clean delayed": func(m *machine, u *modelUser, p string) { m.clean(u, p, StateDelayed) },
	"clean prioritized": func(m *machine, u *modelUser, p string) {
		m.clean(u, p, StatePrioritized)
	},
	"clean waiting-children": func(m *machine, u *modelUser, p string) { m.clean(u, p, StateWaitingChildren) },
	"clean completed":        func(m *machine, u *modelUser, p string) { m.clean(u, p, StateCompleted) },
	"clean failed":           func(m *machine, u *modelUser, p string) { m.clean(u, p, StateFailed) },
}

func (m *machine) limit(u *modelUser, p string, n int) {
	m.ok(u.queues[p].SetGlobalConcurrency(m.ctx, n))
	q := m.w.queues[p]
	q.concurrency, q.everMaxed = n, true
}

const cleanGrace = 500 // ms

func (m *machine) clean(u *modelUser, p string, state State) {
	_, err := u.queues[p].Clean(m.ctx, state, cleanGrace*time.Millisecond, 2)
	m.ok(err)
	m.w.clean(u.modelClient, m.w.queues[p], state, m.w.now-cleanGrace, 2)
}

func (m *machine) obliterate(u *modelUser, p string, force bool) {
	err := u.queues[p].Obliterate(m.ctx, ObliterateOptions{Force: force})
	if done := m.w.obliterate(u.modelClient, m.w.queues[p], force); done != (err == nil) || (!done && !errors.Is(err, ErrQueueActive)) {
		m.t.Fatalf("obliterate: %v, the model says %v", err, done)
	}
}

func (m *machine) retryJobs(u *modelUser, p string, state State) {
	m.ok(u.queues[p].RetryJobs(m.ctx, state, time.Time{}))
	q := m.w.queues[p]
	m.w.moveAll(u.modelClient, q, q.zsets()[string(state)], m.w.now, state)
}

// jobMoves are the calls about one job.
var jobMoves = map[string]func(m *machine, u *modelUser, key string){
	"retry": func(m *machine, u *modelUser, key string) { m.retry(u, key, RetryOptions{}) },
	"retry from the start": func(m *machine, u *modelUser, key string) {
		m.retry(u, key, RetryOptions{From: StateFailed, ResetAttemptsMade: true, ResetAttemptsStarted: true})
	},
	"retry what completed": func(m *machine, u *modelUser, key string) {
		m.retry(u, key, RetryOptions{From: StateCompleted, ResetAttemptsStarted: true})
	},
	"promote": func(m *machine, u *modelUser, key string) {
		q, id := m.w.split(key)
		err := u.queues[q.p].Promote(m.ctx, id)
		m.allowed("promote", m.w.promote(u.modelClient, key), err)
	},
	"change delay": func(m *machine, u *modelUser, key string) {
		q, id := m.w.split(key)
		err := u.queues[q.p].newJob(id).ChangeDelay(m.ctx, 3*time.Second)
		m.allowed("change delay", m.w.changeDelay(key, 3000), err)
	},
	"prioritize":           func(m *machine, u *modelUser, key string) { m.prioritize(u, key, 2, false) },
	"prioritize first":     func(m *machine, u *modelUser, key string) { m.prioritize(u, key, 1, true) },
	"unprioritize":         func(m *machine, u *modelUser, key string) { m.prioritize(u, key, 0, false) },
	"unprioritize first":   func(m *machine, u *modelUser, key string) { m.prioritize(u, key, 0, true) },
	"remove":               func(m *machine, u *modelUser, key string) { m.remove(u, key, false) },
	"remove with children": func(m *machine, u *modelUser, key string) { m.remove(u, key, true) },
}

func (m *machine) retry(u *modelUser, key string, opts RetryOptions) {
	q, id := m.w.split(key)
	err := u.queues[q.p].Retry(m.ctx, id, opts)
	m.allowed("retry", m.w.retry(u.modelClient, key, opts), err)
}

func (m *machine) prioritize(u *modelUser, key string, priority int, front bool) {
	q, id := m.w.split(key)
	err := u.queues[q.p].newJob(id).ChangePriority(m.ctx, priority, PriorityOptions{LIFO: front})
	m.allowed("prioritize", m.w.changePriority(u.modelClient, key, int64(priority), front), err)
}

func (m *machine) remove(u *modelUser, key string, children bool) {
	q, id := m.w.split(key)
	err := u.queues[q.p].Remove(m.ctx, id, RemoveOptions{Children: children})
	if m.w.locked(key, children) {
		if !errors.Is(err, ErrJobLocked) {
			m.t.Fatalf("remove %s, which is locked: %v", key, err)
		}
		return
	}
	m.ok(err)
	m.w.remove(u.modelClient, key, "", children)
}
