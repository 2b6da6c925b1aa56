// Package bullmqotel traces the jobs of package bullmq with OpenTelemetry. Its spans,
// attributes and events are those of BullMQ's own adapter for Node, bullmq-otel, so a trace
// continues across both languages, and a dashboard made for one shows the other.
//
//	tracer := bullmqotel.New(bullmqotel.Options{})
//	queue, err := bullmq.NewQueue(rdb, "mails", bullmq.QueueOptions{Tracer: tracer})
//	worker, err := bullmq.NewWorker(rdb, "mails", handle, bullmq.WorkerOptions{Tracer: tracer})
//
// # Spans
//
// Adding jobs is a span of kind producer, such as "add mails.welcome". Each attempt is a
// span of kind consumer, such as "process mails", whose parent is the producer's span, in
// whichever program that was made. It contains the spans that the handler starts from its
// context, and one for storing the outcome: complete, retry, delay or fail.
//
// As in Node, a failed attempt is the event "job failed" of its span, with the reason, and
// does not change the span's status. The event "job completed" has what the handler returned.
//
// # Attributes
//
// All attributes begin with "bullmq.": queue.name and queue.operation of every span;
// job.name, job.id and job.scheduler.id of one job; job.bulk.count and job.bulk.names of
// several; flow.name of a flow; worker.id, worker.name, job.processed.timestamp,
// job.attempt_finished_timestamp, job.finished.timestamp and job.attempts.made of an
// attempt. The events have job.result and job.failed.reason.
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
	// TracerProvider makes the spans. Nil means the global one, even if that is set later.
	TracerProvider trace.TracerProvider
	// Propagator writes trace contexts into jobs and reads them. Nil means the global one,
	// which writes nothing until otel.SetTextMapPropagator has been called. Node programs read
	// propagation.TraceContext and propagation.Baggage.
	Propagator propagation.TextMapPropagator
	// Name is the name of the instrumentation scope. Empty means "bullmq", as in Node.
	Name string
	// Version is the version of the instrumentation scope. Empty leaves it out.
	Version string
	// OmitResults leaves out what handlers return, which may be long or confidential.
	OmitResults bool
}

// New returns a tracer for queues and workers. It is safe for concurrent use and needs no
// closing; the caller shuts its provider down.
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
