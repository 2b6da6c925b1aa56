package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

// gatedWorker runs jobs that end when they are let through.
type gatedWorker struct {
	*bullmq.Worker
	began chan string
	gate  chan struct{}
}

func startGated(t *testing.T, s *server, opts bullmq.WorkerOptions) *gatedWorker {
	t.Helper()
	g := &gatedWorker{began: make(chan string, 100), gate: make(chan struct{})}
	opts.Grace = -1
	g.Worker = must[*bullmq.Worker](t)(bullmq.NewWorker(s.rdb, "q", func(ctx context.Context, j *bullmq.Job) (any, error) {
		g.began <- j.ID
		select {
		case <-g.gate:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, opts))
	return g
}

// run runs the worker until the test ends.
func (g *gatedWorker) run(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func addNumbered(t *testing.T, q *bullmq.Queue, n int) {
	t.Helper()
	specs := make([]bullmq.JobSpec, n)
	for i := range specs {
		specs[i].Options.ID = fmt.Sprint("j", i)
	}
	must[[]*bullmq.Job](t)(q.AddBulk(context.Background(), specs))
}

// active waits until just n jobs are being run.
func active(t *testing.T, q *bullmq.Queue, n int64) {
	t.Helper()
	testproc.Eventually(t, wait, func() error {
		counts, err := q.Counts(context.Background(), bullmq.StateActive)
		if err == nil && counts[bullmq.StateActive] != n {
			err = fmt.Errorf("%d are run", counts[bullmq.StateActive])
		}
		return err
	}, "%d jobs are run", n)
}

func TestWorkerPause(t *testing.T) {
	t.Parallel()
	t.Run("a paused worker starts no job until resumed", testWorkerPauseStartsNoJob)
	t.Run("a paused idle worker leaves jobs to others", testWorkerPauseIdle)
	t.Run("a worker paused before Run waits", testWorkerPauseBeforeRun)
}

func testWorkerPauseStartsNoJob(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		addNumbered(t, q, 4)
		g := startGated(t, s, bullmq.WorkerOptions{Concurrency: 2, DrainDelay: time.Hour})
		g.run(t)
		<-g.began
		<-g.began
		ended, end := context.WithCancel(ctx)
		end()
		if err := g.Pause(ended); !errors.Is(err, context.Canceled) || !g.IsPaused() {
			t.Errorf("a pause whose context has ended: %v, paused %t", err, g.IsPaused())
		}
		paused := make(chan error, 1)
		go func() { paused <- g.Pause(ctx) }()
		g.gate <- struct{}{}
		g.gate <- struct{}{}
		ok(t, <-paused)
		want := map[bullmq.State]int64{bullmq.StateActive: 0, bullmq.StateCompleted: 2, bullmq.StateWaiting: 2}
		for state, n := range must[map[bullmq.State]int64](t)(q.Counts(ctx, bullmq.StateActive, bullmq.StateCompleted, bullmq.StateWaiting)) {
			if n != want[state] {
				t.Errorf("after the pause %d jobs are %s, want %d", n, state, want[state])
			}
		}
		if s.name == "redis" { // miniredis lists no names
			testproc.Eventually(t, wait, func() bool {
				workers, err := q.Workers(ctx)
				return err == nil && len(workers) == 1
			}, "a paused worker is listed")
		}
		g.Resume()
		<-g.began
		<-g.began
		if g.IsPaused() {
			t.Error("it is paused after Resume")
		}
		close(g.gate)
		eventually(t, q, "j3", bullmq.StateCompleted)
	})
}

// An idle worker that is paused may have taken the marker of a job that another must run.
func testWorkerPauseIdle(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
	drained := make(chan struct{}, 10)
	idle := startGated(t, s, bullmq.WorkerOptions{DrainDelay: time.Hour, Hooks: bullmq.WorkerHooks{OnDrained: func() { drained <- struct{}{} }}})
	idle.run(t)
	<-drained
	ok(t, idle.Pause(ctx))
	start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{DrainDelay: time.Hour})
	addNumbered(t, q, 3)
	eventually(t, q, "j2", bullmq.StateCompleted)
	if len(idle.began) > 0 {
		t.Error("a paused worker runs a job")
	}
	idle.Resume()
	addNumbered(t, q, 4) // j3 is new
	close(idle.gate)
	eventually(t, q, "j3", bullmq.StateCompleted)
}

func testWorkerPauseBeforeRun(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
	addNumbered(t, q, 1)
	ok(t, s.rdb.LPush(ctx, "bull:q:active", "lost").Err())
	ready := make(chan struct{})
	g := startGated(t, s, bullmq.WorkerOptions{StalledInterval: time.Millisecond, Hooks: bullmq.WorkerHooks{OnReady: func() { close(ready) }}})
	ok(t, g.Pause(ctx))
	g.run(t)
	testproc.Eventually(t, wait, func() bool {
		workers, err := q.Workers(ctx)
		return err == nil && len(workers) == 1
	}, "the worker is listed")
	if n := s.rdb.Exists(ctx, "bull:q:stalled", "bull:q:stalled-check").Val(); n != 0 {
		t.Error("a paused worker looks for jobs of lost workers")
	}
	g.Resume()
	<-g.began
	testproc.Eventually(t, wait, func() bool { return s.rdb.LLen(ctx, "bull:q:active").Val() == 1 }, "the lost job is dropped")
	close(g.gate)
}

func TestSetConcurrency(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		addNumbered(t, q, 12)
		g := startGated(t, s, bullmq.WorkerOptions{Concurrency: 1, DrainDelay: time.Hour})
		g.run(t)
		<-g.began
		ok(t, g.SetConcurrency(3))
		<-g.began
		<-g.began
		active(t, q, 3)
		ok(t, g.SetConcurrency(1))
		for range 3 { // those that are run end first
			g.gate <- struct{}{}
		}
		<-g.began
		active(t, q, 1)
		ok(t, g.SetConcurrency(2))
		<-g.began
		active(t, q, 2)
		if err := g.SetConcurrency(0); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("no slot: %v", err)
		}
		close(g.gate)
		testproc.Eventually(t, wait, func() bool {
			return must[map[bullmq.State]int64](t)(q.Counts(context.Background()))[bullmq.StateCompleted] == 12
		}, "all jobs complete")
	})
}
