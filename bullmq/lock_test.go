package bullmq_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

func TestShutdown(t *testing.T) {
	t.Run("an interrupted job uses no attempt", testShutdownInterruptedJob)
	t.Run("handlers finish within the grace period", testShutdownGrace)
	t.Run("a fetched job that never ran is unchanged", testShutdownFetchedJob)
}

func testShutdownInterruptedJob(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "held", nil, bullmq.JobOptions{ID: "held", Attempts: 2}))
		must[*bullmq.Job](t)(q.Add(ctx, "next", nil, bullmq.JobOptions{ID: "next"}))
		began := make(chan struct{})
		var cause error
		stop := start(t, s.rdb, func(ctx context.Context, _ *bullmq.Job) (any, error) {
			close(began)
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil, ctx.Err()
		}, bullmq.WorkerOptions{Grace: -1})
		<-began
		stop()
		if !errors.Is(cause, bullmq.ErrShutdown) {
			t.Errorf("the handler's context ended with %v", cause)
		}
		if d := cmp.Diff([]string{"next", "held"}, s.rdb.LRange(ctx, "bull:q:wait", 0, -1).Val()); d != "" {
			t.Errorf("wait list: %s", d)
		}
		job := must[*bullmq.Job](t)(q.Job(ctx, "held"))
		if job.AttemptsMade != 0 || job.FailedReason != "" || s.rdb.LLen(ctx, "bull:q:active").Val() != 0 {
			t.Errorf("%+v", job)
		}
	})
}

func testShutdownGrace(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "a", nil, bullmq.JobOptions{ID: "a"}))
		must[*bullmq.Job](t)(q.Add(ctx, "b", nil, bullmq.JobOptions{ID: "b"}))
		w, err := bullmq.NewWorker(s.rdb, "q", nil, bullmq.WorkerOptions{})
		if w != nil || !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("a worker without handler: %v", err)
		}
		began := make(chan struct{})
		stop := start(t, s.rdb, func(ctx context.Context, _ *bullmq.Job) (any, error) {
			close(began)
			<-bullmq.Stopping(ctx)
			return "late", ctx.Err()
		}, bullmq.WorkerOptions{Grace: time.Hour})
		<-began
		stop()
		if got := must[bullmq.State](t)(q.State(ctx, "a")); got != bullmq.StateCompleted {
			t.Errorf("a is %s", got)
		}
		if got := must[bullmq.State](t)(q.State(ctx, "b")); got != bullmq.StateWaiting {
			t.Errorf("b is %s", got)
		}
	})
}

func TestRunTwice(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	w := must[*bullmq.Worker](t)(bullmq.NewWorker(s.rdb, "q", func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{}))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ok(t, w.Run(ctx))
	if err := w.Run(ctx); !errors.Is(err, bullmq.ErrInvalid) {
		t.Errorf("second Run: %v", err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	t.Run("a lost lock cancels the handler", testLockLost)
	t.Run("a lock is kept while the handler runs", testLockKept)
	t.Run("a stalled job is recovered up to the limit", testLockStalledJob)
	t.Run("only the holder extends a lock", testLockExtended)
	t.Run("a lock is renewed at the configured interval", testLockRenewal)
}

func testLockLost(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
		causes := make(chan error, 1)
		began := make(chan struct{})
		reported := make(chan error, 10)
		start(t, s.rdb, func(ctx context.Context, _ *bullmq.Job) (any, error) {
			close(began)
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return "dropped", nil
		}, bullmq.WorkerOptions{LockDuration: 200 * time.Millisecond, StalledInterval: time.Hour,
			Hooks: bullmq.WorkerHooks{OnError: func(err error) { reported <- err }}})
		<-began
		ok(t, s.rdb.Set(ctx, "bull:q:x:lock", "another's", 0).Err())
		if cause := <-causes; !errors.Is(cause, bullmq.ErrLockLost) {
			t.Errorf("cause %v", cause)
		}
		for range 2 { // one when it is noticed, one for the outcome
			if err := <-reported; !errors.Is(err, bullmq.ErrLockLost) {
				t.Errorf("reported %v", err)
			}
		}
		if got := must[bullmq.State](t)(q.State(ctx, "x")); got != bullmq.StateActive {
			t.Errorf("the job is %s, want active: it is another's", got)
		}
	})
}

func testLockKept(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
		finish := make(chan struct{})
		start(t, s.rdb, func(ctx context.Context, _ *bullmq.Job) (any, error) {
			select {
			case <-finish:
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}, bullmq.WorkerOptions{Grace: -1, LockDuration: time.Second, StalledInterval: 20 * time.Millisecond})
		// Each renewal takes the job off the list of suspects and gives the lock its
		// full time again. Together these last longer than a lock that is not renewed.
		for range 6 {
			testproc.Eventually(t, wait, func() bool { return holdsMember(s, "bull:q:stalled", "x") }, "a check suspects the job")
			testproc.Eventually(t, wait, func() bool { return !holdsMember(s, "bull:q:stalled", "x") }, "a renewal clears it")
		}
		close(finish)
		if job := eventually(t, q, "x", bullmq.StateCompleted); job.StalledCount != 0 || job.AttemptsStarted != 1 {
			t.Errorf("%+v", job)
		}
	})
}

func holdsMember(s *server, key, id string) bool {
	return s.rdb.SIsMember(context.Background(), key, id).Val()
}

func testLockStalledJob(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x", Attempts: 3}))
		lost := make(chan struct{}, 10)
		release := make(chan struct{})
		t.Cleanup(func() { close(release) })
		// The lock of a job whose worker is lost is simply not there any more.
		lose := func(ctx context.Context, j *bullmq.Job) (any, error) {
			lost <- struct{}{}
			ok(t, s.rdb.Del(ctx, "bull:q:x:lock").Err())
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil, ctx.Err()
		}
		var stalled []string
		var mu sync.Mutex
		start(t, s.rdb, lose, bullmq.WorkerOptions{Concurrency: 3, LockDuration: time.Hour, StalledInterval: 20 * time.Millisecond,
			MaxStalledCount: 1, Grace: -1, Hooks: bullmq.WorkerHooks{OnStalled: func(id string) {
				mu.Lock()
				defer mu.Unlock()
				stalled = append(stalled, id)
			}}})
		job := eventually(t, q, "x", bullmq.StateFailed)
		if job.FailedReason != "job stalled more than allowable limit" || job.StalledCount != 2 || job.AttemptsStarted != 3 || job.AttemptsMade != 1 {
			t.Errorf("%+v", job)
		}
		if n := len(lost); n != 2 {
			t.Errorf("the handler ran %d times, want 2", n)
		}
		want := "added, waiting, active, waiting(active), stalled, active, waiting(active), stalled, active, failed, drained"
		if got := strings.Join(trace(t, s), ", "); got != want {
			t.Errorf("events\n got %s\nwant %s", got, want)
		}
		mu.Lock()
		defer mu.Unlock()
		if d := cmp.Diff([]string{"x", "x"}, stalled); d != "" {
			t.Error(d)
		}
	})
}

// The job that Redis has started together with the last outcome was not run.
func testShutdownFetchedJob(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		for _, id := range []string{"last", "next", "behind"} {
			o := bullmq.JobOptions{ID: id, Attempts: 2}
			if id == "behind" {
				o.Priority = 1
			}
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, o))
		}
		for _, c := range []struct{ last, next string }{{"last", "next"}, {"next", "behind"}} {
			key := "bull:q:" + c.next
			before := s.rdb.HGetAll(ctx, key).Val()
			runUntilCompleted(t, s.rdb, c.last)
			if d := cmp.Diff(before, s.rdb.HGetAll(ctx, key).Val()); d != "" {
				t.Errorf("%s (-before +after):\n%s", c.next, d)
			}
			if n := s.rdb.Exists(ctx, key+":lock").Val(); n != 0 {
				t.Errorf("%s is still locked", c.next)
			}
		}
		// A start before that one counts.
		ok(t, s.rdb.HSet(ctx, "bull:q:behind", "ats", 3).Err())
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "first"}))
		runUntilCompleted(t, s.rdb, "first")
		if job := must[*bullmq.Job](t)(q.Job(ctx, "behind")); job.AttemptsStarted != 3 || job.AttemptsMade != 0 {
			t.Errorf("%+v", job)
		}
	})
}

// runUntilCompleted runs a worker that is told to stop when the outcome of a job is stored.
func runUntilCompleted(t *testing.T, rdb *redis.Client, id string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var ran []string
	w := must[*bullmq.Worker](t)(bullmq.NewWorker(rdb, "q", func(_ context.Context, j *bullmq.Job) (any, error) {
		ran = append(ran, j.ID)
		return nil, nil
	}, bullmq.WorkerOptions{Name: "w", Hooks: bullmq.WorkerHooks{OnCompleted: func(*bullmq.Job) { stop() }}}))
	ok(t, w.Run(ctx))
	if d := cmp.Diff([]string{id}, ran); d != "" {
		t.Errorf("jobs that ran: %s", d)
	}
}

func testLockExtended(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
		release := make(chan struct{})
		start(t, s.rdb, func(_ context.Context, j *bullmq.Job) (any, error) {
			<-release
			return nil, nil
		}, bullmq.WorkerOptions{})
		defer close(release)
		job := eventually(t, q, "x", bullmq.StateActive)
		token := s.rdb.Get(ctx, "bull:q:x:lock").Val()
		ok(t, s.rdb.SAdd(ctx, "bull:q:stalled", "x").Err())
		if must[bool](t)(job.ExtendLock(ctx, "other", time.Hour)) || s.rdb.PTTL(ctx, "bull:q:x:lock").Val() > 30*time.Second {
			t.Error("a lock was extended by who does not hold it")
		}
		if !must[bool](t)(job.ExtendLock(ctx, token, time.Hour)) || s.rdb.PTTL(ctx, "bull:q:x:lock").Val() < 59*time.Minute {
			t.Errorf("the lock was not extended: %v", s.rdb.PTTL(ctx, "bull:q:x:lock").Val())
		}
		if s.rdb.SIsMember(ctx, "bull:q:stalled", "x").Val() {
			t.Error("the job is still suspected to be stalled")
		}
		for _, bad := range []struct {
			token string
			d     time.Duration
		}{{"", time.Hour}, {token, time.Microsecond}} {
			if _, err := job.ExtendLock(ctx, bad.token, bad.d); !errors.Is(err, bullmq.ErrInvalid) {
				t.Errorf("token %q, %v: %v", bad.token, bad.d, err)
			}
		}
	})
}

func testLockRenewal(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
	must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
	release := make(chan struct{})
	start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { <-release; return nil, nil },
		bullmq.WorkerOptions{LockDuration: 10 * time.Hour, LockRenewal: 20 * time.Millisecond})
	defer close(release)
	eventually(t, q, "x", bullmq.StateActive)
	ok(t, s.rdb.PExpire(ctx, "bull:q:x:lock", time.Hour).Err())
	testproc.Eventually(t, wait, func() bool { return s.rdb.PTTL(ctx, "bull:q:x:lock").Val() > 9*time.Hour }, "the lock is renewed")
}
