package interop

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"schoolbell/bullmq"
	"schoolbell/bullmq/bullmqotel"
	"schoolbell/internal/testenv"
)

// span is one of either language.
type span struct {
	Name, Kind, Trace, ID, Parent string
	Status                        int
	Attributes                    map[string]any
	Events                        map[string]map[string]any
}

// traced is a rig whose queues and workers of both languages are followed.
type traced struct {
	*rig
	goSpans  *tracetest.SpanRecorder
	provider *sdk.TracerProvider
	tracer   bullmq.Tracer
}

func newTraced(r *rig) *traced {
	t := &traced{rig: r, goSpans: tracetest.NewSpanRecorder()}
	t.provider = sdk.NewTracerProvider(sdk.WithSpanProcessor(t.goSpans))
	t.tracer = bullmqotel.New(bullmqotel.Options{
		TracerProvider: t.provider,
		Propagator:     propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	})
	return t
}

// spans are all that have ended, in both languages.
func (t *traced) spans() []span {
	t.Helper()
	var all []span
	t.node.do(&all, `return (await $.otel()).spans()`)
	for _, s := range t.goSpans.Ended() {
		own := span{
			Name: s.Name(), Kind: s.SpanKind().String(), Trace: s.SpanContext().TraceID().String(), ID: s.SpanContext().SpanID().String(),
			Status: int(s.Status().Code), Attributes: map[string]any{}, Events: map[string]map[string]any{},
		}
		if s.Parent().IsValid() {
			own.Parent = s.Parent().SpanID().String()
		}
		for _, a := range s.Attributes() {
			own.Attributes[string(a.Key)] = a.Value.AsInterface()
		}
		for _, e := range s.Events() {
			own.Events[e.Name] = map[string]any{}
			for _, a := range e.Attributes {
				own.Events[e.Name][string(a.Key)] = a.Value.AsInterface()
			}
		}
		if t.major == 6 { // a name of BullMQ 5's, which Go writes for dashboards made then
			delete(own.Attributes, "bullmq.job.finished.timestamp")
		}
		all = append(all, own)
	}
	return all
}

var runTime = regexp.MustCompile(`repeat:tick:\d+`)

// trace shows the spans of the trace that has a span of this name, but for the ids, and
// for what a scheduler's worker plans, which in Node belongs to whatever ran before.
func (t *traced) trace(queue, root string) []string {
	t.Helper()
	all := t.spans()
	labels, within := map[string]string{}, ""
	for _, s := range all {
		labels[s.ID] = fmt.Sprint(s.Name, " ", s.Attributes["bullmq.job.id"], " ", s.Attributes["bullmq.job.attempts.made"])
		if s.Name == root {
			within = s.Trace
		}
	}
	var lines []string
	for _, s := range all {
		if s.Trace != within || s.Attributes["bullmq.job.scheduler.id"] != nil && !strings.HasPrefix(labels[s.Parent], root) {
			continue
		}
		for name, value := range s.Attributes {
			_, text := value.(string)
			switch {
			case strings.HasSuffix(name, "timestamp") && !text:
				s.Attributes[name] = "a time"
			case name == "bullmq.worker.id":
				s.Attributes[name] = "a worker"
			}
		}
		parent := labels[s.Parent]
		s.Trace, s.ID, s.Parent = "", "", ""
		line := runTime.ReplaceAllString(canonical(t.T, s)+" < "+parent, "repeat:tick:then")
		lines = append(lines, strings.ReplaceAll(line, queue, "Q"))
	}
	slices.Sort(lines)
	return lines
}

// produce adds all kinds of jobs within one span named request, from either language.
func (t *traced) produce(language, queue string) {
	t.Helper()
	if language == "Node" {
		t.node.do(nil, `
			const otel = await $.otel();
			const [queueName] = args;
			const q = $.queue(queueName, { telemetry: otel.telemetry });
			const flow = new $.bull.FlowProducer({ connection: $.connection, telemetry: otel.telemetry });
			await otel.within('request ' + queueName, async () => {
				await q.add('later', {}, { jobId: 'later', attempts: 2, backoff: 20 });
				await q.add('again', {}, { jobId: 'again', attempts: 2 });
				await q.add('bad', {}, { jobId: 'bad' });
				await q.addBulk([{ name: 'one', data: {}, opts: { jobId: 'one' } }, { name: 'two', data: {}, opts: { jobId: 'two', telemetry: { omitContext: true } } }]);
				await flow.add({ name: 'parent', queueName, opts: { jobId: 'parent' }, children: [{ name: 'child', queueName, opts: { jobId: 'child' } }] });
				await q.upsertJobScheduler('tick', { every: 3600000 }, { name: 'tick' });
			});
			await flow.close();`, queue)
		return
	}
	q, err := bullmq.NewQueue(t.rdb, queue, bullmq.QueueOptions{Tracer: t.tracer})
	t.ok(err)
	ctx, request := t.provider.Tracer("test").Start(t.Context(), "request "+queue)
	for _, o := range []bullmq.JobOptions{
		{ID: "later", Attempts: 2, Backoff: &bullmq.Backoff{Type: "fixed", Delay: 20 * time.Millisecond}}, {ID: "again", Attempts: 2}, {ID: "bad"},
	} {
		_, err = q.Add(ctx, o.ID, nil, o)
		t.ok(err)
	}
	_, err = q.AddBulk(ctx, []bullmq.JobSpec{
		{Name: "one", Options: bullmq.JobOptions{ID: "one"}}, {Name: "two", Options: bullmq.JobOptions{ID: "two", OmitTraceContext: true}},
	})
	t.ok(err)
	_, err = bullmq.AddFlow(ctx, bullmq.FlowJob{
		Queue: q, Name: "parent", Options: bullmq.JobOptions{ID: "parent"},
		Children: []bullmq.FlowJob{{Name: "child", Options: bullmq.JobOptions{ID: "child"}}},
	})
	t.ok(err)
	_, err = q.UpsertScheduler(ctx, "tick", bullmq.Schedule{Every: time.Hour}, bullmq.JobTemplate{Name: "tick"})
	t.ok(err)
	request.End()
}

// consume runs a worker of either language until stop is called. It refuses the first
// attempt of some jobs, and every one of bad.
func (t *traced) consume(language, queue string) (stop func()) {
	t.Helper()
	if language == "Node" {
		t.node.do(nil, `
			const { telemetry } = await $.otel();
			await $.worker(args[0], async (job) => {
				if (job.name === 'bad' || (['later', 'again'].includes(job.name) && job.attemptsMade === 0)) throw new Error('not yet');
				if (job.name !== 'one') return { done: job.name };
			}, { name: 'w', telemetry });`, queue)
		return func() { t.Helper(); t.node.do(nil, `await $.close('worker ' + args[0])`, queue) }
	}
	return t.work(queue, func(_ context.Context, job *bullmq.Job) (any, error) {
		if job.Name == "bad" || (job.Name == "later" || job.Name == "again") && job.AttemptsMade == 0 {
			return nil, errors.New("not yet")
		}
		if job.Name == "one" {
			return nil, nil
		}
		return map[string]string{"done": job.Name}, nil
	}, bullmq.WorkerOptions{Name: "w", Tracer: t.tracer})
}

func TestTrace(t *testing.T) {
	t.Parallel()
	t.Run("a trace continues in the other language", testTraceContinues)
	t.Run("a retry in the other language stays in the trace", testTraceRetry)
}

func testTraceContinues(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		tr := newTraced(r)
		var between []string // two Node programs
		for _, pair := range [][2]string{{"Node", "Node"}, {"Node", "Go"}, {"Go", "Node"}, {"Go", "Go"}} {
			queue := r.unused()
			tr.produce(pair[0], queue)
			stop := tr.consume(pair[1], queue)
			const spans = 1 + 8 + 9 + 9 // the request, adding, the runs and their outcomes
			var seen []string
			testenv.Eventually(r.T, patience, func() error {
				if seen = tr.trace(queue, "request "+queue); len(seen) != spans {
					return fmt.Errorf("%d:\n%s", len(seen), strings.Join(seen, "\n"))
				}
				return nil
			}, "the trace has all its spans")
			stop()
			if between == nil {
				between = seen
			}
			if d := cmp.Diff(between, seen); d != "" {
				r.Errorf("from %s to %s, compared with two Node programs:\n%s", pair[0], pair[1], d)
			}
		}
		r.node.quiet()
	})
}

func testTraceRetry(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		tr := newTraced(r)
		for _, pair := range [][2]string{{"Node", "Go"}, {"Go", "Node"}} {
			for _, outcome := range []string{"delay", "fail"} {
				queue := r.unused()
				q, err := bullmq.NewQueue(r.rdb, queue, bullmq.QueueOptions{Tracer: tr.tracer})
				r.ok(err)
				opts, failed := bullmq.JobOptions{ID: "j"}, bullmq.StateFailed
				again := func() error { return q.Retry(r.Context(), "j", bullmq.RetryOptions{}) }
				if outcome == "delay" {
					opts.Attempts, opts.Backoff, failed = 2, &bullmq.Backoff{Type: "fixed", Delay: time.Hour}, bullmq.StateDelayed
					again = func() error { return q.Promote(r.Context(), "j") }
				}
				r.add(q, "later", nil, opts)
				stop := tr.consume(pair[0], queue)
				r.reaches(q, "j", failed)
				stop()
				kept := r.rdb.HGet(r.Context(), "bull:"+queue+":j", "tm").Val()
				var first, process, add span
				for _, s := range tr.spans() {
					switch s.Name {
					case outcome + " " + queue:
						first = s
					case "process " + queue:
						process = s
					case "add " + queue + ".later":
						add = s
					}
				}
				if want := fmt.Sprintf(`{"traceparent":"00-%s-%s-01"}`, add.Trace, first.ID); kept != want {
					r.Errorf("%s in %s keeps %s, want %s", outcome, pair[0], kept, want)
				}
				if first.Parent != process.ID || process.Parent != add.ID {
					r.Errorf("%s in %s: the span's parent is %s, its parent %s", outcome, pair[0], first.Parent, process.Parent)
				}
				stop = tr.consume(pair[1], queue)
				r.ok(again())
				r.reaches(q, "j", bullmq.StateCompleted)
				stop()
				if left := r.rdb.HGet(r.Context(), "bull:"+queue+":j", "tm").Val(); left != kept {
					r.Errorf("after %s in %s and success in %s the job keeps %s", outcome, pair[0], pair[1], left)
				}
				var parents []string
				for _, s := range tr.spans() {
					if s.Name == "process "+queue {
						parents = append(parents, s.Parent)
					}
				}
				if d := cmp.Diff([]string{add.ID, add.ID}, parents); d != "" {
					r.Errorf("%s in %s, success in %s: parents of the runs: %s", outcome, pair[0], pair[1], d)
				}
			}
		}
		r.node.quiet()
	})
}
