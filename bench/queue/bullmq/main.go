// Command bullmq is our library as the benchmark measures it. Its argument is the
// address of a Redis.
package main

import (
	"context"
	"os"

	"github.com/redis/go-redis/v9"

	"schoolbell/bench/queue/subject"
	"schoolbell/bullmq"
)

func main() {
	rdb := redis.NewClient(&redis.Options{Addr: os.Args[1]})
	q, err := bullmq.NewQueue(rdb, "bench", bullmq.QueueOptions{})
	subject.Fail(err)
	subject.Serve(&library{rdb, q})
}

type library struct {
	rdb *redis.Client
	q   *bullmq.Queue
}

func (l *library) Add(n int) {
	_, err := l.q.Add(context.Background(), "job", subject.PayloadOf(n), bullmq.JobOptions{})
	subject.Fail(err)
}

func (l *library) Bulk(from, to int) bool {
	specs := make([]bullmq.JobSpec, 0, to-from)
	for n := from; n < to; n++ {
		specs = append(specs, bullmq.JobSpec{Name: "job", Data: subject.PayloadOf(n)})
	}
	_, err := l.q.AddBulk(context.Background(), specs)
	subject.Fail(err)
	return true
}

func (l *library) Work(concurrency int, started func(int), done func()) (stop func()) {
	handle := func(context.Context, *bullmq.Job) (any, error) {
		started(0)
		return nil, nil
	}
	w, err := bullmq.NewWorker(l.rdb, "bench", handle, bullmq.WorkerOptions{
		Concurrency:      concurrency,
		RemoveOnComplete: &bullmq.Keep{None: true}, // as asynq does
		Hooks:            bullmq.WorkerHooks{OnCompleted: func(*bullmq.Job) { done() }},
	})
	subject.Fail(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		subject.Fail(w.Run(ctx))
	}()
	return func() { cancel(); <-ended }
}
