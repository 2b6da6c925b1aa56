package bullmq

import (
	"context"
	"encoding/json"
)

// Tracer connects a queue or a worker with a tracing library. Jobs carry the trace
// context of whoever added them, in the form in which BullMQ's own telemetry does, so
// that a trace goes on from a Node program into a Go one and back. Its methods must be
// safe for concurrent use. With OpenTelemetry, Start is a call of a trace.Tracer after
// propagation.TraceContext has extracted remote, and Inject is that propagator's.
type Tracer interface {
	// Start begins a span and returns the context for what happens within it, and what
	// ends it: with the error, nil if there was none. remote is the trace context that
	// came with the job, W3C headers by their lower-case names (traceparent, tracestate); it
	// is nil if there is none, and always where jobs are added.
	Start(ctx context.Context, span Span, remote map[string]string) (within context.Context, end func(err error))
	// Inject writes the trace context of ctx into headers, in the same form.
	Inject(ctx context.Context, headers map[string]string)
}

// Span says what a [Tracer] is to follow.
type Span struct {
	Operation SpanOperation
	Queue     string // the queue's name
	JobName   string // empty for several jobs
	JobID     string // empty where jobs are added
	Jobs      int    // how many jobs
	Attempt   int    // of the run, from 1; 0 where jobs are added
}

// SpanOperation is what a span is about.
type SpanOperation string

// The operations. Adding is the producer's part of a trace, processing the consumer's.
const (
	SpanAdd     SpanOperation = "add"
	SpanAddBulk SpanOperation = "addBulk"
	SpanAddFlow SpanOperation = "addFlow"
	SpanProcess SpanOperation = "process"
)

// traceAdd begins the span of adding jobs. carry is the trace context for them, as
// it is stored, empty for none.
func (q *Queue) traceAdd(ctx context.Context, op SpanOperation, name string, jobs int) (within context.Context, carry string, end func(error)) {
	t := q.opts.Tracer
	if t == nil {
		return ctx, "", func(error) {}
	}
	within, end = t.Start(ctx, Span{Operation: op, Queue: q.name, JobName: name, Jobs: jobs}, nil)
	headers := map[string]string{}
	t.Inject(within, headers)
	if len(headers) == 0 {
		return within, "", end
	}
	text, _ := encodeJSON(headers) // strings always encode
	return within, string(text), end
}

// carry gives a job a trace context unless it has its own or is to have none.
func (o *JobOptions) carry(trace string) {
	if o.TraceContext == "" && !o.OmitTraceContext {
		o.TraceContext = trace
	}
}

// traceRun begins the span of running a job.
func (w *Worker) traceRun(ctx context.Context, job *Job) (within context.Context, end func(error)) {
	t := w.opts.Tracer
	if t == nil {
		return ctx, func(error) {}
	}
	var remote map[string]string
	if json.Unmarshal([]byte(job.Options.TraceContext), &remote) != nil {
		remote = nil // another program's, in a form of its own
	}
	return t.Start(ctx, Span{
		Operation: SpanProcess, Queue: w.q.name, JobName: job.Name, JobID: job.ID, Jobs: 1, Attempt: job.Attempt(),
	}, remote)
}
