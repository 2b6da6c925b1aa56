package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

// eventually waits until a job is in a state.
func eventually(t *testing.T, q *bullmq.Queue, id string, want bullmq.State) *bullmq.Job {
	t.Helper()
	ctx := context.Background()
	testproc.Eventually(t, wait, func() error {
		if got := must[bullmq.State](t)(q.State(ctx, id)); got != want {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	}, "job %s is %s", id, want)
	return must[*bullmq.Job](t)(q.Job(ctx, id))
}

func TestWorker(t *testing.T) {
	t.Run("a job leaves the same events as in BullMQ", testWorkerEventsOfBullMQ)
	t.Run("jobs run in the order of the protocol", testWorkerOrder)
	t.Run("each job runs once over all slots and workers", testWorkerEachJobOnce)
	t.Run("one wake-up reaches all idle slots", testWorkerWakeUp)
	t.Run("missing jobs and damaged hashes do not stop a worker", testWorkerDamagedJobs)
}

func testWorkerEventsOfBullMQ(t *testing.T) {
	boom := errors.New("boom")
	fixed := &bullmq.Backoff{Type: "fixed", Delay: 5 * time.Millisecond}
	tests := []struct {
		name   string
		opts   bullmq.JobOptions
		handle bullmq.Handler
		end    bullmq.State
		trace  string
		check  func(t *testing.T, j *bullmq.Job)
	}{
		{
			"success", bullmq.JobOptions{},
			func(context.Context, *bullmq.Job) (any, error) { return map[string]int{"r": 1}, nil },
			bullmq.StateCompleted, "added, waiting, active, completed, drained",
			func(t *testing.T, j *bullmq.Job) {
				if string(j.ReturnValue) != `{"r":1}` || j.AttemptsMade != 1 || j.AttemptsStarted != 1 || j.ProcessedBy != "wk" {
					t.Errorf("%+v", j)
				}
			},
		},
		{
			"retry with backoff", bullmq.JobOptions{Attempts: 2, Backoff: fixed},
			func(context.Context, *bullmq.Job) (any, error) { return nil, boom },
			bullmq.StateFailed, "added, waiting, active, delayed, waiting(delayed), active, failed, retries-exhausted, drained",
			func(t *testing.T, j *bullmq.Job) {
				if j.FailedReason != "boom" || j.AttemptsMade != 2 || len(j.StackTrace) != 2 || j.Delay != 0 {
					t.Errorf("%+v", j)
				}
			},
		},
		{
			"retry at once", bullmq.JobOptions{Attempts: 2},
			func(context.Context, *bullmq.Job) (any, error) { return nil, boom },
			bullmq.StateFailed, "added, waiting, active, waiting(active), active, failed, retries-exhausted, drained", nil,
		},
		{
			"a prioritized job keeps its priority when retried", bullmq.JobOptions{Attempts: 2, Priority: 4},
			func(_ context.Context, j *bullmq.Job) (any, error) {
				if j.Attempt() == 1 {
					return nil, boom
				}
				return nil, nil
			},
			bullmq.StateCompleted, "added, waiting, active, waiting(active), active, completed, drained",
			func(t *testing.T, j *bullmq.Job) {
				if string(j.ReturnValue) != "null" || j.Priority != 4 {
					t.Errorf("%+v", j)
				}
			},
		},
		{
			"unrecoverable", bullmq.JobOptions{Attempts: 5},
			func(context.Context, *bullmq.Job) (any, error) {
				return nil, fmt.Errorf("wrapped: %w", bullmq.Unrecoverable(boom))
			},
			bullmq.StateFailed, "added, waiting, active, failed, drained", nil,
		},
		{
			"an unknown backoff strategy fails the job clearly", bullmq.JobOptions{Attempts: 5, Backoff: &bullmq.Backoff{Type: "theirs"}},
			func(context.Context, *bullmq.Job) (any, error) { return nil, boom },
			bullmq.StateFailed, "added, waiting, active, failed, drained",
			func(t *testing.T, j *bullmq.Job) {
				if !strings.Contains(j.FailedReason, `"theirs"`) || !strings.Contains(j.FailedReason, "boom") {
					t.Errorf("reason %q", j.FailedReason)
				}
			},
		},
		{
			"a strategy of the worker's own may end the attempts", bullmq.JobOptions{Attempts: 5, Backoff: &bullmq.Backoff{Type: "stop after 2"}},
			func(context.Context, *bullmq.Job) (any, error) { return nil, boom },
			bullmq.StateFailed, "added, waiting, active, delayed, waiting(delayed), active, failed, drained", nil,
		},
		{
			"delayed by its handler", bullmq.JobOptions{},
			func(ctx context.Context, j *bullmq.Job) (any, error) {
				if j.AttemptsStarted > 1 {
					return nil, nil
				}
				return nil, bullmq.DelayUntil(time.Now().Add(5 * time.Millisecond))
			},
			bullmq.StateCompleted, "added, waiting, active, delayed, waiting(delayed), active, completed, drained",
			func(t *testing.T, j *bullmq.Job) {
				if j.AttemptsMade != 1 || j.AttemptsStarted != 2 {
					t.Errorf("%+v", j)
				}
			},
		},
		{
			"handed back by its handler", bullmq.JobOptions{Attempts: 3},
			func(ctx context.Context, j *bullmq.Job) (any, error) {
				if j.AttemptsStarted > 1 {
					return nil, nil
				}
				return nil, fmt.Errorf("wrapped: %w", bullmq.Requeue())
			},
			bullmq.StateCompleted, "added, waiting, active, waiting(active), active, completed, drained", nil,
		},
		{
			"a panic is a failure with the stack", bullmq.JobOptions{},
			func(context.Context, *bullmq.Job) (any, error) { panic("ouch") },
			bullmq.StateFailed, "added, waiting, active, failed, retries-exhausted, drained",
			func(t *testing.T, j *bullmq.Job) {
				if !strings.Contains(j.FailedReason, "ouch") || !strings.Contains(j.StackTrace[0], "worker_test.go") {
					t.Errorf("%+v", j)
				}
			},
		},
		{
			"a result that does not encode is a failure", bullmq.JobOptions{},
			func(context.Context, *bullmq.Job) (any, error) { return func() {}, nil },
			bullmq.StateFailed, "added, waiting, active, failed, retries-exhausted, drained", nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onServers(t, func(t *testing.T, s *server) {
				ctx := context.Background()
				q := newQueue(t, s.rdb, bullmq.QueueOptions{})
				job := must[*bullmq.Job](t)(q.Add(ctx, "n", nil, tt.opts))
				stop := start(t, s.rdb, tt.handle, bullmq.WorkerOptions{Name: "wk", Backoffs: map[string]bullmq.BackoffFunc{
					"stop after 2": func(n int, _ bullmq.Backoff, err error, _ *bullmq.Job) time.Duration {
						if !errors.Is(err, boom) || n > 2 {
							t.Errorf("asked for attempt %d after %v", n, err)
						}
						return []time.Duration{5 * time.Millisecond, -1}[n-1]
					},
				}})
				read := eventually(t, q, job.ID, tt.end)
				stop()
				if got := strings.Join(trace(t, s), ", "); got != tt.trace {
					t.Errorf("events\n got %s\nwant %s", got, tt.trace)
				}
				if tt.check != nil {
					tt.check(t, read)
				}
				if left := s.rdb.Keys(ctx, "bull:q:*:lock").Val(); len(left) > 0 {
					t.Errorf("locks left: %v", left)
				}
			})
		})
	}
}

// trace lists the events, with the state a job came from where it says more than the event.
func trace(t *testing.T, s *server) []string {
	t.Helper()
	var names []string
	for _, e := range eventNames(t, s, "prev") {
		name, prev, _ := strings.Cut(e, " ")
		if name == "waiting" && prev != "" {
			name += "(" + prev + ")"
		}
		names = append(names, name)
	}
	return names
}

func testWorkerOrder(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		for _, a := range []struct {
			name string
			opts bullmq.JobOptions
		}{
			{"p2", bullmq.JobOptions{Priority: 2}}, {"p1a", bullmq.JobOptions{Priority: 1}}, {"p1b", bullmq.JobOptions{Priority: 1}},
			{"w1", bullmq.JobOptions{}}, {"w2", bullmq.JobOptions{}}, {"lifo", bullmq.JobOptions{LIFO: true}},
		} {
			must[*bullmq.Job](t)(q.Add(ctx, a.name, nil, a.opts))
		}
		order := make(chan string, 10)
		start(t, s.rdb, func(_ context.Context, j *bullmq.Job) (any, error) {
			order <- j.Name
			return nil, nil
		}, bullmq.WorkerOptions{})
		var got []string
		for range 6 {
			got = append(got, <-order)
		}
		if d := cmp.Diff([]string{"lifo", "w1", "w2", "p1a", "p1b", "p2"}, got); d != "" {
			t.Error(d)
		}
	})
}

func testWorkerEachJobOnce(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		var mu sync.Mutex
		runs := map[string]int{}
		h := func(_ context.Context, j *bullmq.Job) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			runs[j.ID]++
			return nil, nil
		}
		for i := range 3 {
			start(t, s.rdb, h, bullmq.WorkerOptions{Name: fmt.Sprint("w", i), Concurrency: 4})
		}
		specs := make([]bullmq.JobSpec, 300)
		must[[]*bullmq.Job](t)(q.AddBulk(ctx, specs))
		testproc.Eventually(t, wait, func() bool {
			return must[map[bullmq.State]int64](t)(q.Counts(ctx))[bullmq.StateCompleted] == 300
		}, "all completed")
		mu.Lock()
		defer mu.Unlock()
		for id, n := range runs {
			if n != 1 {
				t.Errorf("job %s ran %d times", id, n)
			}
		}
	})
}

func testWorkerWakeUp(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		var meet sync.WaitGroup
		meet.Add(6)
		h := func(context.Context, *bullmq.Job) (any, error) {
			meet.Done()
			meet.Wait() // ends only when six run at a time
			return nil, nil
		}
		start(t, s.rdb, h, bullmq.WorkerOptions{Concurrency: 3, DrainDelay: time.Minute})
		start(t, s.rdb, h, bullmq.WorkerOptions{Concurrency: 3, DrainDelay: time.Minute})
		for range 6 {
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{}))
		}
		testproc.Eventually(t, wait, func() bool {
			return must[map[bullmq.State]int64](t)(q.Counts(ctx))[bullmq.StateCompleted] == 6
		}, "all completed")
	})
}

func testWorkerDamagedJobs(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		s.rdb.RPush(ctx, "bull:q:wait", "ghost", "events", "meta", "0:1800000000000")
		s.rdb.HSet(ctx, "bull:q:half", "stc", 1)
		s.rdb.RPush(ctx, "bull:q:wait", "half")
		s.rdb.ZAdd(ctx, "bull:q:prioritized", zed(1<<32, "ghost2"))
		s.rdb.HSet(ctx, "bull:q:odd", "name", "odd", "data", "{not json", "opts", `["x"]`, "atm", "1.7e3", "stacktrace", "{}", "parent", "?", "parentKey", "bull:q:none", "priority", "x", "deid", "d")
		s.rdb.LPush(ctx, "bull:q:wait", "odd")
		must[*bullmq.Job](t)(q.Add(ctx, "good", nil, bullmq.JobOptions{ID: "good"}))
		start(t, s.rdb, func(_ context.Context, j *bullmq.Job) (any, error) {
			if j.ID == "ghost" || j.ID == "half" || j.ID == "ghost2" {
				t.Errorf("%s was run", j.ID)
			}
			return nil, nil
		}, bullmq.WorkerOptions{Concurrency: 2})
		eventually(t, q, "good", bullmq.StateCompleted)
		eventually(t, q, "odd", bullmq.StateCompleted)
		testproc.Eventually(t, wait, func() bool {
			return s.rdb.ZCard(ctx, "bull:q:prioritized").Val() == 0 && s.rdb.LLen(ctx, "bull:q:active").Val() == 0
		}, "no ghost is left")
		if n := s.rdb.Exists(ctx, "bull:q:ghost", "bull:q:half", "bull:q:ghost2").Val(); n != 0 {
			t.Errorf("%d ghosts were given a hash", n)
		}
		if n := s.rdb.Exists(ctx, "bull:q:events", "bull:q:meta").Val(); n != 2 {
			t.Error("one of the queue's own keys was taken for a ghost's")
		}
	})
}
