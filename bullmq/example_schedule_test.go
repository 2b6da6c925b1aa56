package bullmq_test

import (
	"context"
	"fmt"
	"time"

	"schoolbell/bullmq"
)

// Duplicate jobs are dropped while the first one is waiting or active.
func ExampleDeduplication() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "index", bullmq.QueueOptions{})
	opts := bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "page-7"}}
	for _, edit := range []string{"first edit", "second edit"} {
		job, err := queue.Add(ctx, "reindex", edit, opts)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("job", job.ID, "existed:", job.Existed)
	}
	holder, _ := queue.DeduplicationJobID(ctx, "page-7")
	fmt.Println("held by job", holder)
	// Output:
	// job 1 existed: false
	// job 1 existed: true
	// held by job 1
}

// A delayed job is postponed whenever a new one is added, and the last one runs.
func ExampleDeduplication_debounce() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "index", bullmq.QueueOptions{})
	for _, edit := range []string{"first edit", "second edit", "third edit"} {
		_, err := queue.Add(ctx, "reindex", edit, bullmq.JobOptions{
			Delay:         time.Minute,
			Deduplication: &bullmq.Deduplication{ID: "page-7", TTL: time.Minute, Extend: true, Replace: true},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	jobs, _ := queue.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{bullmq.StateDelayed}, OldestFirst: true})
	for _, job := range jobs {
		fmt.Println(string(job.Data))
	}
	// Output: "third edit"
}

// An active job is followed by the last job that was dropped meanwhile.
func ExampleDeduplication_keepLast() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "index", bullmq.QueueOptions{})
	opts := bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "page-7", KeepLastIfActive: true}}
	_, _ = queue.Add(ctx, "reindex", "first edit", opts)
	worker, _ := bullmq.NewWorker(rdb, "index", func(ctx context.Context, job *bullmq.Job) (any, error) {
		fmt.Println(string(job.Data))
		if string(job.Data) == `"third edit"` {
			cancel()
			return nil, nil
		}
		for _, edit := range []string{"second edit", "third edit"} { // added while it runs
			if _, err := queue.Add(ctx, "reindex", edit, opts); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}, bullmq.WorkerOptions{})
	_ = worker.Run(ctx)
	// Output:
	// "first edit"
	// "third edit"
}

// With a TTL, at most one job is added in that time, even if it completes sooner.
func ExampleDeduplication_throttle() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "alarms", bullmq.QueueOptions{})
	opts := bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "disk-full", TTL: time.Hour}}
	first, _ := queue.Add(ctx, "page", nil, opts)
	_ = queue.Remove(ctx, first.ID, bullmq.RemoveOptions{})
	freed, _ := queue.Add(ctx, "page", nil, opts) // a removal frees the id, an end would not
	again, err := queue.Add(ctx, "page", nil, opts)
	fmt.Println(freed.Existed, again.Existed, err)
	// Output: false true <nil>
}

// A scheduler adds a job each Friday morning; the workers of the queue run it.
func ExampleQueue_UpsertScheduler() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	monday := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	queue, _ := bullmq.NewQueue(rdb, "reports", bullmq.QueueOptions{Clock: func() time.Time { return monday }})

	// Safe to call at each start of a program: the scheduler is created once.
	job, err := queue.UpsertScheduler(ctx, "weekly-report",
		bullmq.Schedule{Pattern: "0 9 * * FRI", TZ: "Europe/Berlin"},
		bullmq.JobTemplate{Name: "report", Data: map[string]string{"kind": "weekly"}, Options: bullmq.JobOptions{Attempts: 3}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(job.Name, string(job.Data), "runs in", job.Delay)

	schedulers, _ := queue.Schedulers(ctx, bullmq.SchedulersOptions{})
	for _, s := range schedulers {
		fmt.Println(s.ID, s.Schedule.Pattern, s.Next)
	}
	removed, _ := queue.RemoveScheduler(ctx, "weekly-report")
	fmt.Println("removed:", removed)
	// Output:
	// report {"kind":"weekly"} runs in 92h0m0s
	// weekly-report 0 9 * * FRI 2026-11-27 08:00:00 +0000 UTC
	// removed: true
}

// Any program can add custom events to those of a queue.
func ExampleQueue_Publish() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	if _, err := queue.Publish(ctx, "bounced", map[string]string{"jobId": "7", "to": "ada@example.org"}); err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range queue.Events(ctx, bullmq.EventsOptions{After: "0"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(event.Name, event.JobID, event.Fields["to"])
		break
	}
	// Output: bounced 7 ada@example.org
}

// A program can check its Redis server before it relies on it.
func ExampleQueue_CheckServer() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	info, err := queue.CheckServer(context.Background())
	if err != nil { // ErrServerTooOld, ErrServerReadOnly, or Redis is unavailable
		fmt.Println(err)
		return
	}
	fmt.Println(len(info.Warnings), "warnings")
	// Output: 0 warnings
}

// Waiting jobs are counted by priority; 0 stands for no priority.
func ExampleQueue_CountsPerPriority() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	for _, priority := range []int{0, 1, 1} {
		_, _ = queue.Add(ctx, "welcome", nil, bullmq.JobOptions{Priority: priority})
	}
	counts, err := queue.CountsPerPriority(ctx, 0, 1, 2)
	fmt.Println(counts, err)
	// Output: map[0:1 1:2 2:0] <nil>
}

// Workers with MetricsPoints count the jobs that have finished.
func ExampleQueue_Metrics() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "welcome", nil, bullmq.JobOptions{})
	worker, _ := bullmq.NewWorker(rdb, "mails", func(context.Context, *bullmq.Job) (any, error) {
		cancel() // a real program stops at SIGTERM
		return nil, nil
	}, bullmq.WorkerOptions{MetricsPoints: 24 * 60})
	_ = worker.Run(ctx)

	metrics, err := queue.Metrics(context.Background(), bullmq.StateCompleted, 0, -1)
	fmt.Println(metrics.Count, err)
	// Output: 1 <nil>
}

// A custom function computes the runs of patterns in another syntax.
func ExampleRepeatFunc() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	sunrise := func(after time.Time, _ bullmq.Schedule, _ string) (time.Time, error) {
		at := time.Date(after.Year(), after.Month(), after.Day(), 6, 30, 0, 0, time.UTC) // stands for an almanac
		if !at.After(after) {
			at = at.AddDate(0, 0, 1)
		}
		return at, nil
	}
	noon := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	queue, _ := bullmq.NewQueue(rdb, "lights", bullmq.QueueOptions{Repeat: sunrise, Clock: func() time.Time { return noon }})
	_ = bullmq.WorkerOptions{Repeat: sunrise} // for workers of the queue

	job, err := queue.UpsertScheduler(ctx, "off", bullmq.Schedule{Pattern: "sunrise"}, bullmq.JobTemplate{})
	fmt.Println(noon.Add(job.Delay), err)
	// Output: 2027-03-02 06:30:00 +0000 UTC <nil>
}
