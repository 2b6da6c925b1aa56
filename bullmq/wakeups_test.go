package bullmq_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// A job that is added to an idle queue is fetched by one worker, with one call. Each worker has several free slots.
func TestWakeUps(t *testing.T) {
	t.Parallel()
	const jobs, calls = 20, 3 // calls for each job: add, fetch, finish
	s := realServer(t)
	q, ctx := newQueue(t, s.rdb, bullmq.QueueOptions{}), context.Background()
	done := make(chan string, 1)
	for range 2 {
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{
			Concurrency: 5, StalledInterval: time.Hour, LockDuration: time.Hour, DrainDelay: time.Hour, Hooks: bullmq.WorkerHooks{
				OnCompleted: func(j *bullmq.Job) { done <- j.ID },
			}})
	}
	run := func(n int) {
		for range n {
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{}))
			<-done
		}
	}
	run(3) // the workers have begun
	before := scriptCalls(t, s)
	run(jobs)
	if n := scriptCalls(t, s) - before; n > jobs*calls+calls {
		t.Errorf("%d script calls for %d jobs, want %d", n, jobs, jobs*calls)
	}
}

// scriptCalls is how many scripts a server has run by their hashes.
func scriptCalls(t *testing.T, s *server) (n int) {
	t.Helper()
	_, after, _ := strings.Cut(must[string](t)(s.rdb.Info(t.Context(), "commandstats").Result()), "cmdstat_evalsha:calls=")
	if _, err := fmt.Sscanf(after, "%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}
