package bullmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

func queueNamed(t *testing.T, rdb redis.UniversalClient, name string) *bullmq.Queue {
	t.Helper()
	return must[*bullmq.Queue](t)(bullmq.NewQueue(rdb, name, bullmq.QueueOptions{}))
}

// runAll runs a worker for each queue until the test ends.
func runAll(t *testing.T, rdb redis.UniversalClient, h bullmq.Handler, names ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, len(names))
	for _, name := range names {
		w := must[*bullmq.Worker](t)(bullmq.NewWorker(rdb, name, h, bullmq.WorkerOptions{}))
		go func() { done <- w.Run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range names {
			ok(t, <-done)
		}
	})
}

// named is a flow job with an id that is also its name.
func named(q *bullmq.Queue, id string, o bullmq.JobOptions, children ...bullmq.FlowJob) bullmq.FlowJob {
	o.ID = id
	return bullmq.FlowJob{Queue: q, Name: id, Options: o, Children: children}
}

func TestFlow(t *testing.T) {
	t.Run("jobs run from the leaves to the root", testFlowLeavesToRoot)
	t.Run("reading stops at the limits", testFlowReadLimits)
	t.Run("a job without an id gets a UUID", testFlowUUID)
	t.Run("a failure affects all ancestors by its mode", testFlowFailureMode)
}

func testFlowLeavesToRoot(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		top, middle, bottom := queueNamed(t, s.rdb, "top"), queueNamed(t, s.rdb, "middle"), queueNamed(t, s.rdb, "bottom")
		node := must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(top, "root", bullmq.JobOptions{},
			named(middle, "left", bullmq.JobOptions{Priority: 2},
				named(bottom, "leaf1", bullmq.JobOptions{}),
				named(nil, "leaf2", bullmq.JobOptions{LIFO: true}),
			),
			named(bottom, "right", bullmq.JobOptions{Priority: 1}),
		)))
		if got := node.Children[0].Children[1].Job.Queue().Name(); got != "middle" {
			t.Errorf("a job without a queue went to %s", got)
		}
		for id, q := range map[string]*bullmq.Queue{"root": top, "left": middle} {
			if state := must[bullmq.State](t)(q.State(ctx, id)); state != bullmq.StateWaitingChildren {
				t.Errorf("%s is %s", id, state)
			}
		}
		runAll(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			values, err := j.ChildrenValues(ctx)
			var below []string
			for key, value := range values {
				below = append(below, fmt.Sprint(key[strings.LastIndexByte(key, ':')+1:], string(value)))
			}
			slices.Sort(below)
			return j.Name + fmt.Sprint(below), err
		}, "top", "middle", "bottom")
		root := eventually(t, top, "root", bullmq.StateCompleted)
		want := `"root[left\"left[leaf1\\\"leaf1[]\\\" leaf2\\\"leaf2[]\\\"]\" right\"right[]\"]"`
		if string(root.ReturnValue) != want {
			t.Errorf("returned %s", root.ReturnValue)
		}
		tree := must[*bullmq.FlowNode](t)(top.Flow(ctx, "root", bullmq.FlowLimits{}))
		if d := cmp.Diff([]string{"root", " left", "  leaf1", "  leaf2", " right"}, outline(tree, "")); d != "" {
			t.Error(d)
		}
	})
}

// outline lists a tree, children in the order of their names.
func outline(n *bullmq.FlowNode, indent string) []string {
	lines := []string{indent + n.Job.Name}
	slices.SortFunc(n.Children, func(a, b *bullmq.FlowNode) int { return strings.Compare(a.Job.Name, b.Job.Name) })
	for _, child := range n.Children {
		lines = append(lines, outline(child, indent+" ")...)
	}
	return lines
}

func testFlowReadLimits(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		var children []bullmq.FlowJob
		for i := range 5 {
			children = append(children, named(nil, fmt.Sprint("c", i), bullmq.JobOptions{}, named(nil, fmt.Sprint("g", i), bullmq.JobOptions{})))
		}
		must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(q, "p", bullmq.JobOptions{}, children...)))
		for limits, want := range map[bullmq.FlowLimits]int{
			{}: 11, {Depth: 1}: 1, {Depth: 2}: 6, {Children: 2}: 5, {Depth: 2, Children: 3}: 4,
		} {
			if got := len(outline(must[*bullmq.FlowNode](t)(q.Flow(ctx, "p", limits)), "")); got != want {
				t.Errorf("%+v: %d jobs, want %d", limits, got, want)
			}
		}
		if _, err := q.Flow(ctx, "none", bullmq.FlowLimits{}); !errors.Is(err, bullmq.ErrJobNotFound) {
			t.Errorf("unknown id: %v", err)
		}
		if _, err := q.Flow(ctx, "p", bullmq.FlowLimits{Depth: -1}); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("negative depth: %v", err)
		}
	})
}

func testFlowUUID(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		node := must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, bullmq.FlowJob{Queue: q, Name: "p", Children: []bullmq.FlowJob{{Name: "c"}}}))
		uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
		for _, j := range []*bullmq.Job{node.Job, node.Children[0].Job} {
			if !uuid.MatchString(j.ID) {
				t.Errorf("id %q", j.ID)
			}
			if opts := s.rdb.HGet(ctx, "bull:q:"+j.ID, "opts").Val(); strings.Contains(opts, "jobId") || !json.Valid([]byte(opts)) {
				t.Errorf("options %s", opts)
			}
		}
		if n := s.rdb.Get(ctx, "bull:q:id").Val(); n != "2" {
			t.Errorf("the counter is at %s", n)
		}
	})
}

// deepFlow is a chain of three generations whose leaf fails; each generation says
// by mode what its failure means for the one above.
func deepFlow(q *bullmq.Queue, mode bullmq.FailureMode) bullmq.FlowJob {
	o := bullmq.JobOptions{OnFailure: mode}
	return named(q, "root", bullmq.JobOptions{}, named(nil, "middle", o, named(nil, "leaf", o), named(nil, "good", o)))
}

func testFlowFailureMode(t *testing.T) {
	const reason = "bad luck"
	tests := []struct {
		name         string
		mode         bullmq.FailureMode
		middle, root bullmq.State
		reason       string // of the root
		ignored      map[string]string
		counts       bullmq.DependencyCounts // of the middle
	}{
		{"none keeps both waiting", bullmq.FailureNone, bullmq.StateWaitingChildren, bullmq.StateWaitingChildren, "",
			map[string]string{}, bullmq.DependencyCounts{Processed: 1, Unprocessed: 1}},
		{"fail parent fails one after the other", bullmq.FailParent, bullmq.StateFailed, bullmq.StateFailed, "child bull:q:middle failed",
			map[string]string{}, bullmq.DependencyCounts{Processed: 1, Failed: 1}},
		{"continue parent releases the one above", bullmq.ContinueParent, bullmq.StateCompleted, bullmq.StateCompleted, "",
			map[string]string{"bull:q:leaf": reason}, bullmq.DependencyCounts{Processed: 1, Ignored: 1}},
		{"ignore counts it as done", bullmq.IgnoreDependency, bullmq.StateCompleted, bullmq.StateCompleted, "",
			map[string]string{"bull:q:leaf": reason}, bullmq.DependencyCounts{Processed: 1, Ignored: 1}},
		{"remove forgets it", bullmq.RemoveDependency, bullmq.StateCompleted, bullmq.StateCompleted, "",
			map[string]string{}, bullmq.DependencyCounts{Processed: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onServers(t, func(t *testing.T, s *server) {
				ctx := context.Background()
				q := newQueue(t, s.rdb, bullmq.QueueOptions{})
				must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, deepFlow(q, tt.mode)))
				good := make(chan struct{})
				start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
					switch j.Name {
					case "good":
						close(good)
					case "leaf":
						<-good // so that the middle has nothing left to wait for
						testproc.Eventually(t, wait, func() bool {
							return s.rdb.HExists(ctx, "bull:q:middle:processed", "bull:q:good").Val()
						}, "the good child is counted")
						return nil, errors.New(reason)
					}
					return nil, nil
				}, bullmq.WorkerOptions{Concurrency: 2})
				eventually(t, q, "leaf", bullmq.StateFailed)
				middle := eventually(t, q, "middle", tt.middle)
				root := eventually(t, q, "root", tt.root)
				if root.FailedReason != tt.reason {
					t.Errorf("the root failed with %q", root.FailedReason)
				}
				if d := cmp.Diff(tt.ignored, must[map[string]string](t)(middle.IgnoredChildrenFailures(ctx))); d != "" {
					t.Error(d)
				}
				if d := cmp.Diff(tt.counts, must[bullmq.DependencyCounts](t)(middle.DependencyCounts(ctx))); d != "" {
					t.Error(d)
				}
			})
		})
	}
}
