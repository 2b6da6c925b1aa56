package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
)

func TestDecision(t *testing.T) {
	t.Parallel()
	t.Run("equal decisions match with errors.Is", testDecisionEqual)
	t.Run("a job without open children runs again at once", testDecisionNoOpenChildren)
	t.Run("a job waits for the child it names", testDecisionWaitForChild)
	t.Run("a job that waits for a failed child fails", testDecisionFailedChild)
	t.Run("a delay that is too long fails the attempt", testDecisionDelayTooLong)
	t.Run("a job goes back behind others of its new priority", testDecisionPriority)
	t.Run("an invalid priority fails the attempt", testDecisionInvalidPriority)
	t.Run("a decision about a lost job is only reported", testDecisionLostJob)
	t.Run("a throttled job limits the queue", testDecisionThrottled)
}

func testDecisionEqual(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1800000000000)
	for _, d := range []func() error{
		func() error { return bullmq.DelayUntil(at) }, bullmq.Requeue, bullmq.WaitForChildren,
		func() error { return bullmq.Throttled(time.Second) }, func() error { return bullmq.RequeueWithPriority(3) },
	} {
		if wrapped := fmt.Errorf("why: %w", d()); !errors.Is(wrapped, d()) || errors.Is(wrapped, bullmq.Throttled(time.Minute)) {
			t.Errorf("%v", wrapped)
		}
	}
}

// A job whose children have all finished runs again at once, before others.
func testDecisionNoOpenChildren(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		for _, id := range []string{"a", "b"} {
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: id}))
		}
		var log hookLog
		start(t, s.rdb, func(_ context.Context, j *bullmq.Job) (any, error) {
			log.add("%s %d", j.ID, j.AttemptsStarted)
			if j.ID == "a" && j.AttemptsStarted == 1 {
				return nil, bullmq.WaitForChildren()
			}
			return nil, nil
		}, bullmq.WorkerOptions{})
		log.becomes(t, "a 1", "a 2", "b 1")
		if job := eventually(t, q, "a", bullmq.StateCompleted); job.AttemptsMade != 1 {
			t.Errorf("%+v", job)
		}
	})
}

func testDecisionWaitForChild(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		kids := queueNamed(t, s.rdb, "kids")
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "p"}))
		for _, id := range []string{"needed", "other"} {
			must[*bullmq.Job](t)(kids.Add(ctx, "n", nil, bullmq.JobOptions{ID: id, Parent: &bullmq.ParentRef{ID: "p", Queue: q.QualifiedName()}}))
		}
		var log hookLog
		start(t, s.rdb, func(_ context.Context, j *bullmq.Job) (any, error) {
			log.add("start %d", j.AttemptsStarted)
			switch j.AttemptsStarted {
			case 1: // it is no child
				return nil, bullmq.WaitForChild(kids, "stranger")
			case 2:
				return nil, bullmq.WaitForChild(kids, "needed")
			}
			return nil, nil
		}, bullmq.WorkerOptions{})
		eventually(t, q, "p", bullmq.StateWaitingChildren)
		log.becomes(t, "start 1", "start 2")
		ok(t, kids.Remove(ctx, "other", bullmq.RemoveOptions{}))
		ok(t, kids.Remove(ctx, "needed", bullmq.RemoveOptions{}))
		eventually(t, q, "p", bullmq.StateCompleted)
	})
}

func testDecisionFailedChild(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "p", Attempts: 5}))
		ok(t, s.rdb.ZAdd(ctx, "bull:q:p:unsuccessful", zed(1, "bull:q:c")).Err())
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, bullmq.WaitForChildren() }, bullmq.WorkerOptions{})
		job := eventually(t, q, "p", bullmq.StateFailed)
		if job.AttemptsMade != 1 || job.FailedReason != "Cannot complete job p because it has at least one failed child" {
			t.Errorf("%+v", job)
		}
	})
}

// A job may let others run before it goes on.
func testDecisionPriority(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		for id, priority := range map[string]int{"long": 1, "later": 3} {
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: id, Priority: priority}))
		}
		var log hookLog
		start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			log.add("%s %d", j.ID, j.Priority)
			if j.ID != "long" {
				return nil, nil
			}
			switch j.AttemptsStarted {
			case 1:
				must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "same", Priority: 2}))
				return nil, fmt.Errorf("others wait: %w", bullmq.RequeueWithPriority(2))
			case 2:
				return nil, bullmq.RequeueWithPriority(4)
			case 3:
				must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "none"}))
				return nil, bullmq.RequeueWithPriority(0)
			}
			return nil, nil
		}, bullmq.WorkerOptions{})
		log.becomes(t, "long 1", "same 2", "long 2", "later 3", "long 4", "none 0", "long 0")
		if job := eventually(t, q, "long", bullmq.StateCompleted); job.AttemptsMade != 1 || job.AttemptsStarted != 4 {
			t.Errorf("%+v", job)
		}
	})
}

func testDecisionInvalidPriority(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
	for _, priority := range []int{-1, bullmq.MaxPriority + 1} {
		job := must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{}))
		w := newFetcher(t, s, bullmq.WorkerOptions{})
		ok(t, w.Settle(ctx, must[*bullmq.Job](t)(w.Fetch(ctx, "")), "", nil, bullmq.RequeueWithPriority(priority)))
		if failed := eventually(t, q, job.ID, bullmq.StateFailed); !strings.Contains(failed.FailedReason, "priority") {
			t.Errorf("%+v", failed)
		}
	}
}

func TestFront(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		front := func(id string, want bullmq.Front) {
			t.Helper()
			if got := must[bullmq.Front](t)(q.Front(ctx, id)); got != want {
				t.Errorf("the front for %q is %+v, want %+v", id, got, want)
			}
		}
		front("", bullmq.Front{})
		front("nobody", bullmq.Front{})
		for _, o := range []bullmq.JobOptions{
			{ID: "plain"}, {ID: "first", Priority: 2}, {ID: "same", Priority: 2}, {ID: "last", Priority: bullmq.MaxPriority}, {ID: "due", Priority: 1, Delay: time.Hour},
		} {
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, o))
		}
		front("", bullmq.Front{Waiting: 1, Priority: 2})
		front("same", bullmq.Front{Waiting: 1, Priority: 2, Job: 2})
		front("last", bullmq.Front{Waiting: 1, Priority: 2, Job: bullmq.MaxPriority})
		for _, id := range []string{"plain", "due", "nobody"} {
			front(id, bullmq.Front{Waiting: 1, Priority: 2})
		}
		ok(t, s.rdb.Set(ctx, "bull:q:prioritized", "x", 0).Err())
		if _, err := q.Front(ctx, ""); err == nil {
			t.Error("a damaged key was not reported")
		}
	})
}

func testDecisionDelayTooLong(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
	must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
	failed := make(chan error, 1)
	start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) {
		return nil, bullmq.DelayUntil(time.Now().AddDate(300, 0, 0))
	}, bullmq.WorkerOptions{Hooks: bullmq.WorkerHooks{OnFailed: func(_ *bullmq.Job, err error) { failed <- err }}})
	if err := <-failed; !errors.Is(err, bullmq.ErrInvalid) {
		t.Errorf("it failed with %v", err)
	}
}

// What a handler has decided about a job that it has lost is not done, and is reported.
func testDecisionLostJob(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		decisions := map[string]error{
			"later": bullmq.DelayUntil(time.Now().Add(time.Hour)), "requeue": bullmq.Requeue(), "throttle": bullmq.Throttled(time.Hour), "children": bullmq.WaitForChildren(),
			"other": bullmq.RequeueWithPriority(9),
		}
		for name := range decisions {
			must[*bullmq.Job](t)(q.Add(ctx, name, nil, bullmq.JobOptions{ID: name}))
		}
		reports := make(chan error, len(decisions))
		start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			if err := s.rdb.Set(ctx, "bull:q:"+j.ID+":lock", "another's", 0).Err(); err != nil {
				t.Error(err)
			}
			return nil, decisions[j.Name]
		}, bullmq.WorkerOptions{HeedRateLimit: true, Hooks: bullmq.WorkerHooks{OnError: func(err error) { reports <- err }}})
		for range decisions {
			if err := <-reports; !errors.Is(err, bullmq.ErrLockLost) {
				t.Errorf("reported %v", err)
			}
		}
		counts := must[map[bullmq.State]int64](t)(q.Counts(ctx))
		if counts[bullmq.StateActive] != int64(len(decisions)) {
			t.Errorf("counts %v", counts)
		}
		if n := s.rdb.Exists(ctx, "bull:q:limiter").Val(); n != 0 {
			t.Error("the limit of a lost job was announced")
		}
	})
}

func TestHeedRateLimit(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		ok(t, q.RateLimit(ctx, time.Hour))
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
		drained := make(chan struct{}, 10)
		stop := start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
			bullmq.WorkerOptions{HeedRateLimit: true, Hooks: bullmq.WorkerHooks{OnDrained: func() { drained <- struct{}{} }}})
		<-drained // it has looked for jobs
		if state := must[bullmq.State](t)(q.State(ctx, "x")); state != bullmq.StateWaiting {
			t.Errorf("under a limit the job is %s", state)
		}
		stop()
		ok(t, q.ClearRateLimit(ctx))
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{HeedRateLimit: true})
		eventually(t, q, "x", bullmq.StateCompleted)
		if n := s.rdb.Exists(ctx, "bull:q:limiter").Val(); n != 0 {
			t.Error("a start was counted")
		}
		// Others do not heed it.
		ok(t, q.RateLimit(ctx, time.Hour))
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "y"}))
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{})
		eventually(t, q, "y", bullmq.StateCompleted)
	})
}

// A limit of any length is announced, in whole milliseconds.
func testDecisionThrottled(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
	w := newFetcher(t, s, bullmq.WorkerOptions{})
	must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
	for _, c := range []struct{ limit, least, most time.Duration }{
		{time.Hour, 59 * time.Minute, time.Hour}, {math.MaxInt64, 1 << 60, math.MaxInt64}, {time.Hour + time.Microsecond, 59 * time.Minute, time.Hour + time.Millisecond},
		{-time.Hour, 0, 0},
	} {
		ok(t, q.ClearRateLimit(ctx))
		ok(t, w.Settle(ctx, must[*bullmq.Job](t)(w.Fetch(ctx, "")), "", nil, bullmq.Throttled(c.limit)))
		if ttl := must[time.Duration](t)(q.RateLimitTTL(ctx, bullmq.RateLimitTTLOptions{Max: 1000})); ttl < c.least || ttl > c.most {
			t.Errorf("after a limit of %v it holds for %v", c.limit, ttl)
		}
	}
}

func TestStopping(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	must[*bullmq.Job](t)(q.Add(context.Background(), "n", nil, bullmq.JobOptions{ID: "x"}))
	if bullmq.Stopping(context.Background()) != nil {
		t.Error("outside of a handler there is a worker that may stop")
	}
	began := make(chan struct{})
	stop := start(t, s.rdb, func(ctx context.Context, _ *bullmq.Job) (any, error) {
		select {
		case <-bullmq.Stopping(ctx):
			t.Error("the worker stops before it was told to")
		default:
		}
		close(began)
		<-bullmq.Stopping(ctx)
		return nil, ctx.Err() // the grace time has just begun
	}, bullmq.WorkerOptions{Grace: time.Hour})
	<-began
	stop()
	eventually(t, q, "x", bullmq.StateCompleted)
}

func TestMux(t *testing.T) {
	t.Parallel()
	var mux bullmq.Mux
	for _, name := range []string{"one", "two"} {
		mux.Handle(name, func(context.Context, *bullmq.Job) (any, error) { return name, nil })
	}
	for _, name := range []string{"one", "two"} {
		if got := must[any](t)(mux.Run(context.Background(), &bullmq.Job{Name: name})); got != name {
			t.Errorf("%s was run by the handler of %v", name, got)
		}
	}
	if _, err := mux.Run(context.Background(), &bullmq.Job{Name: "three"}); !bullmq.IsUnrecoverable(err) {
		t.Errorf("a job without a handler: %v", err)
	}
	for what, register := range map[string]func(){
		"a second handler": func() { mux.Handle("one", mux.Run) },
		"no handler":       func() { mux.Handle("three", nil) },
	} {
		var value any
		func() {
			defer func() { value = recover() }()
			register()
		}()
		if value == nil {
			t.Errorf("%s is taken", what)
		}
	}
}
