package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
)

func TestAddFlow(t *testing.T) {
	t.Parallel()
	t.Run("existing jobs become children", testAddFlowExistingJobs)
	t.Run("a parent with a refused child is not released", testAddFlowRefusedChild)
	t.Run("an invalid flow writes nothing", testAddFlowInvalid)
	t.Run("a flow in a cluster needs one hash slot", testAddFlowCluster)
}

func testAddFlowExistingJobs(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		for _, id := range []string{"done", "late"} {
			must[*bullmq.Job](t)(q.Add(ctx, id, nil, bullmq.JobOptions{ID: id, Priority: map[string]int{"late": 1}[id]}))
		}
		stop := start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) { return 7, q.Pause(ctx) }, bullmq.WorkerOptions{})
		eventually(t, q, "done", bullmq.StateCompleted)
		stop()

		node := must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(q, "all done", bullmq.JobOptions{}, named(nil, "done", bullmq.JobOptions{}))))
		if !node.Children[0].Job.Existed || node.Job.Existed {
			t.Error("who existed is not told")
		}
		if state := must[bullmq.State](t)(q.State(ctx, "all done")); state != bullmq.StateWaiting {
			t.Errorf("a parent whose only child has completed is %s", state)
		}
		if values := must[*bullmq.Job](t)(q.Job(ctx, "all done")); string(must[map[string]jsonText](t)(valuesOf(ctx, values))["bull:q:done"]) != "7" {
			t.Error("the child's value is not counted")
		}
		must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(q, "waits", bullmq.JobOptions{}, named(nil, "late", bullmq.JobOptions{}))))
		if state := must[bullmq.State](t)(q.State(ctx, "waits")); state != bullmq.StateWaitingChildren {
			t.Errorf("a parent of a job that waits is %s", state)
		}

		nodes, err := bullmq.AddFlows(ctx, []bullmq.FlowJob{named(q, "thief", bullmq.JobOptions{}, named(nil, "late", bullmq.JobOptions{}), named(nil, "own", bullmq.JobOptions{}))})
		var refused *bullmq.ScriptError
		if !errors.As(err, &refused) || refused.Code != bullmq.CodeParentConflict || refused.JobID != "late" {
			t.Errorf("another's child: %v", err)
		}
		if nodes[0].Children[0].Job != nil || nodes[0].Children[1].Job == nil {
			t.Error("which job was refused is not told")
		}
		ok(t, q.Remove(ctx, "waits", bullmq.RemoveOptions{}))
		must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(q, "heir", bullmq.JobOptions{}, named(nil, "late", bullmq.JobOptions{}))))
		if got := must[*bullmq.Job](t)(q.Job(ctx, "late")).ParentKey; got != "bull:q:heir" {
			t.Errorf("an orphan's parent is %s", got)
		}
	})
}

type jsonText = []byte

func valuesOf(ctx context.Context, j *bullmq.Job) (map[string]jsonText, error) {
	values, err := j.ChildrenValues(ctx)
	texts := map[string]jsonText{}
	for key, value := range values {
		texts[key] = jsonText(value)
	}
	return texts, err
}

func testAddFlowRefusedChild(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(q, "first", bullmq.JobOptions{}, named(nil, "child", bullmq.JobOptions{}))))
		if _, err := bullmq.AddFlow(ctx, named(q, "second", bullmq.JobOptions{}, named(nil, "child", bullmq.JobOptions{}))); err == nil {
			t.Fatal("no error")
		}
		if state := must[bullmq.State](t)(q.State(ctx, "second")); state != bullmq.StateWaitingChildren {
			t.Errorf("it is %s", state)
		}
	})
}

func testAddFlowInvalid(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	other := queueNamed(t, client(t, s.rdb.Options().Addr), "other")
	bad := func(child bullmq.FlowJob) bullmq.FlowJob { return named(q, "p", bullmq.JobOptions{}, child) }
	for name, flow := range map[string]bullmq.FlowJob{
		"no queue":              {Name: "p"},
		"an id with a colon":    bad(named(nil, "a:b:c", bullmq.JobOptions{})),
		"an integer id":         bad(named(nil, "7", bullmq.JobOptions{})),
		"a child's parent":      bad(named(nil, "c", bullmq.JobOptions{Parent: &bullmq.ParentRef{ID: "x", Queue: "bull:q"}})),
		"another client":        bad(named(other, "c", bullmq.JobOptions{})),
		"data that is no JSON":  bad(bullmq.FlowJob{Name: "c", Data: make(chan int)}),
		"a deduplicated child":  bad(named(nil, "c", bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "d"}})),
		"a deduplicated parent": named(q, "p", bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "d"}}, named(nil, "c", bullmq.JobOptions{})),
	} {
		if _, err := bullmq.AddFlow(ctx, flow); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.rdb.DBSize(ctx).Val(); n != 0 {
		t.Errorf("%d keys were written", n)
	}
	orphan := named(q, "r", bullmq.JobOptions{Parent: &bullmq.ParentRef{ID: "gone", Queue: "bull:q"}}, named(nil, "c", bullmq.JobOptions{}))
	var refused *bullmq.ScriptError
	if _, err := bullmq.AddFlow(ctx, orphan); !errors.As(err, &refused) || refused.Code != bullmq.CodeParentNotFound {
		t.Errorf("a root whose parent is gone: %v", err)
	}
	if n := s.rdb.Exists(ctx, "bull:q:r", "bull:q:c").Val(); n != 0 {
		t.Error("an orphan was added")
	}
}

func testAddFlowCluster(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	t.Cleanup(func() { _ = rdb.Close() })
	tagged := func(tag string) *bullmq.Queue {
		return must[*bullmq.Queue](t)(bullmq.NewQueue(rdb, "q", bullmq.QueueOptions{Prefix: "{" + tag + "}"}))
	}
	_, err := bullmq.AddFlow(context.Background(), named(tagged("a"), "p", bullmq.JobOptions{}, named(tagged("b"), "c", bullmq.JobOptions{})))
	if !errors.Is(err, bullmq.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestRemoveUnprocessed(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		node := must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(q, "p", bullmq.JobOptions{},
			named(nil, "a", bullmq.JobOptions{}, named(nil, "below", bullmq.JobOptions{})), named(nil, "b", bullmq.JobOptions{}), named(nil, "run", bullmq.JobOptions{}))))
		ok(t, s.rdb.Set(ctx, "bull:q:run:lock", "someone", 0).Err())
		ok(t, node.Job.RemoveUnprocessedChildren(ctx))
		if n := s.rdb.Exists(ctx, "bull:q:a", "bull:q:b", "bull:q:below").Val(); n != 0 {
			t.Errorf("%d of them are left", n)
		}
		if state := must[bullmq.State](t)(q.State(ctx, "p")); state != bullmq.StateWaitingChildren {
			t.Errorf("while a child runs the parent is %s", state)
		}
		ok(t, s.rdb.Del(ctx, "bull:q:run:lock").Err())
		ok(t, node.Job.RemoveUnprocessedChildren(ctx))
		if state := must[bullmq.State](t)(q.State(ctx, "p")); state != bullmq.StateWaiting {
			t.Errorf("in the end the parent is %s", state)
		}
	})
}

func TestRemoveChildDependency(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		node := must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(q, "p", bullmq.JobOptions{}, named(nil, "a", bullmq.JobOptions{}))))
		child := node.Children[0].Job
		if !must[bool](t)(child.RemoveChildDependency(ctx)) || child.ParentKey != "" {
			t.Error("it did not leave")
		}
		if state := must[bullmq.State](t)(q.State(ctx, "p")); state != bullmq.StateWaiting {
			t.Errorf("the parent is %s", state)
		}
		if again := must[bool](t)(child.RemoveChildDependency(ctx)); again {
			t.Error("it left twice")
		}
		child.ParentKey = "bull:q:p"
		if again := must[bool](t)(child.RemoveChildDependency(ctx)); again {
			t.Error("it left a parent that does not wait for it")
		}
		ok(t, q.Remove(ctx, "p", bullmq.RemoveOptions{}))
		var refused *bullmq.ScriptError
		if _, err := child.RemoveChildDependency(ctx); !errors.As(err, &refused) || refused.Code != bullmq.CodeParentNotFound {
			t.Errorf("a parent that is gone: %v", err)
		}
	})
}

func TestDependencies(t *testing.T) {
	t.Run("the iterator yields every child", testDependenciesIterator)
	t.Run("pages add up to all children", testDependenciesPages)
}

func testDependenciesIterator(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		var children []bullmq.FlowJob
		for i := range 700 { // more than Redis keeps in one piece
			children = append(children, named(nil, fmt.Sprint("open", i), bullmq.JobOptions{}))
		}
		node := must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(q, "p", bullmq.JobOptions{}, children...)))
		s.rdb.HSet(ctx, "bull:q:p:processed", "bull:q:x", `{"a":1}`)
		s.rdb.HSet(ctx, "bull:q:p:failed", "bull:q:y", "reason")
		s.rdb.ZAdd(ctx, "bull:q:p:unsuccessful", zed(1, "bull:q:z"))
		all := func(kind bullmq.DependencyKind) (deps []bullmq.Dependency) {
			for d, err := range node.Job.Dependencies(ctx, bullmq.DependenciesOptions{Kind: kind, WithJobs: true}) {
				ok(t, err)
				deps = append(deps, d)
			}
			return deps
		}
		keys := map[string]bool{}
		for _, d := range all(bullmq.Unprocessed) {
			keys[d.Key] = d.Job != nil && d.Key == "bull:q:"+d.Job.ID
		}
		if len(keys) != 700 || !keys["bull:q:open699"] {
			t.Errorf("%d keys", len(keys))
		}
		got := slices.Concat(all(bullmq.Processed), all(bullmq.IgnoredFailures), all(bullmq.Failures))
		if len(got) != 3 || got[0].Key != "bull:q:x" || string(got[0].Value) != `{"a":1}` || got[1].Reason != "reason" || got[2].Key != "bull:q:z" {
			t.Errorf("read %+v", got)
		}
		ok(t, s.rdb.Set(ctx, "bull:q:p:processed", "text", 0).Err())
		for d, err := range node.Job.Dependencies(ctx, bullmq.DependenciesOptions{Kind: bullmq.Processed}) {
			if !errors.Is(err, bullmq.ErrDamagedKey) {
				t.Errorf("a damaged key: %+v, %v", d, err)
			}
		}
	})
}

func testDependenciesPages(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "p"}))
		for i := range 1100 { // three batches
			key := fmt.Sprint("bull:other:", i)
			s.rdb.ZAdd(ctx, "bull:q:p:unsuccessful", zed(float64(i), key))
			s.rdb.SAdd(ctx, "bull:q:p:dependencies", key)
			s.rdb.HSet(ctx, "bull:q:p:failed", key, "reason")
			s.rdb.HSet(ctx, "bull:q:p:processed", key, i)
		}
		s.rdb.HSet(ctx, "bull:other:5", "name", "the fifth")
		for _, kind := range []bullmq.DependencyKind{bullmq.Unprocessed, bullmq.Processed, bullmq.IgnoredFailures, bullmq.Failures} {
			seen := map[string]bool{}
			for _, p := range [][2]int64{{0, 1}, {1, 499}, {500, 1}, {501, 598}, {1099, 0}, {1100, 5}} {
				page := must[*bullmq.DependencyPage](t)(q.DependencyPage(ctx, "p", bullmq.DependenciesOptions{Kind: kind, Offset: p[0], Limit: p[1], WithJobs: true}))
				if page.Total != 1100 || (p[1] > 0 && int64(len(page.Dependencies)) != min(p[1], 1100-p[0])) {
					t.Errorf("kind %d, page %v: %d of %d", kind, p, len(page.Dependencies), page.Total)
				}
				for _, d := range page.Dependencies {
					seen[d.Key] = true
					if fifth := d.Key == "bull:other:5"; fifth != (d.Job != nil) || fifth && (d.Job.ID != "5" || d.Job.Name != "the fifth" || d.Job.Queue().Name() != "other") {
						t.Errorf("kind %d: %+v", kind, d)
					}
				}
			}
			if len(seen) != 1100 {
				t.Errorf("kind %d: the pages have %d children", kind, len(seen))
			}
		}
		if page := must[*bullmq.DependencyPage](t)(q.DependencyPage(ctx, "unknown", bullmq.DependenciesOptions{})); page.Total != 0 || len(page.Dependencies) != 0 {
			t.Errorf("of an unknown job: %+v", page)
		}
	})
}
