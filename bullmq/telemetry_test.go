package bullmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
)

// fakeTracer keeps the spans that have ended. Its trace contexts are names of spans.
type fakeTracer struct {
	mu    sync.Mutex
	spans []string
}

type spanKey struct{}

func (f *fakeTracer) Start(ctx context.Context, s bullmq.Span, remote map[string]string) (context.Context, func(error)) {
	name := fmt.Sprintf("%s %s %s×%d #%d", s.Operation, s.Queue, s.JobName, s.Jobs, s.Attempt)
	parent := remote["traceparent"]
	if parent == "" {
		parent, _ = ctx.Value(spanKey{}).(string)
	}
	return context.WithValue(ctx, spanKey{}, name), func(err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.spans = append(f.spans, fmt.Sprintf("%s < %s: %v", name, parent, err))
	}
}

func (f *fakeTracer) Inject(ctx context.Context, headers map[string]string) {
	headers["traceparent"], _ = ctx.Value(spanKey{}).(string)
}

func TestATraceGoesFromWhoAddsAJobToWhoRunsIt(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		tracer := &fakeTracer{}
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Tracer: tracer})
		ctx := context.WithValue(context.Background(), spanKey{}, "request")
		must[*bullmq.Job](t)(q.Add(ctx, "one", nil, bullmq.JobOptions{ID: "x", Attempts: 2}))
		if _, err := q.Add(ctx, "bad", nil, bullmq.JobOptions{Priority: -1}); err == nil {
			t.Error("no error")
		}
		must[[]*bullmq.Job](t)(q.AddBulk(ctx, []bullmq.JobSpec{
			{Name: "own", Options: bullmq.JobOptions{ID: "own", TraceContext: `{"traceparent":"theirs"}`}},
			{Name: "none", Options: bullmq.JobOptions{ID: "none", OmitTraceContext: true}},
			{Name: "odd", Options: bullmq.JobOptions{ID: "odd", TraceContext: "not JSON"}},
		}))
		must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(q, "parent", bullmq.JobOptions{}, named(nil, "child", bullmq.JobOptions{}))))
		first := true
		stop := start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			if within := ctx.Value(spanKey{}); within == nil {
				t.Error("the handler is not within its span")
			}
			if j.Name == "one" && first {
				first = false
				return nil, errors.New("once more")
			}
			return nil, nil
		}, bullmq.WorkerOptions{Tracer: tracer})
		for _, id := range []string{"x", "own", "none", "odd", "parent"} {
			eventually(t, q, id, bullmq.StateCompleted)
		}
		stop()
		want := []string{
			"add q one×1 #0 < request: <nil>",
			"add q bad×1 #0 < request: bullmq: invalid argument: Priority -1 is not within 0 and 2097151",
			"addBulk q ×3 #0 < request: <nil>",
			"addFlow q parent×1 #0 < request: <nil>",
			"process q one×1 #1 < add q one×1 #0: once more",
			"process q own×1 #1 < theirs: <nil>",
			"process q none×1 #1 < : <nil>",
			"process q odd×1 #1 < : <nil>",
			"process q child×1 #1 < addFlow q parent×1 #0: <nil>",
			"process q parent×1 #1 < addFlow q parent×1 #0: <nil>",
			"process q one×1 #2 < add q one×1 #0: <nil>",
		}
		seen := map[string]bool{}
		for _, span := range tracer.spans {
			seen[span] = true
		}
		for _, span := range want {
			if !seen[span] {
				t.Errorf("missing: %s", span)
			}
		}
		if len(tracer.spans) != len(want) {
			t.Errorf("%d spans, want %d: %q", len(tracer.spans), len(want), tracer.spans)
		}
		// BullMQ's form: a text in the options that is a JSON object of W3C headers.
		var opts struct{ TM string }
		ok(t, json.Unmarshal([]byte(s.rdb.HGet(ctx, "bull:q:x", "opts").Val()), &opts))
		if d := cmp.Diff(`{"traceparent":"add q one×1 #0"}`, opts.TM); d != "" {
			t.Error(d)
		}
		if !must[*bullmq.Job](t)(q.Job(ctx, "none")).Options.OmitTraceContext {
			t.Error("that there is no trace is not kept")
		}
	})
}
