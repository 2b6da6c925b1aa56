package bullmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

// stepHandler runs a parent that adds two children to itself, one of which
// fails, and waits for them.
func stepHandler(t *testing.T, q *bullmq.Queue, mode bullmq.FailureMode) bullmq.Handler {
	return func(ctx context.Context, j *bullmq.Job) (any, error) {
		switch j.Name {
		case "good":
			return map[string]string{"from": j.ID}, nil
		case "bad":
			return nil, errors.New("bad luck")
		}
		if j.AttemptsStarted == 1 {
			_, err := q.AddBulk(ctx, []bullmq.JobSpec{
				{Name: "good", Options: bullmq.JobOptions{ID: "g", Parent: &bullmq.ParentRef{ID: j.ID, Queue: q.QualifiedName()}}},
				{Name: "bad", Options: bullmq.JobOptions{ID: "b", OnFailure: mode, Parent: &bullmq.ParentRef{ID: j.ID, Queue: q.QualifiedName()}}},
			})
			if err != nil {
				return nil, err
			}
		}
		switch counts, err := j.DependencyCounts(ctx); {
		case err != nil:
			return nil, err
		case counts.Unprocessed > 0:
			return nil, bullmq.WaitForChildren()
		}
		values, err := j.ChildrenValues(ctx)
		if err != nil {
			return nil, err
		}
		ignored, err := j.IgnoredChildrenFailures(ctx)
		if err != nil {
			return nil, err
		}
		return map[string]any{"values": values, "ignored": ignored}, nil
	}
}

func TestChildren(t *testing.T) {
	t.Run("a failed child affects its parent by its mode", testChildrenFailureMode)
	t.Run("a parent that completes before its child fails", testChildrenParentTooEarly)
	t.Run("a parent waits for a retried child", testChildrenRetried)
	t.Run("removing the last child releases the parent", testChildrenLastRemoved)
	t.Run("removing a parent removes its tree", testChildrenTreeRemoved)
	t.Run("an active grandchild blocks the removal", testChildrenActiveGrandchild)
}

func testChildrenFailureMode(t *testing.T) {
	tests := []struct {
		name   string
		mode   bullmq.FailureMode
		end    bullmq.State
		result string
		reason string
		counts bullmq.DependencyCounts
	}{
		{"none keeps the parent waiting", bullmq.FailureNone, bullmq.StateWaitingChildren, "", "",
			bullmq.DependencyCounts{Processed: 1, Unprocessed: 1}},
		{"fail parent fails it", bullmq.FailParent, bullmq.StateFailed, "", "child bull:q:b failed",
			bullmq.DependencyCounts{Processed: 1, Failed: 1}},
		{"continue parent releases it", bullmq.ContinueParent, bullmq.StateCompleted,
			`{"ignored":{"bull:q:b":"bad luck"},"values":{"bull:q:g":{"from":"g"}}}`, "", bullmq.DependencyCounts{Processed: 1, Ignored: 1}},
		{"ignore counts the child as done", bullmq.IgnoreDependency, bullmq.StateCompleted,
			`{"ignored":{"bull:q:b":"bad luck"},"values":{"bull:q:g":{"from":"g"}}}`, "", bullmq.DependencyCounts{Processed: 1, Ignored: 1}},
		{"remove forgets the child", bullmq.RemoveDependency, bullmq.StateCompleted,
			`{"ignored":{},"values":{"bull:q:g":{"from":"g"}}}`, "", bullmq.DependencyCounts{Processed: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onServers(t, func(t *testing.T, s *server) {
				ctx := context.Background()
				q := newQueue(t, s.rdb, bullmq.QueueOptions{})
				must[*bullmq.Job](t)(q.Add(ctx, "parent", nil, bullmq.JobOptions{ID: "p"}))
				start(t, s.rdb, stepHandler(t, q, tt.mode), bullmq.WorkerOptions{})
				eventually(t, q, "b", bullmq.StateFailed)
				eventually(t, q, "g", bullmq.StateCompleted)
				parent := eventually(t, q, "p", tt.end)
				if string(parent.ReturnValue) != tt.result || parent.FailedReason != tt.reason {
					t.Errorf("parent returned %s, failed with %q", parent.ReturnValue, parent.FailedReason)
				}
				if d := cmp.Diff(tt.counts, must[bullmq.DependencyCounts](t)(parent.DependencyCounts(ctx))); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

func testChildrenParentTooEarly(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "parent", nil, bullmq.JobOptions{ID: "p"}))
		start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			if j.Name == "parent" {
				_, err := q.Add(ctx, "child", nil, bullmq.JobOptions{ID: "c", Parent: &bullmq.ParentRef{ID: "p", Queue: q.QualifiedName()}})
				return nil, err
			}
			return nil, nil
		}, bullmq.WorkerOptions{})
		eventually(t, q, "p", bullmq.StateFailed)
	})
}

func testChildrenRetried(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "parent", nil, bullmq.JobOptions{ID: "p"}))
		good := make(chan struct{})
		start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			if j.Name == "parent" {
				return stepHandler(t, q, bullmq.FailureNone)(ctx, j)
			}
			select {
			case <-good:
				return 7, nil
			default:
				return nil, errors.New("not yet")
			}
		}, bullmq.WorkerOptions{})
		eventually(t, q, "g", bullmq.StateFailed)
		eventually(t, q, "b", bullmq.StateFailed)
		close(good)
		ok(t, q.Retry(ctx, "g", bullmq.RetryOptions{}))
		eventually(t, q, "g", bullmq.StateCompleted)
		ok(t, q.RetryJobs(ctx, bullmq.StateFailed, time.Time{}))
		parent := eventually(t, q, "p", bullmq.StateCompleted)
		var result struct{ Values map[string]json.RawMessage }
		ok(t, json.Unmarshal(parent.ReturnValue, &result))
		if len(result.Values) != 2 {
			t.Errorf("parent returned %s", parent.ReturnValue)
		}
	})
}

func testChildrenLastRemoved(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		other := must[*bullmq.Queue](t)(bullmq.NewQueue(s.rdb, "other", bullmq.QueueOptions{}))
		must[*bullmq.Job](t)(q.Add(ctx, "parent", nil, bullmq.JobOptions{ID: "p"}))
		start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			if j.AttemptsStarted > 1 {
				return "released", nil
			}
			if _, err := other.Add(ctx, "child", nil, bullmq.JobOptions{ID: "c", Parent: &bullmq.ParentRef{ID: "p", Queue: q.QualifiedName()}}); err != nil {
				return nil, err
			}
			return nil, bullmq.WaitForChildren()
		}, bullmq.WorkerOptions{})
		eventually(t, q, "p", bullmq.StateWaitingChildren)
		ok(t, other.Remove(ctx, "c", bullmq.RemoveOptions{}))
		if p := eventually(t, q, "p", bullmq.StateCompleted); string(p.ReturnValue) != `"released"` {
			t.Errorf("%s", p.ReturnValue)
		}
	})
}

func testChildrenTreeRemoved(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "p"}))
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "c", Parent: &bullmq.ParentRef{ID: "p", Queue: "bull:q"}}))
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "cc", Parent: &bullmq.ParentRef{ID: "c", Queue: "bull:q"}}))
		ok(t, s.rdb.Set(ctx, "bull:q:cc:lock", "someone", 0).Err())
		if err := q.Remove(ctx, "p", bullmq.RemoveOptions{Children: true}); !errors.Is(err, bullmq.ErrJobLocked) {
			t.Errorf("got %v, want ErrJobLocked", err)
		}
		ok(t, s.rdb.Del(ctx, "bull:q:cc:lock").Err())
		ok(t, q.Remove(ctx, "p", bullmq.RemoveOptions{Children: true}))
		testproc.Eventually(t, wait, func() bool {
			for _, n := range must[map[bullmq.State]int64](t)(q.Counts(ctx)) {
				if n > 0 {
					return false
				}
			}
			return s.rdb.Exists(ctx, "bull:q:p", "bull:q:c", "bull:q:cc").Val() == 0
		}, "nothing is left")
	})
}

func testChildrenActiveGrandchild(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		started, end := make(chan struct{}), make(chan struct{})
		start(t, s.rdb, func(_ context.Context, j *bullmq.Job) (any, error) {
			if j.ID != "cc" {
				return nil, errors.New("bad luck")
			}
			close(started)
			<-end
			return nil, nil
		}, bullmq.WorkerOptions{Concurrency: 2})
		ok(t, q.Pause(ctx))
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "p", Delay: time.Hour}))
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil,
			bullmq.JobOptions{ID: "c", Parent: &bullmq.ParentRef{ID: "p", Queue: "bull:q"}, OnFailure: bullmq.IgnoreDependency}))
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "cc", Parent: &bullmq.ParentRef{ID: "c", Queue: "bull:q"}}))
		ok(t, q.Resume(ctx))
		<-started
		testproc.Eventually(t, wait, func() bool {
			return must[bullmq.State](t)(q.State(ctx, "c")) == bullmq.StateFailed
		}, "the child fails")
		if err := q.Remove(ctx, "p", bullmq.RemoveOptions{Children: true}); !errors.Is(err, bullmq.ErrJobLocked) {
			t.Errorf("got %v, want ErrJobLocked", err)
		}
		close(end)
		testproc.Eventually(t, wait, func() bool {
			return must[bullmq.State](t)(q.State(ctx, "cc")) == bullmq.StateCompleted
		}, "the job that is being run completes")
	})
}
