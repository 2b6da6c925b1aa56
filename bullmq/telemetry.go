package bullmq

import (
	"context"
	"encoding/json"
	"time"

	"schoolbell/bullmq/internal/wire"
)

// Tracer connects a queue or a worker with a tracing library. Package bullmqotel
// implements it for OpenTelemetry. Jobs carry the trace context of the call that added them,
// in the form of BullMQ's own telemetry, so a trace continues from a Node program into a
// Go program and back. The methods must be safe for concurrent use.
type Tracer interface {
	// Start begins a span. It returns a context within the span, derived from ctx, and a
	// function that ends the span, called once. remote is the trace context of the job:
	// W3C headers by their lower-case names (traceparent, tracestate, baggage). It is nil
	// if the job has none, and for all operations except SpanProcess.
	Start(ctx context.Context, span Span, remote map[string]string) (within context.Context, end func(SpanEnd))
	// Inject writes the trace context of ctx into headers, in the form of remote.
	Inject(ctx context.Context, headers map[string]string)
}

// Span describes an operation for a [Tracer].
type Span struct {
	Operation   SpanOperation // the kind of operation
	Queue       string        // the queue's name; empty for SpanAddFlows
	JobName     string        // the job's or the flow root's name; empty for several jobs
	JobNames    []string      // the names of several jobs, or of the roots of several flows
	JobID       string        // empty where it is not known yet
	SchedulerID string        // the scheduler whose job is added, if there is one
	Jobs        int           // how many jobs, or how many roots of flows
	Attempt     int           // the attempt, from 1; 0 where jobs are added
	WorkerID    string        // the worker's id, for SpanProcess
	WorkerName  string        // the worker's name, empty if it has none
	ProcessedOn time.Time     // when the attempt began
}

// SpanEnd describes how an operation ended.
type SpanEnd struct {
	// Err is the operation's error. For SpanProcess it is why the attempt failed, or why it
	// ended without an outcome.
	Err error
	// JobID is the id of the job that was added, or of the existing job in its place.
	JobID string
	// AttemptsMade, for SpanProcess, counts the job's attempts including this one. It is 0
	// if no attempt was spent, because the job was moved or handed back, and if the outcome
	// could not be stored.
	AttemptsMade int
	// Result is what the handler returned, as JSON, if the job has completed.
	Result json.RawMessage
	// Time is when the attempt ended.
	Time time.Time
}

// SpanOperation is the operation that a span covers. Its text is BullMQ's name for it.
type SpanOperation string

// The operations. Adding is the producer's part of a trace, SpanProcess the consumer's.
// Within SpanProcess, one of the last four covers storing the outcome.
const (
	SpanAdd      SpanOperation = "add" // also by a scheduler
	SpanAddBulk  SpanOperation = "addBulk"
	SpanAddFlow  SpanOperation = "addFlow"
	SpanAddFlows SpanOperation = "addBulkFlows"
	SpanAddNode  SpanOperation = "addNode" // each job of a flow
	SpanProcess  SpanOperation = "process"

	SpanComplete SpanOperation = "complete"
	SpanRetry    SpanOperation = "retry" // without a wait
	SpanDelay    SpanOperation = "delay" // a retry after a wait
	SpanFail     SpanOperation = "fail"  // no attempt is left
)

// startSpan begins a span. t may be nil.
func startSpan(ctx context.Context, t Tracer, s Span, remote map[string]string) (within context.Context, end func(SpanEnd)) {
	if t == nil {
		return ctx, func(SpanEnd) {}
	}
	return t.Start(ctx, s, remote)
}

// contextOf returns the trace context of ctx as jobs carry it, empty for none. t may be nil.
func contextOf(ctx context.Context, t Tracer) string {
	if t == nil {
		return ""
	}
	headers := map[string]string{}
	t.Inject(ctx, headers)
	if len(headers) == 0 {
		return ""
	}
	text, _ := wire.EncodeJSON(headers) // strings always encode
	return string(text)
}

// traceAdd begins the span of adding jobs. carry is the trace context for them.
func (q *Queue) traceAdd(ctx context.Context, s Span) (within context.Context, carry string, end func(SpanEnd)) {
	s.Queue = q.name
	within, end = startSpan(ctx, q.opts.Tracer, s, nil)
	return within, contextOf(within, q.opts.Tracer), end
}

// bulkSpan returns the span of adding several jobs.
func (q *Queue) bulkSpan(specs []JobSpec) Span {
	s := Span{Operation: SpanAddBulk, Jobs: len(specs)}
	if q.opts.Tracer != nil {
		for _, spec := range specs {
			s.JobNames = append(s.JobNames, spec.Name)
		}
	}
	return s
}

// addEnd returns the end of adding a job.
func addEnd(job *Job, err error) SpanEnd {
	if job == nil {
		return SpanEnd{Err: err}
	}
	return SpanEnd{Err: err, JobID: job.ID}
}

// carry gives a job a trace context unless it has its own or must not have one.
func (o *JobOptions) carry(trace string) {
	if o.TraceContext == "" && !o.OmitTraceContext {
		o.TraceContext = trace
	}
}
