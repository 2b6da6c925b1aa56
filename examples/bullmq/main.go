// Command bullmq shares queues with Node programs that use BullMQ, beside
// producer.cjs and worker.cjs in this folder:
//
//	REDIS_HOST=localhost go run ./examples/bullmq work welcome
//	REDIS_HOST=localhost go run ./examples/bullmq add farewell ada@example.org
//
// work runs jobs until SIGTERM or Ctrl-C; add adds one and waits for what a
// worker makes of it.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
)

// mail is a job's data and reply its result, the same in both languages.
type (
	mail struct {
		To string `json:"to"`
	}
	reply struct {
		Text string `json:"text"`
	}
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	rdb := redis.NewClient(&redis.Options{Addr: net.JoinHostPort(
		cmp.Or(os.Getenv("REDIS_HOST"), "localhost"), cmp.Or(os.Getenv("REDIS_PORT"), "6379"))})
	defer rdb.Close()
	switch {
	case len(args) == 2 && args[0] == "work":
		return work(ctx, rdb, args[1])
	case len(args) == 3 && args[0] == "add":
		return add(ctx, rdb, args[1], args[2])
	}
	return errors.New("usage: bullmq work QUEUE | bullmq add QUEUE ADDRESS")
}

// work runs a queue's jobs until ctx ends.
func work(ctx context.Context, rdb *redis.Client, queue string) error {
	welcome := func(ctx context.Context, job *bullmq.Job) (any, error) {
		var m mail
		if err := json.Unmarshal(job.Data, &m); err != nil {
			return nil, bullmq.Unrecoverable(err) // another attempt would not help
		}
		if err := job.UpdateProgress(ctx, 50); err != nil {
			return nil, err
		}
		return reply{"Go welcomes " + m.To}, nil
	}
	opts := bullmq.WorkerOptions{Name: "go", Concurrency: 4}
	opts.Hooks.OnReady = func() { fmt.Println("the Go worker waits for jobs") }
	worker, err := bullmq.NewWorker(rdb, queue, welcome, opts)
	if err != nil {
		return err
	}
	return worker.Run(ctx)
}

// add adds a job and waits until it has ended.
func add(ctx context.Context, rdb *redis.Client, name, to string) error {
	queue, err := bullmq.NewQueue(rdb, name, bullmq.QueueOptions{})
	if err != nil {
		return err
	}
	defer queue.Close()
	job, err := queue.Add(ctx, "mail", mail{to}, bullmq.JobOptions{
		Attempts: 3, Backoff: &bullmq.Backoff{Type: "exponential", Delay: time.Second},
	})
	if err != nil {
		return err
	}
	for event, err := range queue.Events(ctx, bullmq.EventsOptions{After: "0"}) {
		switch {
		case err != nil:
			return err
		case event.JobID != job.ID:
		case event.Name == "failed":
			return fmt.Errorf("job %s failed: %s", job.ID, event.Fields["failedReason"])
		case event.Name == "completed":
			var r reply
			if err := json.Unmarshal([]byte(event.Fields["returnvalue"]), &r); err != nil {
				return err
			}
			fmt.Printf("job %s: %s\n", job.ID, r.Text)
			return nil
		}
	}
	return ctx.Err()
}
