// Package bullmqotel follows the jobs of package bullmq with OpenTelemetry. Its spans,
// attributes and events are those of BullMQ's own adapter for Node, bullmq-otel, so that
// traces go on across both languages and a dashboard made for one shows the other.
//
//	tracer := bullmqotel.New(bullmqotel.Options{})
//	queue, err := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{Tracer: tracer})
//	worker, err := bullmq.NewWorker(rdb, "mails", handle, bullmq.WorkerOptions{Tracer: tracer})
//
// Adding jobs is a span of kind producer (add mails.welcome), a run one of kind consumer
// (process mails), whose parent is the former wherever that was. Each attempt has its
// own. Within it are what the handler does with its context, and a span for storing
// the outcome (complete, retry, delay or fail). As in Node, a failed attempt is the event
// "job failed" of its span, with the reason, and leaves the span's status alone; what a
// handler returned is in the event "job completed".
package bullmqotel

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"schoolbell/bullmq"
)

// Options are the settings of a tracer. The zero value works with OpenTelemetry's
// globals.
type Options struct {
	// TracerProvider makes the spans; nil means the global one, also if that is set later.
	TracerProvider trace.TracerProvider
	// Propagator writes trace contexts into jobs and reads them; nil means the global one,
	// which writes nothing until otel.SetTextMapPropagator has been called. Node programs read
	// propagation.TraceContext and propagation.Baggage.
	Propagator propagation.TextMapPropagator
	// Name is the instrumentation scope's; empty means "bullmq", as in Node.
	Name string
	// Version is the scope's, if it is to have one.
	Version string
	// OmitResults leaves out what handlers return, which may be long or nobody's business.
	OmitResults bool
}

// New returns a tracer for queues and workers. It holds nothing to be closed: that is
// the provider's.
func New(o Options) bullmq.Tracer {
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	if o.Propagator == nil {
		o.Propagator = otel.GetTextMapPropagator()
	}
	if o.Name == "" {
		o.Name = "bullmq"
	}
	var scope []trace.TracerOption
	if o.Version != "" {
		scope = append(scope, trace.WithInstrumentationVersion(o.Version))
	}
	return &tracer{o.TracerProvider.Tracer(o.Name, scope...), o.Propagator, o.OmitResults}
}

type tracer struct {
	spans       trace.Tracer
	propagator  propagation.TextMapPropagator
	omitResults bool
}

func (t *tracer) Start(ctx context.Context, s bullmq.Span, remote map[string]string) (context.Context, func(bullmq.SpanEnd)) {
	if len(remote) > 0 {
		ctx = t.propagator.Extract(ctx, propagation.MapCarrier(remote))
	}
	ctx, span := t.spans.Start(ctx, spanName(s), trace.WithSpanKind(kind(s.Operation)), trace.WithAttributes(attributes(s)...))
	return ctx, func(e bullmq.SpanEnd) {
		defer span.End()
		if !span.IsRecording() {
			return
		}
		if s.Operation == bullmq.SpanProcess {
			if t.omitResults {
				e.Result = nil
			}
			endRun(span, e)
			return
		}
		if e.JobID != "" {
			span.SetAttributes(jobID.String(e.JobID))
		}
		if e.Err != nil {
			span.RecordError(e.Err)
		}
	}
}

func (t *tracer) Inject(ctx context.Context, headers map[string]string) {
	t.propagator.Inject(ctx, propagation.MapCarrier(headers))
}
