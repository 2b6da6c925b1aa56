package bullmq_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	miniserver "github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
)

// exampleRedis stands for the Redis server that a program is configured with. Its clock is
// the machine's, and one worker is connected to it.
func exampleRedis() (rdb *redis.Client, closeAll func()) {
	m, err := miniredis.Run()
	if err != nil {
		panic(err)
	}
	m.Server().SetPreHook(func(c *miniserver.Peer, cmd string, args ...string) bool {
		list := cmd == "CLIENT" && len(args) > 0 && strings.EqualFold(args[0], "list")
		if list {
			c.WriteBulk("id=7 addr=10.0.0.7:40312 name=bull:bWFpbHM=:w:berlin-1 age=7200 idle=1\n")
		}
		return list
	})
	stop := passTime(m)
	rdb = redis.NewClient(&redis.Options{Addr: m.Addr()})
	return rdb, func() { _ = rdb.Close(); stop(); m.Close() }
}

// A producer adds a job, a worker runs it.
func Example() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	queue, err := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = queue.Add(ctx, "welcome", map[string]string{"to": "ada@example.org"}, bullmq.JobOptions{
		Attempts: 3,
		Backoff:  &bullmq.Backoff{Type: "exponential", Delay: time.Second},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	worker, err := bullmq.NewWorker(rdb, "mails", func(ctx context.Context, job *bullmq.Job) (any, error) {
		var mail struct{ To string }
		if err := json.Unmarshal(job.Data, &mail); err != nil {
			return nil, bullmq.Unrecoverable(err) // another attempt would not help
		}
		fmt.Println(job.Name, "to", mail.To)
		cancel() // a real program stops at SIGTERM
		return "sent", nil
	}, bullmq.WorkerOptions{Concurrency: 5})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := worker.Run(ctx); err != nil {
		fmt.Println(err)
	}

	counts, err := queue.Counts(context.Background(), bullmq.StateCompleted, bullmq.StateWaiting)
	fmt.Println(counts, err)
	// Output:
	// welcome to ada@example.org
	// map[completed:1 waiting:0] <nil>
}

// A custom backoff strategy is chosen by the name in the job's options.
func ExampleBackoffFunc() {
	fiveFold := func(attempt int, b bullmq.Backoff, _ error, _ *bullmq.Job) time.Duration {
		for range attempt - 1 {
			b.Delay *= 5
		}
		return b.Delay
	}
	for attempt := 1; attempt <= 3; attempt++ {
		fmt.Println(fiveFold(attempt, bullmq.Backoff{Delay: 5 * time.Second}, nil, nil))
	}
	_ = bullmq.WorkerOptions{Backoffs: map[string]bullmq.BackoffFunc{"five-fold": fiveFold}}
	_ = bullmq.JobOptions{Attempts: 4, Backoff: &bullmq.Backoff{Type: "five-fold", Delay: 5 * time.Second}}
	// Output:
	// 5s
	// 25s
	// 2m5s
}

// A job adds children to itself, waits for them and then runs again.
func ExampleWaitForChildren() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "orders", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "order", nil, bullmq.JobOptions{ID: "order-1"})

	worker, _ := bullmq.NewWorker(rdb, "orders", func(ctx context.Context, job *bullmq.Job) (any, error) {
		if job.Name == "part" {
			return "packed", nil
		}
		if job.AttemptsStarted == 1 {
			_, err := queue.Add(ctx, "part", nil, bullmq.JobOptions{
				ID: "part-1", Parent: &bullmq.ParentRef{ID: job.ID, Queue: queue.QualifiedName()},
			})
			if err != nil {
				return nil, err
			}
		}
		if counts, err := job.DependencyCounts(ctx); err != nil || counts.Unprocessed > 0 {
			return nil, cmp.Or(err, bullmq.WaitForChildren())
		}
		parts, err := job.ChildrenValues(ctx)
		if err != nil {
			return nil, err
		}
		for child, value := range parts {
			fmt.Println(child, string(value))
		}
		cancel()
		return nil, nil
	}, bullmq.WorkerOptions{})
	_ = worker.Run(ctx)
	// Output: bull:orders:part-1 "packed"
}

// A handler that meets a limit announces it and hands its job back.
func ExampleThrottled() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "welcome", nil, bullmq.JobOptions{})
	errTooFast := errors.New("421 slow down")
	busy := true
	send := func() error {
		if busy {
			return errTooFast
		}
		return nil
	}

	worker, _ := bullmq.NewWorker(rdb, "mails", func(ctx context.Context, job *bullmq.Job) (any, error) {
		if err := send(); errors.Is(err, errTooFast) {
			busy = false
			return nil, bullmq.Throttled(20 * time.Millisecond)
		}
		fmt.Println("sent at start", job.AttemptsStarted, "and attempt", job.Attempt())
		cancel()
		return nil, nil
	}, bullmq.WorkerOptions{HeedRateLimit: true})
	_ = worker.Run(ctx)
	// Output: sent at start 2 and attempt 1
}

// One worker runs several kinds of jobs.
func ExampleMux() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "welcome", "Ada", bullmq.JobOptions{})
	_, _ = queue.Add(ctx, "farewell", nil, bullmq.JobOptions{})

	var mux bullmq.Mux
	mux.Handle("welcome", bullmq.HandlerFor(func(_ context.Context, _ *bullmq.Job, name string) (any, error) {
		fmt.Println("welcome,", name)
		return nil, nil
	}))
	worker, _ := bullmq.NewWorker(rdb, "mails", mux.Run, bullmq.WorkerOptions{Hooks: bullmq.WorkerHooks{
		OnFailed: func(_ *bullmq.Job, err error) { fmt.Println(err); cancel() },
	}})
	_ = worker.Run(ctx)
	// Output:
	// welcome, Ada
	// bullmq: no handler for jobs named "farewell"
}

// A long job ends early when its worker is stopped.
func ExampleStopping() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	queue, _ := bullmq.NewQueue(rdb, "films", bullmq.QueueOptions{})
	job, _ := queue.Add(ctx, "encode", nil, bullmq.JobOptions{})

	worker, _ := bullmq.NewWorker(rdb, "films", func(ctx context.Context, _ *bullmq.Job) (any, error) {
		for scene := 1; ; scene++ {
			select {
			case <-bullmq.Stopping(ctx):
				return nil, bullmq.Requeue()
			default:
				cancel() // stands for a signal to the program
			}
		}
	}, bullmq.WorkerOptions{})
	_ = worker.Run(ctx)
	state, err := queue.State(context.Background(), job.ID)
	fmt.Println(state, err)
	// Output: waiting <nil>
}

// Progress and outcomes of jobs are published as events.
func ExampleQueue_Events() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	job, _ := queue.Add(ctx, "welcome", nil, bullmq.JobOptions{})
	_ = job.UpdateProgress(ctx, 40)

	for event, err := range queue.Events(ctx, bullmq.EventsOptions{After: "0"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("job", event.JobID, event.Name)
		if event.Name == "progress" {
			fmt.Println(event.Fields["data"])
			break
		}
	}
	// Output:
	// job 1 added
	// job 1 waiting
	// job 1 progress
	// 40
}
