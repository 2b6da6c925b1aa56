package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
)

// Hooks report outcomes. A custom strategy sets the wait before the next attempt.
func ExampleWorkerHooks() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "welcome", nil, bullmq.JobOptions{
		Attempts: 3, Backoff: &bullmq.Backoff{Type: "in no time", Delay: time.Millisecond},
	})
	worker, _ := bullmq.NewWorker(rdb, "mails", func(_ context.Context, job *bullmq.Job) (any, error) {
		if job.Attempt() < 3 {
			return nil, errors.New("busy")
		}
		return "sent", nil
	}, bullmq.WorkerOptions{
		Backoffs: map[string]bullmq.BackoffFunc{
			"in no time": func(attempt int, b bullmq.Backoff, _ error, _ *bullmq.Job) time.Duration {
				return time.Duration(attempt) * b.Delay
			},
		},
		Hooks: bullmq.WorkerHooks{
			OnRetry:     func(_ *bullmq.Job, err error, wait time.Duration) { fmt.Println(err, "again in", wait) },
			OnCompleted: func(job *bullmq.Job) { fmt.Println(string(job.ReturnValue)); cancel() },
		},
	})
	_ = worker.Run(ctx)
	// Output:
	// busy again in 1ms
	// busy again in 2ms
	// "sent"
}

// An option of the child sets what its failure means for the parent.
func ExampleFailureMode() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "reports", bullmq.QueueOptions{})
	_, _ = bullmq.AddFlow(ctx, bullmq.FlowJob{Queue: queue, Name: "bind", Children: []bullmq.FlowJob{
		{Name: "picture", Options: bullmq.JobOptions{ID: "picture", OnFailure: bullmq.IgnoreDependency}},
	}})
	worker, _ := bullmq.NewWorker(rdb, "reports", func(ctx context.Context, job *bullmq.Job) (any, error) {
		if job.Name == "picture" {
			return nil, errors.New("no such file")
		}
		defer cancel()
		missing, err := job.IgnoredChildrenFailures(ctx)
		fmt.Println("bound without", missing)
		return nil, err
	}, bullmq.WorkerOptions{})
	_ = worker.Run(ctx)
	// Output: bound without map[bull:reports:picture:no such file]
}

// When a worker is lost while it runs a job, another worker takes the job over.
func ExampleWorker_Run_stalled() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "films", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "encode", nil, bullmq.JobOptions{ID: "film"})
	opts := bullmq.WorkerOptions{LockDuration: 100 * time.Millisecond, StalledInterval: 50 * time.Millisecond}

	// The first worker starts the job and is cut off from Redis.
	cable := redis.NewClient(rdb.Options())
	lost, _ := bullmq.NewWorker(cable, "films", func(ctx context.Context, _ *bullmq.Job) (any, error) {
		_ = cable.Close()
		<-ctx.Done()
		fmt.Println(context.Cause(ctx))
		return nil, ctx.Err()
	}, opts)
	gone := make(chan error)
	go func() { gone <- lost.Run(ctx) }()
	for state := bullmq.StateWaiting; state != bullmq.StateActive; {
		state, _ = queue.State(ctx, "film")
	}

	opts.Hooks.OnStalled = func(id string) { fmt.Println(id, "waits again") }
	second, _ := bullmq.NewWorker(rdb, "films", func(context.Context, *bullmq.Job) (any, error) {
		defer cancel()
		fmt.Println("encoded")
		return nil, nil
	}, opts)
	fmt.Println(second.Run(ctx), <-gone)
	// Unordered output:
	// bullmq: job lock lost
	// film waits again
	// encoded
	// <nil> <nil>
}

// A scheduler adds a job at an interval, here three times.
func ExampleSchedule() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "health", bullmq.QueueOptions{})
	_, err := queue.UpsertScheduler(ctx, "heartbeat", bullmq.Schedule{Every: 20 * time.Millisecond, Limit: 3},
		bullmq.JobTemplate{Name: "beat", Options: bullmq.JobOptions{RemoveOnComplete: &bullmq.Keep{None: true}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	beats := 0
	worker, _ := bullmq.NewWorker(rdb, "health", func(_ context.Context, job *bullmq.Job) (any, error) {
		fmt.Println(job.Name, "of", job.SchedulerID)
		if beats++; beats == 3 {
			cancel()
		}
		return nil, nil
	}, bullmq.WorkerOptions{})
	_ = worker.Run(ctx)
	// Output:
	// beat of heartbeat
	// beat of heartbeat
	// beat of heartbeat
}

// The workers of a queue are listed, whatever language they are written in.
func ExampleQueue_Workers() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	workers, err := queue.Workers(context.Background())
	for _, w := range workers {
		fmt.Println(w.Name, "from", w.Addr, "for", w.Age)
	}
	fmt.Println(err)
	// Output:
	// berlin-1 from 10.0.0.7:40312 for 2h0m0s
	// <nil>
}

// A program that runs jobs itself fetches and settles them.
func ExampleWorker_Fetch() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "films", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "encode", nil, bullmq.JobOptions{})
	_, _ = queue.Add(ctx, "upload", nil, bullmq.JobOptions{})

	var mux bullmq.Mux // no handlers: the worker is never run
	worker, _ := bullmq.NewWorker(rdb, "films", mux.Run, bullmq.WorkerOptions{})
	for {
		job, err := worker.Fetch(ctx, "")
		if err != nil || job == nil {
			break
		}
		fmt.Println("settled", job.Name, worker.Settle(ctx, job, "", "done", nil))
	}
	counts, err := queue.Counts(ctx, bullmq.StateCompleted)
	fmt.Println(counts, err)
	// Output:
	// settled encode <nil>
	// settled upload <nil>
	// map[completed:2] <nil>
}

// A worker is paused while its machine is busy with something else.
func ExampleWorker_Pause() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "films", bullmq.QueueOptions{})
	job, _ := queue.Add(ctx, "encode", nil, bullmq.JobOptions{})

	worker, _ := bullmq.NewWorker(rdb, "films", func(context.Context, *bullmq.Job) (any, error) {
		defer cancel()
		return "encoded", nil
	}, bullmq.WorkerOptions{})
	err := worker.Pause(ctx)
	ended := make(chan error)
	go func() { ended <- worker.Run(ctx) }()
	state, _ := queue.State(ctx, job.ID)
	fmt.Println(err, state)

	worker.Resume()
	_ = worker.SetConcurrency(4)
	err = <-ended
	state, _ = queue.State(context.Background(), job.ID)
	fmt.Println(err, state)
	// Output:
	// <nil> waiting
	// <nil> completed
}
