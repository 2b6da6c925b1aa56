package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/test/queuesoak/soaker/plan"
)

// work runs jobs of all queues until ctx ends. It prints "runs ID ATTEMPT" as a handler
// begins, and "trouble: …" for what the library could not store.
func work(ctx context.Context, rdb *redis.Client, name string) error {
	queues, err := openQueues(rdb)
	if err != nil {
		return err
	}
	opts := bullmq.WorkerOptions{
		Name: name, Concurrency: 4, LockDuration: plan.Lock, StalledInterval: plan.Stalled, MaxStalledCount: -1,
		DrainDelay: 500 * time.Millisecond, Grace: 50 * time.Millisecond,
	}
	var running sync.WaitGroup
	opts.Hooks.OnError = func(err error) { fmt.Println("trouble:", err) }
	ended := make(chan error, len(queues))
	for queue := range queues {
		worker, err := bullmq.NewWorker(rdb, queue, func(ctx context.Context, job *bullmq.Job) (any, error) { return handle(ctx, queues, job) }, opts)
		if err != nil {
			return err
		}
		running.Go(func() { ended <- worker.Run(ctx) })
	}
	running.Wait()
	close(ended)
	for e := range ended {
		err = errors.Join(err, e)
	}
	return err
}

func openQueues(rdb *redis.Client) (map[string]*bullmq.Queue, error) {
	queues := map[string]*bullmq.Queue{}
	for _, name := range plan.Queues {
		q, err := bullmq.NewQueue(rdb, name, bullmq.QueueOptions{})
		if err != nil {
			return nil, err
		}
		queues[name] = q
	}
	return queues, nil
}

// handle does what the plan says of a job. Calls that the faults break are repeated: an
// attempt fails only if it is to fail.
func handle(ctx context.Context, queues map[string]*bullmq.Queue, job *bullmq.Job) (any, error) {
	fmt.Println("runs", job.ID, job.Attempt())
	p := plan.Of(job.ID)
	if p.Kind != plan.Iteration && string(job.Data) != p.Data() {
		return nil, bullmq.Unrecoverable(fmt.Errorf("data is %s", job.Data))
	}
	if err := speak(ctx, job, p); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(p.Work):
	}
	if p.Kind == plan.Step {
		if err := wait(ctx, queues, job, p); err != nil {
			return nil, err
		}
	}
	if job.Attempt() <= p.Fails {
		return nil, errors.New(p.Reason(job.Attempt()))
	}
	return result(ctx, job, p)
}

func speak(ctx context.Context, job *bullmq.Job, p plan.Job) error {
	if !p.Speaks {
		return nil
	}
	if _, err := surely(ctx, func() error { return job.UpdateProgress(ctx, job.Attempt()) }); err != nil {
		return err
	}
	_, err := surely(ctx, func() error { _, err := job.Log(ctx, fmt.Sprint("attempt ", job.Attempt())); return err })
	return err
}

// wait adds the job's children, each time the job is run, and waits for them.
func wait(ctx context.Context, queues map[string]*bullmq.Queue, job *bullmq.Job, p plan.Job) error {
	for _, id := range p.Parts {
		child := plan.Of(id)
		options := child.Options
		options.Parent = &bullmq.ParentRef{ID: job.ID, Queue: job.Queue().QualifiedName()}
		if _, err := surely(ctx, func() error {
			_, err := queues[child.Queue].Add(ctx, string(child.Kind), json.RawMessage(child.Data()), options)
			return err
		}); err != nil {
			return err
		}
	}
	var counts bullmq.DependencyCounts
	_, err := surely(ctx, func() (err error) { counts, err = job.DependencyCounts(ctx); return err })
	if err == nil && counts.Unprocessed > 0 {
		err = bullmq.WaitForChildren()
	}
	return err
}

func result(ctx context.Context, job *bullmq.Job, p plan.Job) (any, error) {
	r := plan.Result{ID: job.ID, Attempt: job.Attempt()}
	if len(p.Parts) == 0 {
		return r, nil
	}
	_, err := surely(ctx, func() (err error) {
		if r.Children, err = job.ChildrenValues(ctx); err == nil {
			r.Ignored, err = job.IgnoredChildrenFailures(ctx)
		}
		return err
	})
	return r, err
}
