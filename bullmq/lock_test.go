package bullmq_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

func TestShutdownHandsUnfinishedJobsBackWithoutSpendingAnAttempt(t *testing.T) {
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

func TestShutdownLetsHandlersFinishWithinTheGrace(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "a", nil, bullmq.JobOptions{ID: "a"}))
		must[*bullmq.Job](t)(q.Add(ctx, "b", nil, bullmq.JobOptions{ID: "b"}))
		w, err := bullmq.NewWorker(s.rdb, "q", nil, bullmq.WorkerOptions{})
		if w != nil || !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("a worker without handler: %v", err)
		}
		began, finish := make(chan struct{}), make(chan struct{})
		stop := start(t, s.rdb, func(ctx context.Context, _ *bullmq.Job) (any, error) {
			close(began)
			<-finish
			return "late", ctx.Err()
		}, bullmq.WorkerOptions{Grace: time.Hour})
		<-began
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		close(finish)
		<-stopped
		if got := must[bullmq.State](t)(q.State(ctx, "a")); got != bullmq.StateCompleted {
			t.Errorf("a is %s", got)
		}
		if got := must[bullmq.State](t)(q.State(ctx, "b")); got != bullmq.StateWaiting {
			t.Errorf("b is %s", got)
		}
	})
}

func TestAWorkerRunsOnce(t *testing.T) {
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

func TestALostLockCancelsTheHandlerAndItsOutcomeIsDropped(t *testing.T) {
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

func TestLocksAreKeptWhileAHandlerRuns(t *testing.T) {
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

func TestTheJobOfALostWorkerIsRecoveredAndFailsWhenThatHappensTooOften(t *testing.T) {
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
