package bullmq_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/bullmq/redistest"
	"schoolbell/bullmq/testproc"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	t.Run("all jobs complete despite faults under load", testFaultsUnderLoad)
	t.Run("a lost reply leaves no job behind", testFaultsLostReply)
	t.Run("a flush of Redis cancels handlers, and work continues", testFaultsFlushedRedis)
	t.Run("a worker starts and stops without Redis", testFaultsWithoutRedis)
	t.Run("a frozen Redis loses no job", testFaultsFrozenRedis)
}

// testFaultsUnderLoad adds jobs while a fault strikes again and
// again, and expects every job that was added to complete.
func testFaultsUnderLoad(t *testing.T) {
	faults := []struct {
		name   string
		strike func(r *redistest.Server, rdb *redis.Client)
	}{
		{"script flush", func(_ *redistest.Server, rdb *redis.Client) { rdb.ScriptFlush(context.Background()) }},
		{"all connections killed", func(_ *redistest.Server, rdb *redis.Client) {
			rdb.Do(context.Background(), "client", "kill", "type", "normal", "skipme", "yes")
		}},
		{"redis killed and restarted", func(r *redistest.Server, _ *redis.Client) { r.Kill(); r.Restart() }},
	}
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			r := redistest.Start(t, redistest.Options{AOF: true})
			rdb := client(t, r.Addr)
			q := newQueue(t, rdb, bullmq.QueueOptions{})
			var mu sync.Mutex
			lost, recovered := 0, 0
			h := func(context.Context, *bullmq.Job) (any, error) { return nil, nil }
			opts := bullmq.WorkerOptions{Concurrency: 5, LockDuration: 2 * time.Second, StalledInterval: 500 * time.Millisecond,
				MaxStalledCount: -1, DrainDelay: time.Second, Hooks: bullmq.WorkerHooks{
					OnLost:      func(error) { mu.Lock(); lost++; mu.Unlock() },
					OnRecovered: func() { mu.Lock(); recovered++; mu.Unlock() },
				}}
			start(t, rdb, h, opts)
			start(t, rdb, h, opts)
			const rounds, jobs = 3, 100
			for round := range rounds {
				for i := range jobs {
					id := fmt.Sprintf("r%d-%d", round, i)
					testproc.Eventually(t, wait, func() error { // an id of its own makes adding again safe
						_, err := q.Add(ctx, "n", nil, bullmq.JobOptions{ID: id})
						return err
					}, "add %s", id)
					if i == jobs/2 {
						fault.strike(r, rdb)
					}
				}
			}
			testproc.Eventually(t, wait, func() error {
				counts, err := q.Counts(ctx)
				if err == nil && counts[bullmq.StateCompleted] != rounds*jobs {
					err = fmt.Errorf("counts %v", counts)
				}
				return err
			}, "all completed")
			if n := rdb.LLen(ctx, "bull:q:active").Val() + int64(len(rdb.Keys(ctx, "bull:q:*:lock").Val())); n != 0 {
				t.Errorf("%d active jobs or locks are left", n)
			}
			mu.Lock()
			defer mu.Unlock()
			if lost-recovered > 2 || recovered > lost {
				t.Errorf("%d losses and %d recoveries were told", lost, recovered)
			}
		})
	}
}

func testFaultsLostReply(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	w := must[*bullmq.Worker](t)(bullmq.NewWorker(s.rdb, "q", func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
		bullmq.WorkerOptions{LockDuration: time.Hour, StalledInterval: time.Hour, DrainDelay: 200 * time.Millisecond}))
	// What a call leaves whose reply never came: a job that is active under a
	// token of this worker.
	must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
	s.rdb.LMove(ctx, "bull:q:wait", "bull:q:active", "right", "left")
	s.rdb.Set(ctx, "bull:q:x:lock", w.ID()+":99", time.Hour)
	run, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- w.Run(run) }()
	t.Cleanup(func() { cancel(); ok(t, <-done) })
	testproc.Eventually(t, wait, func() bool {
		// Each killed connection makes the worker suspect that a reply was lost.
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{}))
		s.rdb.Do(ctx, "client", "kill", "type", "normal", "skipme", "yes")
		return must[bullmq.State](t)(q.State(ctx, "x")) == bullmq.StateCompleted
	}, "x completes although its lock lasts for an hour")
}

func testFaultsFlushedRedis(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		began := make(chan struct{}, 1)
		start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			if j.Name == "long" {
				began <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return nil, nil
		}, bullmq.WorkerOptions{LockDuration: 2 * time.Second, DrainDelay: 200 * time.Millisecond})
		must[*bullmq.Job](t)(q.Add(ctx, "long", nil, bullmq.JobOptions{}))
		<-began
		ok(t, s.rdb.FlushAll(ctx).Err())
		must[*bullmq.Job](t)(q.Add(ctx, "short", nil, bullmq.JobOptions{ID: "y"}))
		eventually(t, q, "y", bullmq.StateCompleted)
	})
}

func testFaultsWithoutRedis(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := redistest.Start(t, redistest.Options{AOF: true})
	rdb := client(t, r.Addr)
	q := newQueue(t, rdb, bullmq.QueueOptions{})
	must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
	r.Kill()
	lost, ready := make(chan struct{}, 1), make(chan struct{})
	began := make(chan struct{})
	stop := start(t, rdb, func(ctx context.Context, _ *bullmq.Job) (any, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}, bullmq.WorkerOptions{Grace: -1, Hooks: bullmq.WorkerHooks{
		OnLost:  func(error) { lost <- struct{}{} },
		OnReady: func() { close(ready) },
	}})
	<-lost
	r.Restart()
	<-ready
	<-began
	stop()
	if got := must[bullmq.State](t)(q.State(ctx, "x")); got != bullmq.StateWaiting {
		t.Errorf("x is %s", got)
	}

	r.Kill()
	stop = start(t, rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
		bullmq.WorkerOptions{Hooks: bullmq.WorkerHooks{OnLost: func(error) { lost <- struct{}{} }}})
	<-lost
	stop()
}

func TestConnectionName(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	listed := func(name string) func() bool {
		return func() bool { return strings.Contains(s.rdb.ClientList(ctx).Val(), "name="+name+" ") }
	}
	stop := start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{Name: "wk1"})
	testproc.Eventually(t, wait, listed("bull:cQ==:w:wk1"), "the worker is listed")
	stop()
	testproc.Eventually(t, wait, func() bool { return !listed("bull:cQ==:w:wk1")() }, "it is gone")
}

func testFaultsFrozenRedis(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := redistest.Start(t, redistest.Options{})
	rdb := redis.NewClient(&redis.Options{Addr: r.Addr, ReadTimeout: 200 * time.Millisecond})
	t.Cleanup(func() { _ = rdb.Close() })
	q := newQueue(t, rdb, bullmq.QueueOptions{})
	specs := make([]bullmq.JobSpec, 100)
	must[[]*bullmq.Job](t)(q.AddBulk(ctx, specs))
	lost, frozen := make(chan struct{}), make(chan struct{})
	var first, loss sync.Once
	start(t, rdb, func(context.Context, *bullmq.Job) (any, error) {
		first.Do(func() { close(frozen); <-lost }) // the rest meets a frozen Redis
		return nil, nil
	}, bullmq.WorkerOptions{Concurrency: 3, LockDuration: 2 * time.Second, StalledInterval: 500 * time.Millisecond, MaxStalledCount: -1,
		DrainDelay: 500 * time.Millisecond, Hooks: bullmq.WorkerHooks{OnLost: func(error) { loss.Do(func() { close(lost) }) }}})
	<-frozen
	r.Pause()
	<-lost
	r.Continue()
	testproc.Eventually(t, wait, func() error {
		counts, err := q.Counts(ctx)
		if err == nil && counts[bullmq.StateCompleted] != 100 {
			err = fmt.Errorf("counts %v", counts)
		}
		return err
	}, "all completed")
}

func TestMaxStartedAttempts(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(context.Background(), "n", nil, bullmq.JobOptions{ID: "x", Attempts: 9}))
		start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			return nil, bullmq.Requeue()
		}, bullmq.WorkerOptions{MaxStartedAttempts: 3})
		if job := eventually(t, q, "x", bullmq.StateFailed); job.AttemptsStarted != 4 || job.FailedReason != "job started more than allowable limit" {
			t.Errorf("%+v", job)
		}
	})
}
