package bullmq

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/internal/script"
)

// mover makes jobs in every state of queue q for a move to begin at, and calls
// what a worker calls. All of it fails the test on errors.
type mover struct {
	t   *testing.T
	rdb *redis.Client
	q   *Queue
}

func (m *mover) ok(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *mover) add(id string, o JobOptions) {
	m.t.Helper()
	o.ID = id
	_, err := m.q.Add(m.t.Context(), "n", nil, o)
	m.ok(err)
}

// child adds a child that does to parent p what mode says.
func (m *mover) child(id string, mode FailureMode) {
	m.t.Helper()
	m.add(id, JobOptions{Parent: &ParentRef{ID: "p", Queue: m.q.QualifiedName()}, OnFailure: mode})
}

// parent adds job p, which waits for its children.
func (m *mover) parent() {
	m.t.Helper()
	m.add("p", JobOptions{waitForChildren: true})
}

// call calls a script whose reply is a refusal if it is a negative number.
func (m *mover) call(call script.Call) error {
	reply, err := m.q.call(m.t.Context(), call)
	if err != nil {
		return err
	}
	code, _ := reply.(int64)
	return refusal(code, call.Source.Name(), "j", "")
}

var moverWorker = script.Worker{Lock: 30_000, Max: 100, Duration: 60_000}

func (m *mover) fetch() error {
	return m.call(script.Fetch{Mode: m.q.mode, Now: m.q.nowMillis(), Token: "token", Worker: moverWorker}.Call())
}

// active adds job j and starts it.
func (m *mover) active(o JobOptions) {
	m.t.Helper()
	m.add("j", o)
	m.ok(m.fetch())
}

// finish ends job j, keeps as many as keep says and starts the next job.
func (m *mover) finish(set, keep string) error {
	reply, err := run(m.t.Context(), m.q, script.Finish{
		Mode: m.q.mode, Now: m.q.nowMillis(), MetricsPoints: 60, Worker: moverWorker,
		Ends: []script.End{{
			ID: "j", Token: "token", Set: set, Value: "7", Trace: []byte("[]"), Attempts: 1, Keep: script.Keep{Count: keep, Most: "1000"}, Next: "next",
		}},
	})
	if err != nil {
		return err
	}
	e := &ending{job: m.q.newJob("j"), op: "finish"}
	e.read(reply.Ends[0])
	return e.err
}

// ended adds job j and ends it.
func (m *mover) ended(set string, o JobOptions) {
	m.t.Helper()
	m.active(o)
	m.ok(m.finish(set, ""))
}

func (m *mover) job(id string) *Job {
	m.t.Helper()
	job, err := m.q.Job(m.t.Context(), id)
	m.ok(err)
	return job
}

// move is a call that moves jobs. begin makes what it moves, and returns the call.
type move struct {
	name  string
	begin func(m *mover) (call func(ctx context.Context) error)
}

func ofQueue(name string, begin func(m *mover), call func(ctx context.Context, q *Queue) error) move {
	return move{name, func(m *mover) func(context.Context) error {
		begin(m)
		return func(ctx context.Context) error { return call(ctx, m.q) }
	}}
}

func ofWorker(name string, begin func(m *mover), call func(m *mover) error) move {
	return move{name, func(m *mover) func(context.Context) error {
		begin(m)
		return func(context.Context) error { return call(m) }
	}}
}

func adding(name string, o JobOptions, begin func(m *mover)) move {
	return ofQueue("add "+name, begin, func(ctx context.Context, q *Queue) error {
		o.ID = "j"
		_, err := q.Add(ctx, "n", nil, o)
		return err
	})
}

func movesOfQueues() []move {
	nothing := func(*mover) {}
	delayed := func(m *mover) { m.add("j", JobOptions{Delay: time.Hour}) }
	waiting := func(m *mover) { m.add("j", JobOptions{}) }
	lastChild := func(m *mover) { m.parent(); m.child("j", FailParent) }
	held := func(d Deduplication) func(m *mover) {
		return func(m *mover) { m.add("h", JobOptions{Delay: time.Hour, Deduplication: &d}) }
	}
	parent := &ParentRef{ID: "p", Queue: "bull:q"}
	every := func(ctx context.Context, q *Queue) error {
		_, err := q.UpsertScheduler(ctx, "s", Schedule{Every: time.Hour}, JobTemplate{Name: "n"})
		return err
	}
	clean := func(state State) func(context.Context, *Queue) error {
		return func(ctx context.Context, q *Queue) error {
			_, err := q.Clean(ctx, state, 0, 0)
			return err
		}
	}
	return []move{
		adding("to wait", JobOptions{}, nothing),
		adding("to prioritized", JobOptions{Priority: 3}, nothing),
		adding("to delayed", JobOptions{Delay: time.Hour}, nothing),
		adding("a child", JobOptions{Parent: parent}, (*mover).parent),
		adding("a completed child again", JobOptions{Parent: parent}, func(m *mover) { m.ended("completed", JobOptions{}); m.parent() }),
		adding("instead of a delayed one", JobOptions{Deduplication: &Deduplication{ID: "d", Replace: true}, Delay: time.Hour}, held(Deduplication{ID: "d", Replace: true})),
		ofQueue("add several", nothing, func(ctx context.Context, q *Queue) error {
			_, err := q.AddBulk(ctx, []JobSpec{{Name: "n", Options: JobOptions{ID: "a"}}, {Name: "n", Options: JobOptions{ID: "b", Priority: 1}},
				{Name: "n", Options: JobOptions{ID: "c", Delay: time.Hour}}, {Name: "n", Options: JobOptions{ID: "e", LIFO: true}}})
			return err
		}),
		ofQueue("add a flow", nothing, func(ctx context.Context, q *Queue) error {
			_, err := AddFlow(ctx, FlowJob{Queue: q, Name: "n", Options: JobOptions{ID: "p"}, Children: []FlowJob{
				{Name: "n", Options: JobOptions{ID: "a"}}, {Name: "n", Options: JobOptions{ID: "b", Priority: 1}}}})
			return err
		}),
		ofQueue("add a flow instead of a delayed job", held(Deduplication{ID: "d", Replace: true}), func(ctx context.Context, q *Queue) error {
			_, err := AddFlow(ctx, FlowJob{Queue: q, Name: "n", Options: JobOptions{ID: "j", Deduplication: &Deduplication{ID: "d", Replace: true}}})
			return err
		}),
		ofQueue("promote", delayed, func(ctx context.Context, q *Queue) error { return q.Promote(ctx, "j") }),
		ofQueue("promote by priority", func(m *mover) { m.add("j", JobOptions{Delay: time.Hour, Priority: 2}) },
			func(ctx context.Context, q *Queue) error { return q.Promote(ctx, "j") }),
		ofQueue("promote all", delayed, func(ctx context.Context, q *Queue) error { return q.PromoteJobs(ctx) }),
		ofQueue("retry a failed child", func(m *mover) {
			m.parent()
			m.child("j", IgnoreDependency)
			m.ok(m.fetch())
			m.ok(m.finish("failed", ""))
		},
			func(ctx context.Context, q *Queue) error {
				return q.Retry(ctx, "j", RetryOptions{ResetAttemptsMade: true, ResetAttemptsStarted: true})
			}),
		ofQueue("retry a completed job", func(m *mover) { m.ended("completed", JobOptions{Priority: 1}) },
			func(ctx context.Context, q *Queue) error {
				return q.Retry(ctx, "j", RetryOptions{From: StateCompleted})
			}),
		ofQueue("retry all", func(m *mover) { m.ended("failed", JobOptions{}) },
			func(ctx context.Context, q *Queue) error {
				return q.RetryJobs(ctx, StateFailed, time.Now().Add(time.Hour))
			}),
		{"change the delay", func(m *mover) func(context.Context) error {
			delayed(m)
			job := m.job("j")
			return func(ctx context.Context) error { return job.ChangeDelay(ctx, time.Minute) }
		}},
		{"change the priority", func(m *mover) func(context.Context) error {
			waiting(m)
			job := m.job("j")
			return func(ctx context.Context) error { return job.ChangePriority(ctx, 3, PriorityOptions{}) }
		}},
		{"end the priority", func(m *mover) func(context.Context) error {
			m.add("j", JobOptions{Priority: 3})
			job := m.job("j")
			return func(ctx context.Context) error { return job.ChangePriority(ctx, 0, PriorityOptions{}) }
		}},
		ofQueue("remove the last child", lastChild, func(ctx context.Context, q *Queue) error { return q.Remove(ctx, "j", RemoveOptions{}) }),
		ofQueue("remove a parent with its children", lastChild,
			func(ctx context.Context, q *Queue) error { return q.Remove(ctx, "p", RemoveOptions{Children: true}) }),
		{"remove open children", func(m *mover) func(context.Context) error {
			lastChild(m)
			job := m.job("p")
			return job.RemoveUnprocessedChildren
		}},
		{"leave the parent", func(m *mover) func(context.Context) error {
			lastChild(m)
			job := m.job("j")
			return func(ctx context.Context) error { _, err := job.RemoveChildDependency(ctx); return err }
		}},
		ofQueue("clean wait", lastChild, clean(StateWaiting)),
		ofQueue("clean delayed", func(m *mover) { m.add("j", JobOptions{Delay: time.Hour, Deduplication: &Deduplication{ID: "d"}}) }, clean(StateDelayed)),
		ofQueue("clean completed", func(m *mover) { m.ended("completed", JobOptions{}) }, clean(StateCompleted)),
		ofQueue("drain", lastChild, func(ctx context.Context, q *Queue) error { return q.Drain(ctx, DrainOptions{Delayed: true}) }),
		ofQueue("obliterate", func(m *mover) { waiting(m); m.ok(m.q.Pause(m.t.Context())) },
			func(ctx context.Context, q *Queue) error { return q.Obliterate(ctx, ObliterateOptions{}) }),
		ofQueue("pause", waiting, func(ctx context.Context, q *Queue) error { return q.Pause(ctx) }),
		ofQueue("resume", func(m *mover) { waiting(m); m.ok(m.q.Pause(m.t.Context())) }, func(ctx context.Context, q *Queue) error { return q.Resume(ctx) }),
		ofQueue("set a scheduler", nothing, every),
		ofQueue("set a scheduler again", func(m *mover) { m.ok(every(m.t.Context(), m.q)) }, every),
		ofQueue("remove a scheduler", func(m *mover) { m.ok(every(m.t.Context(), m.q)) },
			func(ctx context.Context, q *Queue) error { _, err := q.RemoveScheduler(ctx, "s"); return err }),
		ofQueue("remove orphans", func(m *mover) { lastChild(m); m.ok(m.rdb.Del(m.t.Context(), "bull:q:wait").Err()) },
			func(ctx context.Context, q *Queue) error { _, err := q.RemoveOrphanedJobs(ctx, 0); return err }),
	}
}

func movesOfWorkers() []move {
	active := func(m *mover) { m.active(JobOptions{}) }
	firstClass := func(m *mover) { m.active(JobOptions{Priority: 2}) }
	child := func(mode FailureMode) func(m *mover) {
		return func(m *mover) { m.parent(); m.child("j", mode); m.ok(m.fetch()) }
	}
	ending := func(set, keep string) func(*mover) error {
		return func(m *mover) error { return m.finish(set, keep) }
	}
	attempt := script.Attempt{Reason: "why", Trace: []byte("[]")}
	requeue := func(m *mover) error {
		return m.call(script.Requeue{Mode: m.q.mode, Now: m.q.nowMillis(), ID: "j", Token: "token", Attempt: attempt}.Call())
	}
	handBack := func(m *mover) error { return m.call(script.HandBack{Mode: m.q.mode, ID: "j", Token: "token"}.Call()) }
	return []move{
		ofWorker("start a waiting job", func(m *mover) { m.add("j", JobOptions{}) }, (*mover).fetch),
		ofWorker("start a prioritized job", func(m *mover) { m.add("j", JobOptions{Priority: 1}) }, (*mover).fetch),
		ofWorker("start a delayed job", func(m *mover) {
			m.add("j", JobOptions{Delay: time.Hour})
			m.ok(m.rdb.ZAdd(m.t.Context(), "bull:q:delayed", redis.Z{Score: 4096, Member: "j"}).Err())
		}, (*mover).fetch),
		ofWorker("add the next job of a repeatable one", func(m *mover) {
			m.add("j", JobOptions{})
			m.ok(m.rdb.ZAdd(m.t.Context(), "bull:q:repeat", redis.Z{Score: 1, Member: "n::::9"}).Err())
		}, func(m *mover) error {
			return m.call(script.NextRepeatable{
				Mode: m.q.mode, Now: m.q.nowMillis(), At: 9, Name: "n", Data: []byte("{}"), Where: "wait", MaxEvents: 1000,
				Dedup: script.Dedup{ID: "d"}, Keys: []script.RepeatableKey{{Key: "n::::9", JobID: "k", Options: "{}"}},
			}.Call())
		}),
		ofWorker("complete", active, ending("completed", "")),
		ofWorker("complete and start the next", func(m *mover) { active(m); m.add("k", JobOptions{}) }, ending("completed", "")),
		ofWorker("complete and keep none", active, ending("completed", "0")),
		ofWorker("complete and keep one", func(m *mover) {
			m.ended("completed", JobOptions{})
			m.ok(m.rdb.Rename(m.t.Context(), "bull:q:j", "bull:q:old").Err())
			m.ok(m.rdb.ZAdd(m.t.Context(), "bull:q:completed", redis.Z{Score: 1, Member: "old"}).Err())
			m.ok(m.rdb.ZRem(m.t.Context(), "bull:q:completed", "j").Err())
			m.active(JobOptions{})
		}, ending("completed", "1")),
		ofWorker("complete the last child", child(FailParent), ending("completed", "")),
		ofWorker("complete the last child and keep none", child(FailParent), ending("completed", "0")),
		ofWorker("fail", active, ending("failed", "")),
		ofWorker("fail the parent", child(FailParent), ending("failed", "")),
		ofWorker("fail and let the parent go on", child(ContinueParent), ending("failed", "")),
		ofWorker("fail and be ignored", child(IgnoreDependency), ending("failed", "0")),
		ofWorker("complete the holder of a kept-back job", func(m *mover) {
			o := JobOptions{Deduplication: &Deduplication{ID: "d", KeepLastIfActive: true}}
			m.active(o)
			m.add("k", o)
		}, ending("completed", "")),
		ofWorker("delay", func(m *mover) { active(m); m.add("k", JobOptions{}) }, func(m *mover) error {
			return m.call(script.Delay{
				Mode: m.q.mode, Now: m.q.nowMillis(), ID: "j", Token: "token", Delay: 60_000, Attempt: &attempt, Next: "next", Worker: moverWorker,
			}.Call())
		}),
		ofWorker("requeue", active, requeue),
		ofWorker("requeue by priority", firstClass, requeue),
		ofWorker("hand back", active, handBack),
		ofWorker("hand back by priority", firstClass, handBack),
		ofWorker("hand back with another priority", firstClass, func(m *mover) error {
			return m.call(script.HandBack{Mode: m.q.mode, ID: "j", Token: "token", Priority: new(5)}.Call())
		}),
		ofWorker("hand back unrun under a limit", active, func(m *mover) error {
			return m.call(script.HandBack{Mode: m.q.mode, ID: "j", Token: "token", NotRun: true, Limit: 60_000}.Call())
		}),
		ofWorker("wait for no child", active, func(m *mover) error {
			return m.call(script.WaitChildren{Mode: m.q.mode, Now: m.q.nowMillis(), ID: "j", Token: "token"}.Call())
		}),
		ofWorker("reclaim", active, func(m *mover) error { return m.call(script.Reclaim{Mode: m.q.mode, Prefix: "tok"}.Call()) }),
		ofWorker("wait for children", func(m *mover) {
			active(m)
			m.add("c", JobOptions{Parent: &ParentRef{ID: "j", Queue: "bull:q"}})
		}, func(m *mover) error {
			return m.call(script.WaitChildren{Mode: m.q.mode, Now: m.q.nowMillis(), ID: "j", Token: "token"}.Call())
		}),
		ofWorker("put a stalled job back", func(m *mover) {
			active(m)
			m.ok(m.rdb.SAdd(m.t.Context(), "bull:q:stalled", "j").Err())
			m.ok(m.rdb.Del(m.t.Context(), "bull:q:j:lock").Err())
		}, func(m *mover) error {
			return m.call(script.Stalled{Mode: m.q.mode, Now: m.q.nowMillis(), Interval: 1}.Call())
		}),
	}
}
