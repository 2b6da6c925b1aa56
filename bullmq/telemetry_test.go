package bullmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

// fakeTracer keeps the spans that have ended. Its trace contexts are names of spans.
type fakeTracer struct {
	mu    sync.Mutex
	spans []string
}

type spanKey struct{}

func (f *fakeTracer) Start(ctx context.Context, s bullmq.Span, remote map[string]string) (context.Context, func(bullmq.SpanEnd)) {
	name := fmt.Sprintf("%s %s %s×%d #%d", s.Operation, s.Queue, s.JobName+strings.Join(s.JobNames, "+"), s.Jobs, s.Attempt)
	parent := remote["traceparent"]
	if parent == "" {
		parent, _ = ctx.Value(spanKey{}).(string)
	}
	return context.WithValue(ctx, spanKey{}, name), func(e bullmq.SpanEnd) {
		f.mu.Lock()
		defer f.mu.Unlock()
		line := fmt.Sprintf("%s < %s: %v", name, parent, e.Err)
		if e.AttemptsMade > 0 {
			line += fmt.Sprintf(", attempt %d %s", e.AttemptsMade, e.Result)
		}
		f.spans = append(f.spans, line)
	}
}

// saw compares the spans that have ended with a list, in any order.
func (f *fakeTracer) saw(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	got := slices.Sorted(slices.Values(f.spans))
	if d := cmp.Diff(slices.Sorted(slices.Values(want)), got); d != "" {
		t.Error(d)
	}
}

func (f *fakeTracer) Inject(ctx context.Context, headers map[string]string) {
	headers["traceparent"], _ = ctx.Value(spanKey{}).(string)
}

func TestTelemetry(t *testing.T) {
	t.Run("a trace goes from the producer to the worker", testTelemetryTrace)
	t.Run("a failed attempt stores its trace context", testTelemetryFailedAttempt)
	t.Run("spans record how a run ended", testTelemetryRunEnd)
	t.Run("scheduled jobs continue the trace of the caller", testTelemetryScheduler)
}

func testTelemetryTrace(t *testing.T) {
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
				return nil, errors.New("try again")
			}
			return nil, nil
		}, bullmq.WorkerOptions{Tracer: tracer})
		for _, id := range []string{"x", "own", "none", "odd", "parent"} {
			eventually(t, q, id, bullmq.StateCompleted)
		}
		stop()
		tracer.saw(t,
			"add q one×1 #0 < request: <nil>",
			"add q bad×1 #0 < request: bullmq: invalid argument: Priority -1 is not within 0 and 2097151",
			"addBulk q own+none+odd×3 #0 < request: <nil>",
			"addFlow q parent×1 #0 < request: <nil>",
			"addNode q parent×1 #0 < addFlow q parent×1 #0: <nil>",
			"addNode q child×1 #0 < addNode q parent×1 #0: <nil>",
			"process q one×1 #1 < add q one×1 #0: try again, attempt 1 ",
			"retry q one×1 #1 < process q one×1 #1: <nil>",
			"process q own×1 #1 < theirs: <nil>, attempt 1 null",
			"complete q own×1 #1 < process q own×1 #1: <nil>",
			"process q none×1 #1 < : <nil>, attempt 1 null",
			"complete q none×1 #1 < process q none×1 #1: <nil>",
			"process q odd×1 #1 < : <nil>, attempt 1 null",
			"complete q odd×1 #1 < process q odd×1 #1: <nil>",
			"process q child×1 #1 < addNode q child×1 #0: <nil>, attempt 1 null",
			"complete q child×1 #1 < process q child×1 #1: <nil>",
			"process q parent×1 #1 < addNode q parent×1 #0: <nil>, attempt 1 null",
			"complete q parent×1 #1 < process q parent×1 #1: <nil>",
			"process q one×1 #2 < add q one×1 #0: <nil>, attempt 2 null",
			"complete q one×1 #2 < process q one×1 #2: <nil>",
		)
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

func testTelemetryFailedAttempt(t *testing.T) {
	later := &bullmq.Backoff{Type: "fixed", Delay: time.Hour}
	cases := []struct {
		id   string // and name
		opts bullmq.JobOptions
		end  bullmq.State
		kept string
	}{
		{"retry", bullmq.JobOptions{Attempts: 2}, bullmq.StateFailed, "fail q retry×1 #2"},
		{"recovers", bullmq.JobOptions{Attempts: 2}, bullmq.StateCompleted, "retry q recovers×1 #1"},
		{"later", bullmq.JobOptions{Attempts: 2, Backoff: later}, bullmq.StateDelayed, "delay q later×1 #1"},
		{"moved", bullmq.JobOptions{Attempts: 2}, bullmq.StateDelayed, ""},
		{"none", bullmq.JobOptions{OmitTraceContext: true}, bullmq.StateFailed, ""},
		{"none-retry", bullmq.JobOptions{OmitTraceContext: true, Attempts: 2}, bullmq.StateFailed, ""},
		{"none-later", bullmq.JobOptions{OmitTraceContext: true, Attempts: 2, Backoff: later}, bullmq.StateDelayed, ""},
	}
	for i := range 20 { // some share a call
		fails, fine := fmt.Sprintf("fails%d", i), fmt.Sprintf("fine%d", i)
		cases = append(cases, cases[0], cases[0])
		cases[len(cases)-2].id, cases[len(cases)-2].kept = fails, "fail q "+fails+"×1 #2"
		cases[len(cases)-1].id, cases[len(cases)-1].kept, cases[len(cases)-1].end = fine, "", bullmq.StateCompleted
	}
	onServers(t, func(t *testing.T, s *server) {
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		ctx := context.Background()
		for _, c := range cases {
			c.opts.ID = c.id
			must[*bullmq.Job](t)(q.Add(ctx, c.id, nil, c.opts))
		}
		must[*bullmq.Job](t)(q.Add(ctx, "gone", nil, bullmq.JobOptions{ID: "gone", RemoveOnFail: &bullmq.Keep{None: true}}))
		start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			switch {
			case strings.HasPrefix(j.Name, "fine"), j.Name == "recovers" && j.Attempt() == 2:
				return nil, nil
			case j.Name == "moved":
				return nil, bullmq.DelayUntil(time.Now().Add(time.Hour))
			}
			return nil, errors.New("no")
		}, bullmq.WorkerOptions{Tracer: &fakeTracer{}, Concurrency: 8})
		for _, c := range cases {
			eventually(t, q, c.id, c.end)
			want := c.kept
			if want != "" {
				want = fmt.Sprintf(`{"traceparent":%q}`, want)
			}
			if kept := s.rdb.HGet(ctx, "bull:q:"+c.id, "tm").Val(); kept != want {
				t.Errorf("%s keeps %s, want %s", c.id, kept, want)
			}
		}
		testproc.Eventually(t, wait, func() error {
			if s.rdb.Exists(ctx, "bull:q:gone").Val() != 0 {
				return errors.New("it is there")
			}
			return nil
		}, "a job that is not kept is gone")
	})
}

func testTelemetryRunEnd(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		tracer := &fakeTracer{}
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		ctx := context.Background()
		for _, name := range []string{"answers", "moves", "fails", "deferred"} {
			must[*bullmq.Job](t)(q.Add(ctx, name, nil, bullmq.JobOptions{ID: name}))
		}
		ok(t, s.rdb.HSet(ctx, "bull:q:deferred", "defa", "the child failed").Err())
		stop := start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			switch j.Name {
			case "answers":
				return 42, nil
			case "moves":
				return nil, bullmq.DelayUntil(time.Now().Add(time.Hour))
			}
			return nil, bullmq.Unrecoverable(errors.New("no"))
		}, bullmq.WorkerOptions{Tracer: tracer})
		eventually(t, q, "answers", bullmq.StateCompleted)
		eventually(t, q, "moves", bullmq.StateDelayed)
		eventually(t, q, "fails", bullmq.StateFailed)
		eventually(t, q, "deferred", bullmq.StateFailed)
		stop()
		tracer.saw(t,
			"process q answers×1 #1 < : <nil>, attempt 1 42",
			"complete q answers×1 #1 < process q answers×1 #1: <nil>",
			"process q moves×1 #1 < : <nil>",
			"process q fails×1 #1 < : no, attempt 1 ",
			"fail q fails×1 #1 < process q fails×1 #1: <nil>",
			"process q deferred×1 #1 < : the child failed, attempt 1 ",
			"fail q deferred×1 #1 < process q deferred×1 #1: <nil>",
		)
	})
}

func testTelemetryScheduler(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		tracer := &fakeTracer{}
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Tracer: tracer})
		ctx := context.WithValue(context.Background(), spanKey{}, "request")
		first := must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "s", bullmq.Schedule{Every: time.Hour}, bullmq.JobTemplate{Name: "tick"}))
		silent := bullmq.JobTemplate{Name: "tock", Options: bullmq.JobOptions{OmitTraceContext: true}}
		second := must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "o", bullmq.Schedule{Pattern: "0 0 1 1 *"}, silent))
		if opts := s.rdb.HGet(ctx, "bull:q:repeat:s", "opts").Val(); opts != "" {
			t.Errorf("the trace context is part of the template: %s", opts)
		}
		if second.Options.TraceContext != "" {
			t.Error("a trace context where there should be none")
		}
		stop := start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{Tracer: tracer})
		eventually(t, q, first.ID, bullmq.StateCompleted)
		stop()
		tracer.saw(t,
			"add q tick×1 #0 < request: <nil>",
			"add q tock×1 #0 < request: <nil>",
			"add q tick×1 #0 < : <nil>",
			"process q tick×1 #1 < add q tick×1 #0: <nil>, attempt 1 null",
			"complete q tick×1 #1 < process q tick×1 #1: <nil>",
		)
		pending := must[[]*bullmq.Job](t)(q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{bullmq.StateDelayed}, OldestFirst: true}))
		for _, j := range pending {
			if j.Name == "tick" && j.Options.TraceContext != `{"traceparent":"add q tick×1 #0"}` {
				t.Errorf("the next job carries %q", j.Options.TraceContext)
			}
		}
	})
}
