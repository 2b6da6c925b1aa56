package bullmqotel_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"schoolbell/bullmq"
	"schoolbell/bullmq/bullmqotel"
)

// A trace that begins where a job is added goes on where it is run. Programs that
// set OpenTelemetry's globals need no options here.
func Example() {
	m, _ := miniredis.Run()
	defer m.Close()
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	defer func() { _ = rdb.Close() }()

	spans := tracetest.NewSpanRecorder() // stands for an exporter
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	tracer := bullmqotel.New(bullmqotel.Options{
		TracerProvider: provider,
		Propagator:     propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	})

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request, span := provider.Tracer("shop").Start(ctx, "POST /orders")
	queue, _ := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{Tracer: tracer})
	_, _ = queue.Add(request, "welcome", nil, bullmq.JobOptions{})
	span.End()

	worker, _ := bullmq.NewWorker(rdb, "mails", func(ctx context.Context, _ *bullmq.Job) (any, error) {
		_, span := provider.Tracer("mailer").Start(ctx, "SMTP")
		defer span.End()
		defer cancel()
		return nil, nil
	}, bullmq.WorkerOptions{Tracer: tracer})
	_ = worker.Run(ctx)

	for _, s := range spans.Ended() {
		fmt.Println(s.Name(), s.SpanContext().TraceID() == span.SpanContext().TraceID())
	}
	// Output:
	// add mails.welcome true
	// POST /orders true
	// SMTP true
	// complete mails true
	// process mails true
}
