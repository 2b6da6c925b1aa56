package interop

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"schoolbell/bullmq"
)

// workInNode runs a Node worker that returns what the job's children returned and
// its own name.
const workInNode = `await $.worker(args[0], async (job) => {
	if (job.name.startsWith('bad')) throw new Error('no ' + job.name);
	return { name: job.name, children: Object.entries(await job.getChildrenValues()).sort() };
})`

// workInGo is the same in Go.
func workInGo(ctx context.Context, job *bullmq.Job) (any, error) {
	if strings.HasPrefix(job.Name, "bad") {
		return nil, errors.New("no " + job.Name)
	}
	values, err := job.ChildrenValues(ctx)
	pairs := make([][2]any, 0, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		pairs = append(pairs, [2]any{key, values[key]})
	}
	return map[string]any{"name": job.Name, "children": pairs}, err
}

// family is a flow of three levels in three queues.
type family struct {
	*rig
	top, middle, bottom *bullmq.Queue
}

func newFamily(r *rig) *family {
	r.Helper()
	return &family{r, r.queue(r.unused()), r.queue(r.unused()), r.queue(r.unused())}
}

func (f *family) add(language string) {
	f.Helper()
	if language == "node" {
		f.node.do(nil, `const [top, middle, bottom] = args;
			await $.flow().add({ name: 'root', queueName: top, data: {}, opts: { jobId: 'root' }, children: [
				{ name: 'left', queueName: middle, opts: { jobId: 'left' }, children: [
					{ name: 'leaf1', queueName: bottom, opts: { jobId: 'leaf1' } },
					{ name: 'leaf2', queueName: bottom, opts: { jobId: 'leaf2', priority: 3 } },
				] },
				{ name: 'right', queueName: middle, opts: { jobId: 'right' } },
			] })`, f.top.Name(), f.middle.Name(), f.bottom.Name())
		return
	}
	job := func(q *bullmq.Queue, name string, priority int, children ...bullmq.FlowJob) bullmq.FlowJob {
		return bullmq.FlowJob{Queue: q, Name: name, Options: bullmq.JobOptions{ID: name, Priority: priority}, Children: children}
	}
	_, err := bullmq.AddFlow(f.Context(), job(f.top, "root", 0,
		job(f.middle, "left", 0, job(f.bottom, "leaf1", 0), job(f.bottom, "leaf2", 3)), job(f.middle, "right", 0)))
	f.ok(err)
}

// result is what the root returns.
func (f *family) result() any {
	leaf := func(q *bullmq.Queue, name string, children ...any) []any {
		return []any{q.QualifiedName() + ":" + name, map[string]any{"name": name, "children": append([]any{}, children...)}}
	}
	return leaf(f.top, "root", leaf(f.middle, "left", leaf(f.bottom, "leaf1"), leaf(f.bottom, "leaf2")), leaf(f.middle, "right"))[1]
}

func TestFlow(t *testing.T) {
	t.Parallel()
	t.Run("flows run in both languages", testFlowRuns)
	t.Run("a job in Go waits for children that Node runs", testFlowWaitsForNodeChildren)
	t.Run("a failed child has the same effect on its parent", testFlowFailedChild)
}

func testFlowRuns(t *testing.T) { withBothMajors(t, flowsRunInBothLanguages) }

func flowsRunInBothLanguages(r *rig) {
	for _, maker := range languages {
		for _, goHas := range []string{"top middle bottom", "top bottom", "middle", "top", "middle bottom", "nothing"} {
			r.Run("added by "+maker+", Go works "+goHas, func(t *testing.T) {
				f := newFamily(r.within(t))
				f.add(maker)
				f.reaches(f.top, "root", bullmq.StateWaitingChildren)
				for place, q := range map[string]*bullmq.Queue{"top": f.top, "middle": f.middle, "bottom": f.bottom} {
					if strings.Contains(goHas, place) {
						f.work(q.Name(), workInGo, bullmq.WorkerOptions{Name: "go"})
					} else {
						f.node.do(nil, workInNode, q.Name())
					}
				}
				f.reaches(f.top, "root", bullmq.StateCompleted)
				f.sameAsNode()
			})
		}
	}
	r.node.quiet()
}

// sameAsNode looks at the finished family from both sides.
func (f *family) sameAsNode() {
	r, top := f.rig, f.top
	r.Helper()
	root, err := top.Job(r.Context(), "root")
	r.ok(err)
	r.same("what the root returned", root.ReturnValue, f.result())
	if root.AttemptsStarted != 1 {
		r.Errorf("the root was started %d times", root.AttemptsStarted)
	}
	ours, err := root.ChildrenValues(r.Context())
	r.ok(err)
	var theirs map[string]json.RawMessage
	r.node.do(&theirs, `return (await $.queue(args[0]).getJob('root')).getChildrenValues()`, top.Name())
	r.same("values of the children", ours, theirs)
	counts, err := root.DependencyCounts(r.Context())
	r.ok(err)
	var nodeCounts struct{ Processed, Unprocessed, Ignored, Failed int64 }
	r.node.do(&nodeCounts, `return (await $.queue(args[0]).getJob('root')).getDependenciesCount({ processed: true, unprocessed: true, ignored: true, failed: true })`, top.Name())
	r.same("counts of the children", counts, nodeCounts)
	var tree []string
	r.node.do(&tree, `const walk = ({ job, children = [] }) => [job.name, ...children.flatMap(walk)];
		return walk(await $.flow().getFlow({ id: 'root', queueName: args[0] })).sort()`, top.Name())
	r.same("the tree", tree, []string{"leaf1", "leaf2", "left", "right", "root"})
}

func testFlowWaitsForNodeChildren(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q, children := r.queue("parents"), r.queue("children")
		r.node.do(nil, workInNode, "children")
		r.work("parents", func(ctx context.Context, job *bullmq.Job) (any, error) {
			if job.AttemptsStarted == 1 {
				for n := range 5 {
					opts := bullmq.JobOptions{ID: fmt.Sprint("child-", n), Parent: &bullmq.ParentRef{ID: job.ID, Queue: q.QualifiedName()}, OnFailure: bullmq.IgnoreDependency}
					name := "good"
					if n == 4 {
						name = "bad"
					}
					if _, err := children.Add(ctx, name, nil, opts); err != nil {
						return nil, err
					}
				}
			}
			if counts, err := job.DependencyCounts(ctx); err != nil || counts.Unprocessed > 0 {
				return nil, cmp.Or(err, bullmq.WaitForChildren())
			}
			return workInGo(ctx, job)
		}, bullmq.WorkerOptions{})
		id := r.add(q, "parent", nil, bullmq.JobOptions{})
		r.reaches(q, id, bullmq.StateCompleted)
		job, err := q.Job(r.Context(), id)
		r.ok(err)
		var result struct{ Children []any }
		r.ok(json.Unmarshal(job.ReturnValue, &result))
		if len(result.Children) != 4 || job.AttemptsStarted > 2 {
			r.Errorf("result %s after %d starts, want four children and at most two", job.ReturnValue, job.AttemptsStarted)
		}
		failures, err := job.IgnoredChildrenFailures(r.Context())
		r.ok(err)
		var theirs map[string]string
		r.node.do(&theirs, `return (await $.queue('parents').getJob(args[0])).getIgnoredChildrenFailures()`, id)
		r.same("failures that were ignored", failures, theirs)
		r.same("the failure", failures, map[string]string{r.key("children", "child-4"): "no bad"})
		r.node.quiet()
	})
}

// testFlowFailedChild has a child fail in Go and in Node under
// each of the flags and compares what becomes of parent and grandparent.
func testFlowFailedChild(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, flag := range []string{"", "failParentOnFailure", "continueParentOnFailure", "ignoreDependencyOnFailure", "removeDependencyOnFailure"} {
			r.Run("flag "+flag, func(t *testing.T) {
				sub := r.within(t)
				names := [2]string{sub.unused(), sub.unused()}
				for i, name := range names {
					failChild(sub, name, flag, i == 1)
				}
				compareDumps(sub, names, true)
			})
		}
		r.node.quiet()
	})
}

func failChild(r *rig, name, flag string, inGo bool) {
	r.Helper()
	g := newSide(r, name)
	r.node.do(nil, `const [queueName, flag] = args;
		const opts = (jobId, delay = 0) => ({ jobId, delay, ...(flag && { [flag]: true }) });
		await $.flow().add({ name: 'grand', queueName, opts: { jobId: 'grand' }, children: [
			{ name: 'parent', queueName, opts: opts('parent'), children: [
				{ name: 'bad', queueName, opts: opts('bad') },
				{ name: 'good', queueName, opts: opts('good', 1000) },
			] },
		] })`, name, flag)
	if inGo {
		g.workOff(workInGo, bullmq.WorkerOptions{})
	} else {
		r.node.do(nil, strings.NewReplacer("$.worker(", "$.workOff(").Replace(workInNode), name)
	}
	r.reaches(g.Queue, "bad", bullmq.StateFailed)
	// A parent that goes on while a child is pending is failed, of which Node's worker complains.
	r.node.do(nil, `$.errors = $.errors.filter((e) => !e.endsWith('Job parent has pending dependencies. moveToFinished'))`)
}
