package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"schoolbell/bullmq"
)

// A report is bound once its two chapters, which have a separate queue, are written.
func ExampleAddFlow() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reports, _ := bullmq.NewQueue(rdb, "reports", bullmq.QueueOptions{})
	chapters, _ := bullmq.NewQueue(rdb, "chapters", bullmq.QueueOptions{})

	_, err := bullmq.AddFlow(ctx, bullmq.FlowJob{
		Queue: reports, Name: "bind", Options: bullmq.JobOptions{ID: "report"},
		Children: []bullmq.FlowJob{
			{Queue: chapters, Name: "write", Data: 1, Options: bullmq.JobOptions{ID: "first"}},
			{Queue: chapters, Name: "write", Data: 2, Options: bullmq.JobOptions{ID: "second", OnFailure: bullmq.FailParent}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	write, _ := bullmq.NewWorker(rdb, "chapters", bullmq.HandlerFor(
		func(_ context.Context, _ *bullmq.Job, number int) (string, error) {
			return fmt.Sprint("chapter ", number), nil
		}), bullmq.WorkerOptions{})
	bind, _ := bullmq.NewWorker(rdb, "reports", func(ctx context.Context, job *bullmq.Job) (any, error) {
		defer cancel()
		values, err := job.ChildrenValues(ctx)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			fmt.Println(key, string(values[key]))
		}
		return nil, err
	}, bullmq.WorkerOptions{})
	written := make(chan error)
	go func() { written <- write.Run(ctx) }()
	fmt.Println(bind.Run(ctx), <-written)
	// Output:
	// bull:chapters:first "chapter 1"
	// bull:chapters:second "chapter 2"
	// <nil> <nil>
}

// A tree of jobs is read with the children of each.
func ExampleQueue_Flow() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "reports", bullmq.QueueOptions{})
	_, _ = bullmq.AddFlow(ctx, bullmq.FlowJob{Queue: queue, Name: "bind", Options: bullmq.JobOptions{ID: "report"},
		Children: []bullmq.FlowJob{{Name: "print"}}})

	tree, err := queue.Flow(ctx, "report", bullmq.FlowLimits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	counts, err := tree.Job.DependencyCounts(ctx)
	fmt.Println(tree.Job.Name, "waits for", tree.Children[0].Job.Name, counts.Unprocessed, err)
	// Output: bind waits for print 1 <nil>
}

// A job that is no longer needed is cancelled while it runs.
func ExampleWorker_Cancel() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "films", bullmq.QueueOptions{})
	_, _ = queue.Add(ctx, "encode", nil, bullmq.JobOptions{ID: "film", Attempts: 3})

	running := make(chan string, 1)
	worker, _ := bullmq.NewWorker(rdb, "films", func(ctx context.Context, job *bullmq.Job) (any, error) {
		running <- job.ID
		<-ctx.Done() // stands for work that watches its context
		return nil, ctx.Err()
	}, bullmq.WorkerOptions{Hooks: bullmq.WorkerHooks{OnFailed: func(_ *bullmq.Job, err error) {
		fmt.Println(err)
		cancel()
	}}})
	go func() { worker.Cancel(<-running, bullmq.Unrecoverable(errors.New("the film was deleted"))) }()
	_ = worker.Run(ctx)
	// Output: bullmq: job was cancelled: the film was deleted
}

// logTracer shows how a tracing library is connected.
type logTracer struct{}

func (logTracer) Start(ctx context.Context, s bullmq.Span, remote map[string]string) (context.Context, func(bullmq.SpanEnd)) {
	return ctx, func(e bullmq.SpanEnd) { fmt.Println(s.Operation, s.JobName, remote["traceparent"], e.Err) }
}

func (logTracer) Inject(_ context.Context, headers map[string]string) {
	headers["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
}

// The trace of the program that adds a job continues in the worker. Package bullmqotel has
// the Tracer for OpenTelemetry.
func ExampleTracer() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{Tracer: logTracer{}})
	_, _ = queue.Add(ctx, "welcome", nil, bullmq.JobOptions{})
	worker, _ := bullmq.NewWorker(rdb, "mails", func(context.Context, *bullmq.Job) (any, error) {
		cancel()
		return nil, nil
	}, bullmq.WorkerOptions{Tracer: logTracer{}})
	_ = worker.Run(ctx)
	// Output:
	// add welcome  <nil>
	// complete welcome  <nil>
	// process welcome 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 <nil>
}

// Both sides of a queue agree on the payload's type.
func ExampleHandlerFor() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type welcome struct{ To string }
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{})
	_, _ = bullmq.AddTyped(ctx, queue, "welcome", welcome{"ada@example.org"}, bullmq.JobOptions{})
	worker, _ := bullmq.NewWorker(rdb, "mails", bullmq.HandlerFor(
		func(_ context.Context, _ *bullmq.Job, w welcome) (string, error) {
			defer cancel()
			fmt.Println("welcome", w.To)
			return "sent", nil
		}), bullmq.WorkerOptions{})
	_ = worker.Run(ctx)
	// Output: welcome ada@example.org
}

// A page of children includes their jobs. An iterator reads all children.
func ExampleQueue_DependencyPage() {
	rdb, closeAll := exampleRedis()
	defer closeAll()
	ctx := context.Background()
	queue, _ := bullmq.NewQueue(rdb, "reports", bullmq.QueueOptions{})
	tree, _ := bullmq.AddFlow(ctx, bullmq.FlowJob{Queue: queue, Name: "bind", Options: bullmq.JobOptions{ID: "report"},
		Children: []bullmq.FlowJob{{Name: "print"}, {Name: "print"}, {Name: "print"}}})

	page, err := queue.DependencyPage(ctx, "report", bullmq.DependenciesOptions{Kind: bullmq.Unprocessed, Limit: 2, WithJobs: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(page.Dependencies), "of", page.Total, "wait, the first to", page.Dependencies[0].Job.Name)

	open := 0
	for _, err := range tree.Job.Dependencies(ctx, bullmq.DependenciesOptions{Kind: bullmq.Unprocessed}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		open++
	}
	fmt.Println(open)
	// Output:
	// 2 of 3 wait, the first to print
	// 3
}
