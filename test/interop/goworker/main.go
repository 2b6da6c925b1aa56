// Command goworker is a Go worker as a program of its own, for tests that kill or
// stop one:
//
//	goworker -redis HOST:PORT -name NAME [flags] QUEUE...
//
// It prints "ready" once it waits for jobs. Job "hold" prints "holds ID" and runs
// until Redis has an element in the list "release"; any other takes two
// milliseconds. Each returns the worker's name. What could not be stored is printed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
)

func main() {
	addr := flag.String("redis", "127.0.0.1:6379", "address of Redis")
	name := flag.String("name", "go", "name of the worker and of its connections")
	concurrency := flag.Int("concurrency", 1, "jobs at a time in each queue")
	lock := flag.Duration("lock", 30*time.Second, "lock duration")
	stalled := flag.Duration("stalled", 30*time.Second, "interval of the search for jobs of lost workers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	rdb := redis.NewClient(&redis.Options{Addr: *addr, ClientName: *name, ReadTimeout: -1})
	defer rdb.Close()
	opts := bullmq.WorkerOptions{Name: *name, Concurrency: *concurrency, LockDuration: *lock, StalledInterval: *stalled}
	opts.Hooks.OnError = func(err error) { fmt.Println("error:", err) }
	if err := run(ctx, rdb, flag.Args(), opts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run works at the queues until ctx ends.
func run(ctx context.Context, rdb *redis.Client, queues []string, opts bullmq.WorkerOptions) error {
	var ready, running sync.WaitGroup
	ready.Add(len(queues))
	opts.Hooks.OnReady = ready.Done
	failed := make(chan error, len(queues))
	for _, queue := range queues {
		worker, err := bullmq.NewWorker(rdb, queue, handler(rdb, opts.Name), opts)
		if err != nil {
			return err
		}
		running.Go(func() {
			if err := worker.Run(ctx); err != nil {
				failed <- err
			}
		})
	}
	go func() {
		ready.Wait()
		fmt.Println("ready")
	}()
	running.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// handler ignores that its context ends, as some handlers do: what it returns then must do no harm.
func handler(rdb *redis.Client, name string) bullmq.Handler {
	return func(_ context.Context, job *bullmq.Job) (any, error) {
		if job.Name != "hold" {
			time.Sleep(2 * time.Millisecond)
			return name, nil
		}
		fmt.Println("holds", job.ID)
		return name, rdb.BLPop(context.Background(), 0, "release").Err()
	}
}
