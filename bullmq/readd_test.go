package bullmq_test

import (
	"cmp"
	"context"
	"errors"
	"testing"

	"schoolbell/bullmq"
)

func TestReadd(t *testing.T) {
	t.Run("a counted child failure is not awaited", testReaddCountedFailure)
	t.Run("a flow added twice skips counted failures", testReaddFlow)
	t.Run("an uncounted child failure is awaited", testReaddUncountedFailure)
}

// A handler that is run again adds its children again, and a producer whose answer was
// lost its flow: by then a child may have failed for good.
func testReaddCountedFailure(t *testing.T) {
	tests := []struct {
		name   string
		mode   bullmq.FailureMode
		result string
	}{
		{"ignored", bullmq.IgnoreDependency, `{"ignored":{"bull:q:b":"bad luck"},"values":{"bull:q:g":{"from":"g"}}}`},
		{"removed", bullmq.RemoveDependency, `{"ignored":{},"values":{"bull:q:g":{"from":"g"}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onServers(t, func(t *testing.T, s *server) {
				ctx := context.Background()
				q := newQueue(t, s.rdb, bullmq.QueueOptions{})
				children := func(id string) []bullmq.JobSpec {
					parent := &bullmq.ParentRef{ID: id, Queue: q.QualifiedName()}
					return []bullmq.JobSpec{
						{Name: "good", Options: bullmq.JobOptions{ID: "g", Parent: parent}},
						{Name: "bad", Options: bullmq.JobOptions{ID: "b", OnFailure: tt.mode, Parent: parent}},
					}
				}
				// The parent's part of this handler runs to its end only.
				finish := stepHandler(t, q, tt.mode)
				start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
					if j.Name == "parent" {
						if _, err := q.AddBulk(ctx, children(j.ID)); err != nil {
							return nil, err
						}
						if counts, err := j.DependencyCounts(ctx); err != nil || counts.Unprocessed > 0 {
							return nil, cmp.Or(err, bullmq.WaitForChildren())
						}
						j.AttemptsStarted = 2
					}
					return finish(ctx, j)
				}, bullmq.WorkerOptions{})
				must[*bullmq.Job](t)(q.Add(ctx, "parent", nil, bullmq.JobOptions{ID: "p"}))
				if p := eventually(t, q, "p", bullmq.StateCompleted); string(p.ReturnValue) != tt.result {
					t.Errorf("it returned %s", p.ReturnValue)
				}
			})
		})
	}
}

func testReaddFlow(t *testing.T) {
	for name, mode := range map[string]bullmq.FailureMode{"ignored": bullmq.IgnoreDependency, "removed": bullmq.RemoveDependency} {
		t.Run(name, func(t *testing.T) {
			onServers(t, func(t *testing.T, s *server) {
				ctx := context.Background()
				q, later := newQueue(t, s.rdb, bullmq.QueueOptions{}), queueNamed(t, s.rdb, "later")
				ok(t, later.Pause(ctx))
				flow := named(q, "p", bullmq.JobOptions{}, named(nil, "b", bullmq.JobOptions{OnFailure: mode}), named(later, "l", bullmq.JobOptions{}))
				must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, flow))
				start(t, s.rdb, func(_ context.Context, j *bullmq.Job) (any, error) {
					if j.ID == "b" {
						return nil, errors.New("bad luck")
					}
					return nil, nil
				}, bullmq.WorkerOptions{})
				eventually(t, q, "b", bullmq.StateFailed)
				must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, flow))
				ok(t, later.Remove(ctx, "l", bullmq.RemoveOptions{}))
				eventually(t, q, "p", bullmq.StateCompleted)
			})
		})
	}
}

// Without a mode the failed child keeps its parent waiting, however often it is added.
func testReaddUncountedFailure(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		flow := named(q, "p", bullmq.JobOptions{}, named(nil, "b", bullmq.JobOptions{}))
		must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, flow))
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, errors.New("bad luck") }, bullmq.WorkerOptions{})
		eventually(t, q, "b", bullmq.StateFailed)
		must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, flow))
		parent := must[*bullmq.Job](t)(q.Job(ctx, "p"))
		counts := must[bullmq.DependencyCounts](t)(parent.DependencyCounts(ctx))
		if state := must[bullmq.State](t)(q.State(ctx, "p")); state != bullmq.StateWaitingChildren || counts.Unprocessed != 1 {
			t.Errorf("the parent is %s and waits for %d children", state, counts.Unprocessed)
		}
	})
}
