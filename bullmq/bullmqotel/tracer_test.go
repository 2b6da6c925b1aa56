package bullmqotel_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	api "go.opentelemetry.io/otel/trace"

	"schoolbell/bullmq"
	"schoolbell/bullmq/bullmqotel"
	"schoolbell/bullmq/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m) }

// record returns options whose spans can be read.
func record() (bullmqotel.Options, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	return bullmqotel.Options{
		TracerProvider: trace.NewTracerProvider(trace.WithSpanProcessor(spans)),
		Propagator:     propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}, spans
}

// seen is what of a span is compared.
type seen struct {
	Name       string
	Kind       api.SpanKind
	Attributes map[string]any
	Events     map[string]map[string]any
}

func see(s trace.ReadOnlySpan) seen {
	out := seen{Name: s.Name(), Kind: s.SpanKind(), Attributes: map[string]any{}, Events: map[string]map[string]any{}}
	for _, a := range s.Attributes() {
		out.Attributes[string(a.Key)] = a.Value.AsInterface()
	}
	for _, e := range s.Events() {
		values := map[string]any{}
		for _, a := range e.Attributes {
			values[string(a.Key)] = a.Value.AsInterface()
		}
		out.Events[e.Name] = values
	}
	return out
}

func TestTracer(t *testing.T) {
	t.Parallel()
	t.Run("spans are those of BullMQ", testTracerSpansOfBullMQ)
	t.Run("results are omitted on request", testTracerOmitResults)
	t.Run("trace and baggage are propagated in headers", testTracerPropagation)
	t.Run("zero options use the global providers", testTracerGlobalProviders)
}

func testTracerSpansOfBullMQ(t *testing.T) {
	t.Parallel()
	begun, ended := time.UnixMilli(1_700_000_000_000), time.UnixMilli(1_700_000_000_250)
	run := bullmq.Span{Operation: bullmq.SpanProcess, Queue: "q", JobName: "n", JobID: "7", Jobs: 1, Attempt: 2, WorkerID: "w", ProcessedOn: begun}
	ran := func(extra map[string]any) map[string]any {
		out := map[string]any{
			"bullmq.queue.name": "q", "bullmq.queue.operation": "process", "bullmq.job.name": "n", "bullmq.job.id": "7", "bullmq.worker.id": "w",
			"bullmq.job.processed.timestamp": begun.UnixMilli(), "bullmq.job.attempt_finished_timestamp": ended.UnixMilli(),
			"bullmq.job.finished.timestamp": ended.UnixMilli(),
		}
		for name, value := range extra {
			out[name] = value
		}
		return out
	}
	exception := map[string]map[string]any{"exception": {"exception.type": "*errors.errorString", "exception.message": "no"}}
	named := run
	named.WorkerName = "ada"
	for _, tt := range []struct {
		about string
		span  bullmq.Span
		end   bullmq.SpanEnd
		want  seen
	}{
		{"a job is added", bullmq.Span{Operation: bullmq.SpanAdd, Queue: "q", JobName: "n", Jobs: 1}, bullmq.SpanEnd{JobID: "7"},
			seen{"add q.n", api.SpanKindProducer, map[string]any{
				"bullmq.queue.name": "q", "bullmq.queue.operation": "add", "bullmq.job.name": "n", "bullmq.job.id": "7",
			}, nil}},
		{"a job is not added", bullmq.Span{Operation: bullmq.SpanAdd, Queue: "q", JobName: "n", Jobs: 1}, bullmq.SpanEnd{Err: errors.New("no")},
			seen{"add q.n", api.SpanKindProducer, map[string]any{
				"bullmq.queue.name": "q", "bullmq.queue.operation": "add", "bullmq.job.name": "n",
			}, exception}},
		{"a scheduler's job is added", bullmq.Span{Operation: bullmq.SpanAdd, Queue: "q", JobName: "n", SchedulerID: "s", Jobs: 1}, bullmq.SpanEnd{JobID: "repeat:s:1"},
			seen{"add q.n", api.SpanKindProducer, map[string]any{
				"bullmq.queue.name": "q", "bullmq.queue.operation": "add", "bullmq.job.scheduler.id": "s", "bullmq.job.id": "repeat:s:1",
			}, nil}},
		{"jobs are added", bullmq.Span{Operation: bullmq.SpanAddBulk, Queue: "q", JobNames: []string{"a", "b"}, Jobs: 2}, bullmq.SpanEnd{},
			seen{"addBulk q", api.SpanKindProducer, map[string]any{
				"bullmq.queue.name": "q", "bullmq.queue.operation": "addBulk", "bullmq.job.bulk.count": int64(2), "bullmq.job.bulk.names": []string{"a", "b"},
			}, nil}},
		{"a flow is added", bullmq.Span{Operation: bullmq.SpanAddFlow, Queue: "q", JobName: "root", Jobs: 1}, bullmq.SpanEnd{},
			seen{"addFlow q", api.SpanKindProducer, map[string]any{
				"bullmq.queue.name": "q", "bullmq.queue.operation": "addFlow", "bullmq.flow.name": "root",
			}, nil}},
		{"flows are added", bullmq.Span{Operation: bullmq.SpanAddFlows, JobNames: []string{"a", "b"}, Jobs: 2}, bullmq.SpanEnd{},
			seen{"addBulkFlows", api.SpanKindProducer, map[string]any{
				"bullmq.queue.name": "", "bullmq.queue.operation": "addBulkFlows", "bullmq.job.bulk.count": int64(2), "bullmq.job.bulk.names": "a,b",
			}, nil}},
		{"a flow's job is added", bullmq.Span{Operation: bullmq.SpanAddNode, Queue: "q", JobName: "n", JobID: "x", Jobs: 1}, bullmq.SpanEnd{},
			seen{"addNode q", api.SpanKindProducer, map[string]any{
				"bullmq.queue.name": "q", "bullmq.queue.operation": "addNode", "bullmq.job.name": "n", "bullmq.job.id": "x",
			}, nil}},
		{"a job completes", named, bullmq.SpanEnd{AttemptsMade: 2, Result: json.RawMessage(`{"a":1}`), Time: ended},
			seen{"process q", api.SpanKindConsumer, ran(map[string]any{"bullmq.job.attempts.made": int64(2), "bullmq.worker.name": "ada"}),
				map[string]map[string]any{"job completed": {"bullmq.job.result": `{"a":1}`}}}},
		{"a job completes with nothing", run, bullmq.SpanEnd{AttemptsMade: 2, Result: json.RawMessage(`null`), Time: ended},
			seen{"process q", api.SpanKindConsumer, ran(map[string]any{"bullmq.job.attempts.made": int64(2)}), map[string]map[string]any{"job completed": {}}}},
		{"an attempt fails", run, bullmq.SpanEnd{AttemptsMade: 2, Err: errors.New("no"), Time: ended},
			seen{"process q", api.SpanKindConsumer, ran(map[string]any{"bullmq.job.attempts.made": int64(2)}),
				map[string]map[string]any{"job failed": {"bullmq.job.failed.reason": "no"}}}},
		{"a job is moved", run, bullmq.SpanEnd{Time: ended}, seen{"process q", api.SpanKindConsumer, ran(nil), nil}},
		{"a run ends without an outcome", run, bullmq.SpanEnd{Err: errors.New("no"), Time: ended}, seen{"process q", api.SpanKindConsumer, ran(nil), exception}},
		{"an outcome is stored", bullmq.Span{Operation: bullmq.SpanDelay, Queue: "q", JobName: "n", JobID: "7", Jobs: 1}, bullmq.SpanEnd{},
			seen{"delay q", api.SpanKindInternal, map[string]any{
				"bullmq.queue.name": "q", "bullmq.queue.operation": "delay", "bullmq.job.name": "n", "bullmq.job.id": "7",
			}, nil}},
	} {
		t.Run(tt.about, func(t *testing.T) {
			options, spans := record()
			_, end := bullmqotel.New(options).Start(context.Background(), tt.span, nil)
			end(tt.end)
			if tt.want.Events == nil {
				tt.want.Events = map[string]map[string]any{}
			}
			got := spans.Ended()[0]
			if d := cmp.Diff(tt.want, see(got)); d != "" {
				t.Error(d)
			}
			if got.InstrumentationScope().Name != "bullmq" || got.Status().Code != 0 {
				t.Errorf("scope %v, status %v", got.InstrumentationScope(), got.Status())
			}
		})
	}
}

func testTracerOmitResults(t *testing.T) {
	t.Parallel()
	options, spans := record()
	options.OmitResults, options.Name, options.Version = true, "jobs", "1.2"
	_, end := bullmqotel.New(options).Start(context.Background(), bullmq.Span{Operation: bullmq.SpanProcess}, nil)
	end(bullmq.SpanEnd{AttemptsMade: 1, Result: json.RawMessage(`"secret"`)})
	got := spans.Ended()[0]
	if d := cmp.Diff(map[string]map[string]any{"job completed": {}}, see(got).Events); d != "" {
		t.Error(d)
	}
	if scope := got.InstrumentationScope(); scope.Name != "jobs" || scope.Version != "1.2" {
		t.Errorf("scope %v", scope)
	}
}

func testTracerPropagation(t *testing.T) {
	t.Parallel()
	options, spans := record()
	tracer := bullmqotel.New(options)
	member, err := baggage.NewMember("tenant", "7")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := tracer.Start(baggage.ContextWithBaggage(context.Background(), bag), bullmq.Span{Operation: bullmq.SpanAdd}, nil)
	headers := map[string]string{}
	tracer.Inject(ctx, headers)
	end(bullmq.SpanEnd{})

	ctx, end = tracer.Start(context.Background(), bullmq.Span{Operation: bullmq.SpanProcess}, headers)
	end(bullmq.SpanEnd{})
	add, process := spans.Ended()[0], spans.Ended()[1]
	if process.Parent().SpanID() != add.SpanContext().SpanID() || process.SpanContext().TraceID() != add.SpanContext().TraceID() || !process.Parent().IsRemote() {
		t.Errorf("headers %v: the run's parent is %v", headers, process.Parent())
	}
	if got := baggage.FromContext(ctx).Member("tenant").Value(); got != "7" {
		t.Errorf("baggage %q", got)
	}

	_, end = tracer.Start(context.Background(), bullmq.Span{Operation: bullmq.SpanProcess}, map[string]string{"traceparent": "nonsense"})
	end(bullmq.SpanEnd{})
	if parent := spans.Ended()[2].Parent(); parent.IsValid() {
		t.Errorf("nonsense has the parent %v", parent)
	}
}

// setGlobals sets what the process shares, once.
var setGlobals = sync.OnceValue(func() *tracetest.SpanRecorder {
	options, spans := record()
	otel.SetTracerProvider(options.TracerProvider)
	otel.SetTextMapPropagator(options.Propagator)
	return spans
})

func testTracerGlobalProviders(t *testing.T) {
	t.Parallel()
	tracer := bullmqotel.New(bullmqotel.Options{}) // before they are set
	spans := setGlobals()
	headers := map[string]string{}
	ctx, end := tracer.Start(context.Background(), bullmq.Span{Operation: bullmq.SpanAdd}, nil)
	tracer.Inject(ctx, headers)
	end(bullmq.SpanEnd{})
	if len(spans.Ended()) == 0 || headers["traceparent"] == "" {
		t.Errorf("%d spans, headers %v", len(spans.Ended()), headers)
	}
}
