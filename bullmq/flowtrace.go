package bullmq

import (
	"context"
	"slices"
)

// begin begins the span of adding flows.
func (f *flow) begin(ctx context.Context, op SpanOperation, q *Queue, roots []FlowJob) context.Context {
	s := Span{Operation: op, Queue: q.name, JobName: roots[0].Name, Jobs: len(roots)}
	if op == SpanAddFlows {
		s.Queue, s.JobName = "", ""
		for _, root := range roots {
			s.JobNames = append(s.JobNames, root.Name)
		}
	}
	within, end := startSpan(ctx, f.tracer, s, nil)
	f.ends = append(f.ends, end)
	return within
}

// beginNode begins the span of one job of a flow, within that of its parent.
func (f *flow) beginNode(ctx context.Context, q *Queue, name, id string) context.Context {
	within, end := startSpan(ctx, f.tracer, Span{Operation: SpanAddNode, Queue: q.name, JobName: name, JobID: id, Jobs: 1}, nil)
	f.ends = append(f.ends, end)
	return within
}

// end ends the spans, each after those within it. err is that of the whole.
func (f *flow) end(err error) {
	for i, end := range slices.Backward(f.ends) {
		if i > 0 && f.errs != nil {
			end(SpanEnd{Err: f.errs[i-1]})
		} else {
			end(SpanEnd{Err: err})
		}
	}
}
