package bullmq

import (
	"context"
	"encoding/json"
)

// traceRun begins the span of running a job.
func (w *Worker) traceRun(ctx context.Context, job *Job) (within context.Context, end func(SpanEnd)) {
	if w.opts.Tracer == nil {
		return ctx, func(SpanEnd) {}
	}
	var remote map[string]string
	if json.Unmarshal([]byte(job.Options.TraceContext), &remote) != nil {
		remote = nil // another program's, in another form
	}
	within, finish := startSpan(ctx, w.opts.Tracer, Span{
		Operation: SpanProcess, Queue: w.q.name, JobName: job.Name, JobID: job.ID, Jobs: 1, Attempt: job.Attempt(),
		WorkerID: w.id, WorkerName: w.opts.Name, ProcessedOn: job.ProcessedOn,
	}, remote)
	return within, func(e SpanEnd) {
		e.Time = w.q.now()
		finish(e)
	}
}

// traceOutcome begins the span of storing the outcome of a run. ctx is the run's context.
func (w *Worker) traceOutcome(ctx context.Context, op SpanOperation, job *Job) (within context.Context, end func(error)) {
	if w.opts.Tracer == nil {
		return ctx, func(error) {}
	}
	within, finish := startSpan(ctx, w.opts.Tracer, Span{
		Operation: op, Queue: w.q.name, JobName: job.Name, JobID: job.ID, Jobs: 1, Attempt: job.Attempt(),
	}, nil)
	return within, func(err error) { finish(SpanEnd{Err: err}) }
}

// keepsOf returns the trace context that a job keeps of a failed attempt, empty for none.
// It is for people only: the next attempt continues from the call that added the job.
func (w *Worker) keepsOf(ctx context.Context, job *Job) string {
	if job.Options.OmitTraceContext {
		return ""
	}
	return contextOf(ctx, w.opts.Tracer)
}
