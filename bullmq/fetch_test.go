package bullmq_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/bullmq/redistest"
)

func newFetcher(t *testing.T, s *server, opts bullmq.WorkerOptions) *bullmq.Worker {
	t.Helper()
	return must[*bullmq.Worker](t)(bullmq.NewWorker(s.rdb, "q", func(context.Context, *bullmq.Job) (any, error) {
		t.Error("the handler is called")
		return nil, nil
	}, opts))
}

func TestFetch(t *testing.T) {
	t.Parallel()
	t.Run("a job is fetched and settled", testFetchAndSettle)
	t.Run("a decision settles a job too", testFetchDecision)
	t.Run("a job stays with the holder of its lock", testFetchHolder)
	t.Run("a fetched scheduler job adds the next one", testFetchSchedule)
	t.Run("CheckStalled returns stalled jobs to the queue", testFetchCheckStalled)
	t.Run("Settle succeeds despite an outage", testFetchOutage)
}

func testFetchAndSettle(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		var log hookLog
		w := newFetcher(t, s, bullmq.WorkerOptions{LockDuration: time.Hour, Hooks: bullmq.WorkerHooks{
			OnActive:    func(j *bullmq.Job) { log.add("active %s", j.ID) },
			OnCompleted: func(j *bullmq.Job) { log.add("completed %s", j.ID) },
			OnRetry:     func(j *bullmq.Job, _ error, _ time.Duration) { log.add("retry %s", j.ID) },
			OnFailed:    func(j *bullmq.Job, _ error) { log.add("failed %s", j.ID) },
			OnDrained:   func() { log.add("drained") },
		}})
		if job := must[*bullmq.Job](t)(w.Fetch(ctx, "")); job != nil {
			t.Fatalf("fetched %+v", job)
		}
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x", Attempts: 2, Backoff: &bullmq.Backoff{Delay: time.Hour}}))
		job := must[*bullmq.Job](t)(w.Fetch(ctx, "mine"))
		if job.ID != "x" || job.Token() != "mine" || job.AttemptsStarted != 1 || s.rdb.Get(ctx, "bull:q:x:lock").Val() != "mine" {
			t.Errorf("fetched %+v with token %q", job, job.Token())
		}
		if err := w.Settle(ctx, job, "other", 1, nil); !errors.Is(err, bullmq.ErrLockLost) {
			t.Errorf("settled with another's token: %v", err)
		}
		ok(t, w.Settle(ctx, job, "mine", nil, errors.New("not yet")))
		if job.Token() != "" {
			t.Errorf("the job has a token after its run: %q", job.Token())
		}
		eventually(t, q, "x", bullmq.StateDelayed)
		ok(t, q.Promote(ctx, "x"))

		// Another process has fetched it, and only its id is known here.
		token := must[*bullmq.Job](t)(w.Fetch(ctx, "")).Token()
		read := must[*bullmq.Job](t)(q.Job(ctx, "x"))
		if err := w.Settle(ctx, read, "", 7, nil); !errors.Is(err, bullmq.ErrNotActive) {
			t.Errorf("settled without a token: %v", err)
		}
		ok(t, w.Settle(ctx, read, token, 7, nil))
		if done := eventually(t, q, "x", bullmq.StateCompleted); string(done.ReturnValue) != "7" || done.AttemptsMade != 2 {
			t.Errorf("%+v", done)
		}
		log.becomes(t, "drained", "active x", "retry x", "active x", "completed x")
		if err := w.Settle(ctx, read, token, 7, nil); !errors.Is(err, bullmq.ErrLockLost) {
			t.Errorf("settled twice: %v", err)
		}
	})
}

func testFetchDecision(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		w := newFetcher(t, s, bullmq.WorkerOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
		for _, c := range []struct {
			err   error
			state bullmq.State
		}{
			{bullmq.Requeue(), bullmq.StateWaiting},
			{bullmq.RequeueWithPriority(7), bullmq.StatePrioritized},
			{bullmq.RequeueWithPriority(0), bullmq.StateWaiting},
			{bullmq.WaitForChildren(), bullmq.StateWaiting}, // there are none
			{bullmq.Throttled(time.Millisecond), bullmq.StateWaiting},
			{bullmq.DelayUntil(time.Now().Add(time.Hour)), bullmq.StateDelayed},
		} {
			ok(t, w.Settle(ctx, must[*bullmq.Job](t)(w.Fetch(ctx, "")), "", nil, c.err))
			if job := eventually(t, q, "x", c.state); job.AttemptsMade != 0 {
				t.Errorf("%v: %+v", c.err, job)
			}
		}
	})
}

// The lock of a job that is run by hand is nobody else's, also where the worker runs too.
func testFetchHolder(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
	must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
	w := newFetcher(t, s, bullmq.WorkerOptions{})
	for _, token := range []string{"0", w.ID() + ":1"} {
		if _, err := w.Fetch(ctx, token); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("token %q: %v", token, err)
		}
	}
	job := must[*bullmq.Job](t)(w.Fetch(ctx, ""))
	if strings.HasPrefix(job.Token(), w.ID()+":") {
		t.Errorf("token %s could be taken for one of Run's", job.Token())
	}
	other := must[*bullmq.Worker](t)(bullmq.NewWorker(s.rdb, "other", func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{}))
	if err := other.Settle(ctx, job, "", nil, nil); !errors.Is(err, bullmq.ErrInvalid) {
		t.Errorf("settled by a worker of another queue: %v", err)
	}
	ended, end := context.WithCancel(ctx)
	end()
	if err := w.Settle(ended, job, "", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("settled in a context that has ended: %v", err)
	}
	ok(t, w.Settle(ctx, job, "", nil, nil))
}

func testFetchSchedule(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "tick", bullmq.Schedule{Every: time.Hour}, bullmq.JobTemplate{}))
		w := newFetcher(t, s, bullmq.WorkerOptions{})
		first := must[*bullmq.Job](t)(w.Fetch(ctx, ""))
		ok(t, w.Settle(ctx, first, "", nil, nil))
		if n := s.rdb.ZCard(ctx, "bull:q:delayed").Val(); n != 1 {
			t.Errorf("%d jobs follow", n)
		}
	})
}

func testFetchCheckStalled(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
		w := newFetcher(t, s, bullmq.WorkerOptions{})
		must[*bullmq.Job](t)(w.Fetch(ctx, ""))
		ok(t, s.rdb.Del(ctx, "bull:q:x:lock").Err()) // as when it has run out
		var back []string
		for range 2 { // the first check suspects it
			back = must[[]string](t)(w.CheckStalled(ctx))
			ok(t, s.rdb.Del(ctx, "bull:q:stalled-check").Err())
		}
		if d := cmp.Diff([]string{"x"}, back); d != "" {
			t.Error(d)
		}
		eventually(t, q, "x", bullmq.StateWaiting)
	})
}

// Settle repeats its call while Redis is unavailable, also one that was carried out and whose
// reply was lost.
func testFetchOutage(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := redistest.Start(t, redistest.Options{})
	rdb := redis.NewClient(&redis.Options{Addr: r.Addr, ReadTimeout: 100 * time.Millisecond})
	t.Cleanup(func() { _ = rdb.Close() })
	q := newQueue(t, rdb, bullmq.QueueOptions{})
	must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
	lost := make(chan struct{})
	w := newFetcher(t, &server{rdb: rdb}, bullmq.WorkerOptions{Hooks: bullmq.WorkerHooks{OnLost: func(error) { close(lost) }}})
	job := must[*bullmq.Job](t)(w.Fetch(ctx, ""))
	r.Pause()
	settled := make(chan error, 1)
	go func() { settled <- w.Settle(ctx, job, "", "done", nil) }()
	<-lost // the first call, which Redis carries out when it goes on
	r.Continue()
	ok(t, <-settled)
	if done := eventually(t, q, "x", bullmq.StateCompleted); string(done.ReturnValue) != `"done"` {
		t.Errorf("%+v", done)
	}
}
