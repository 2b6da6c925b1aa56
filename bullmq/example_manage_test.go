package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"schoolbell/bullmq"
)

// names lists the jobs of a state in the order in which they run.
func names(queue *bullmq.Queue, state bullmq.State) (names []string) {
	for job, err := range queue.AllJobs(context.Background(), state) {
		if err != nil {
			return []string{err.Error()}
		}
		names = append(names, job.Name)
	}
	return names
}

// Several jobs are added together, each with its own options.
func ExampleQueue_AddBulk() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_, err := queue.AddBulk(context.Background(), []bullmq.JobSpec{
		{Name: "first", Data: 1},
		{Name: "second", Data: 2},
		{Name: "at once", Options: bullmq.JobOptions{LIFO: true}}, // to the front of the queue
	})
	fmt.Println(names(queue, bullmq.StateWaiting), err)
	// Output: [at once first second] <nil>
}

// Jobs without a priority run first, then the prioritized ones, lowest number first.
func ExampleJob_ChangePriority() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "news", nil, bullmq.JobOptions{Priority: 5})
	digest, _ := queue.Add(ctx, "digest", nil, bullmq.JobOptions{Priority: 9})
	fmt.Println(names(queue, bullmq.StatePrioritized))

	err := digest.ChangePriority(ctx, 1, bullmq.PriorityOptions{})
	fmt.Println(names(queue, bullmq.StatePrioritized), err)
	// Output:
	// [news digest]
	// [digest news] <nil>
}

// A delayed job is postponed, or run at once.
func ExampleJob_ChangeDelay() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	job, _ := queue.Add(ctx, "reminder", nil, bullmq.JobOptions{ID: "reminder-1", Delay: time.Hour})
	err := job.ChangeDelay(ctx, 2*time.Hour) // from now
	fmt.Println(job.Delay, err)

	err = queue.Promote(ctx, "reminder-1")
	state, _ := queue.State(ctx, "reminder-1")
	fmt.Println(state, err)
	// Output:
	// 2h0m0s <nil>
	// waiting <nil>
}

// Only a failed job can be retried, unless From names another state. A waiting job is
// refused.
func ExampleQueue_Retry() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	job, _ := queue.Add(ctx, "welcome", nil, bullmq.JobOptions{})
	err := queue.Retry(ctx, job.ID, bullmq.RetryOptions{ResetAttemptsMade: true})
	var refused *bullmq.ScriptError
	fmt.Println(errors.As(err, &refused) && refused.Code == bullmq.CodeNotInState)
	// Output: true
}

// The payload of a waiting job can still be changed.
func ExampleJob_UpdateData() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	job, _ := queue.Add(ctx, "welcome", map[string]string{"to": "ada"}, bullmq.JobOptions{ID: "mail-1"})
	err := job.UpdateData(ctx, map[string]string{"to": "grace"})
	read, _ := queue.Job(ctx, "mail-1")
	fmt.Println(string(read.Data), err)
	// Output: {"to":"grace"} <nil>
}

// A job keeps the newest lines of its log.
func ExampleJob_Log() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	job, _ := queue.Add(ctx, "welcome", nil, bullmq.JobOptions{KeepLogs: 2})
	for _, line := range []string{"connected", "greeted", "sent"} {
		if _, err := job.Log(ctx, line); err != nil {
			fmt.Println(err)
			return
		}
	}
	lines, n, err := queue.Logs(ctx, job.ID, bullmq.LogsOptions{})
	fmt.Println(lines, n, err)
	// Output: [greeted sent] 2 <nil>
}

// While a queue is paused, jobs are added but none is started.
func ExampleQueue_Pause() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_ = queue.Pause(ctx)
	_, _ = queue.Add(ctx, "welcome", nil, bullmq.JobOptions{})
	paused, _ := queue.IsPaused(ctx)
	fmt.Println(paused, names(queue, bullmq.StateWaiting))
	_ = queue.Resume(ctx)
	paused, err := queue.IsPaused(ctx)
	fmt.Println(paused, err)
	// Output:
	// true [welcome]
	// false <nil>
}

// Limits for all workers of a queue together are stored in Redis.
func ExampleQueue_SetGlobalConcurrency() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_ = queue.SetGlobalConcurrency(ctx, 3)
	_ = queue.SetGlobalRateLimit(ctx, 100, time.Minute)
	meta, err := queue.Meta(ctx)
	fmt.Println(meta.Concurrency, "at a time,", meta.RateLimit.Max, "per", meta.RateLimit.Duration, err)
	// Output: 3 at a time, 100 per 1m0s <nil>
}

// All delayed jobs are promoted to run now.
func ExampleQueue_PromoteJobs() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	for _, name := range []string{"tomorrow", "next week"} {
		_, _ = queue.Add(ctx, name, nil, bullmq.JobOptions{Delay: 24 * time.Hour})
	}
	err := queue.PromoteJobs(ctx)
	fmt.Println(len(names(queue, bullmq.StateWaiting)), "wait", err)
	// Output: 2 wait <nil>
}

// Clean removes old jobs, Drain all that wait, Obliterate the whole queue.
func ExampleQueue_Clean() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{Clock: func() time.Time { return now }})
	_, _ = queue.Add(ctx, "welcome", nil, bullmq.JobOptions{ID: "old"})
	now = now.Add(time.Hour)
	_, _ = queue.Add(ctx, "welcome", nil, bullmq.JobOptions{ID: "new"})

	removed, err := queue.Clean(ctx, bullmq.StateWaiting, 30*time.Minute, 0)
	fmt.Println(removed, err)
	err = queue.Drain(ctx, bullmq.DrainOptions{Delayed: true})
	fmt.Println(names(queue, bullmq.StateWaiting), err)
	err = queue.Obliterate(ctx, bullmq.ObliterateOptions{})
	fmt.Println(rdb.DBSize(ctx).Val(), "keys are left", err)
	// Output:
	// [old] <nil>
	// [] <nil>
	// 0 keys are left <nil>
}

// A job is removed with its children, their children and so on.
func ExampleQueue_Remove() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "reports", bullmq.QueueOptions{})
	_, _ = bullmq.AddFlow(ctx, bullmq.FlowJob{Queue: queue, Name: "bind", Options: bullmq.JobOptions{ID: "report"},
		Children: []bullmq.FlowJob{{Name: "write"}, {Name: "print"}}})
	err := queue.Remove(ctx, "report", bullmq.RemoveOptions{Children: true})
	counts, _ := queue.Counts(ctx, bullmq.StateWaiting, bullmq.StateWaitingChildren)
	fmt.Println(counts, err)
	// Output: map[waiting:0 waiting-children:0] <nil>
}

// A reader of events continues after the last event that it has seen.
func ExampleEventsOptions() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "welcome", nil, bullmq.JobOptions{})
	last := "0" // a real program stores it
	for event, err := range queue.Events(ctx, bullmq.EventsOptions{After: last}) {
		fmt.Println(event.Name, err)
		last = event.ID
		break
	}
	for event, err := range queue.Events(ctx, bullmq.EventsOptions{After: last}) {
		fmt.Println(event.Name, err)
		break
	}
	// Output:
	// added <nil>
	// waiting <nil>
}

// Errors are distinguished with errors.Is and errors.As.
func ExampleScriptError() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "welcome", nil, bullmq.JobOptions{ID: "mail-1"})

	_, err := queue.Add(ctx, "welcome", nil, bullmq.JobOptions{Priority: -1})
	fmt.Println(errors.Is(err, bullmq.ErrInvalid))
	_, err = queue.Job(ctx, "mail-2")
	fmt.Println(errors.Is(err, bullmq.ErrJobNotFound))
	var refused *bullmq.ScriptError
	if err = queue.Promote(ctx, "mail-1"); errors.As(err, &refused) {
		fmt.Println(refused.Code == bullmq.CodeNotInState, err)
	}
	// Output:
	// true
	// true
	// true bullmq: promote job mail-1: job is not in the state needed
}

// Failed jobs are retried together, here once the mail server is back.
func ExampleQueue_RetryJobs() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_, _ = queue.AddBulk(ctx, []bullmq.JobSpec{{Name: "to ada"}, {Name: "to grace"}})
	failed := 0
	worker, _ := bullmq.NewWorker(rdb, "mails", func(context.Context, *bullmq.Job) (any, error) {
		return nil, errors.New("mail server is unavailable")
	}, bullmq.WorkerOptions{Hooks: bullmq.WorkerHooks{OnFailed: func(*bullmq.Job, error) {
		if failed++; failed == 2 {
			cancel()
		}
	}}})
	_ = worker.Run(ctx)

	err := queue.RetryJobs(context.Background(), bullmq.StateFailed, time.Time{})
	waiting := names(queue, bullmq.StateWaiting)
	slices.Sort(waiting)
	fmt.Println(waiting, err)
	// Output: [to ada to grace] <nil>
}

// A caller waits for the result of a job that some worker runs.
func ExampleQueue_WaitUntilFinished() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "sums", bullmq.QueueOptions{})
	worker, _ := bullmq.NewWorker(rdb, "sums", func(_ context.Context, job *bullmq.Job) (any, error) {
		if job.Name == "divide" {
			return nil, errors.New("division by zero")
		}
		return 42, nil
	}, bullmq.WorkerOptions{})
	var running sync.WaitGroup
	running.Go(func() { _ = worker.Run(ctx) })

	for _, name := range []string{"add", "divide"} {
		job, _ := queue.Add(ctx, name, nil, bullmq.JobOptions{})
		result, err := queue.WaitUntilFinished(ctx, job.ID)
		var failed *bullmq.JobFailedError
		if errors.As(err, &failed) {
			fmt.Println(name, "failed:", failed.Reason)
			continue
		}
		fmt.Println(name, "returned", string(result), err)
	}
	cancel()
	running.Wait()
	// Output:
	// add returned 42 <nil>
	// divide failed: division by zero
}

// A page of jobs is read for a list that a person looks at, a loop over all of them to do
// something with each.
func ExampleQueue_AllJobs() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	for _, to := range []string{"ada", "grace", "kurt"} {
		_, _ = bullmq.AddTyped(ctx, queue, "welcome", to, bullmq.JobOptions{})
	}
	page, err := queue.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{bullmq.StateWaiting}, Limit: 2, OldestFirst: true})
	fmt.Println(len(page), "jobs, the first for", string(page[0].Data), err)

	for job, err := range queue.AllJobs(ctx, bullmq.StateWaiting) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if string(job.Data) == `"grace"` {
			fmt.Println("removed:", queue.Remove(ctx, job.ID, bullmq.RemoveOptions{}))
		}
	}
	counts, err := queue.Counts(ctx, bullmq.StateWaiting)
	fmt.Println(counts[bullmq.StateWaiting], "are left", err)
	// Output:
	// 2 jobs, the first for "ada" <nil>
	// removed: <nil>
	// 2 are left <nil>
}
