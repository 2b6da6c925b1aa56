package interop

import (
	"fmt"
	"testing"

	"schoolbell/bullmq"
)

// failures are the flags that say what a child's failure means, and what becomes of its
// parent and of the parent's parent where all have the flag.
var failures = []struct {
	flag    string
	mode    bullmq.FailureMode
	parent  bullmq.State
	ignored bool // whether the parent can read why the child failed
}{
	{"", bullmq.FailureNone, bullmq.StateWaitingChildren, false},
	{"failParentOnFailure", bullmq.FailParent, bullmq.StateFailed, false},
	{"continueParentOnFailure", bullmq.ContinueParent, bullmq.StateCompleted, true},
	{"ignoreDependencyOnFailure", bullmq.IgnoreDependency, bullmq.StateCompleted, true},
	{"removeDependencyOnFailure", bullmq.RemoveDependency, bullmq.StateCompleted, false},
}

// Children fail in one language; their parents are run by the other, and the parents'
// parents by the first again.
func TestFamilyFailure(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, first := range languages {
			f := newFamily(r)
			for q, language := range map[*bullmq.Queue]string{f.bottom: first, f.middle: other(first), f.top: first} {
				if language == "go" {
					r.work(q.Name(), workInGo, bullmq.WorkerOptions{})
				} else {
					r.node.do(nil, workInNode, q.Name())
				}
			}
			for i, c := range failures {
				r.Run(fmt.Sprintf("%q fails in %s", c.flag, first), func(t *testing.T) {
					f := &family{r.within(t), f.top, f.middle, f.bottom}
					f.fails(first, fmt.Sprint(i), c.flag, c.mode)
					f.reaches(f.middle, "parent-"+fmt.Sprint(i), c.parent)
					f.reaches(f.top, "grand-"+fmt.Sprint(i), c.parent)
					f.sameFailure(fmt.Sprint(i), c.parent, c.ignored)
				})
			}
		}
		r.node.quiet()
	})
}

// fails adds, in a language, a child that will fail, its parent and the parent's parent.
func (f *family) fails(language, n, flag string, mode bullmq.FailureMode) {
	f.Helper()
	if language == "node" {
		f.node.do(nil, `const [top, middle, bottom, n, flag] = args;
			const opts = (jobId) => ({ jobId, ...(flag && { [flag]: true }) });
			await $.flow().add({ name: 'grand', queueName: top, opts: { jobId: 'grand-' + n }, children: [
				{ name: 'parent', queueName: middle, opts: opts('parent-' + n), children: [
					{ name: 'bad', queueName: bottom, opts: opts('bad-' + n) } ] } ] })`,
			f.top.Name(), f.middle.Name(), f.bottom.Name(), n, flag)
		return
	}
	bad := bullmq.FlowJob{Queue: f.bottom, Name: "bad", Options: bullmq.JobOptions{ID: "bad-" + n, OnFailure: mode}}
	parent := bullmq.FlowJob{Queue: f.middle, Name: "parent", Options: bullmq.JobOptions{ID: "parent-" + n, OnFailure: mode}, Children: []bullmq.FlowJob{bad}}
	_, err := bullmq.AddFlow(f.Context(), bullmq.FlowJob{Queue: f.top, Name: "grand", Options: bullmq.JobOptions{ID: "grand-" + n}, Children: []bullmq.FlowJob{parent}})
	f.ok(err)
}

// sameFailure looks from both sides at what parents know of a child's failure.
func (f *family) sameFailure(n string, state bullmq.State, ignored bool) {
	f.Helper()
	bad, parent := f.key(f.bottom.Name(), "bad-"+n), f.key(f.middle.Name(), "parent-"+n)
	for id, q := range map[string]*bullmq.Queue{"parent-" + n: f.middle, "grand-" + n: f.top} {
		job, err := q.Job(f.Context(), id)
		f.ok(err)
		child, want := bad, map[string]string{}
		if id[0] == 'g' {
			child = parent
		} else if ignored {
			want[bad] = "no bad"
		}
		if reason := fmt.Sprintf("child %s failed", child); (state == bullmq.StateFailed) != (job.FailedReason == reason) {
			f.Errorf("%s is %s for the reason %q", id, state, job.FailedReason)
		}
		ours, err := job.IgnoredChildrenFailures(f.Context())
		f.ok(err)
		var theirs map[string]string
		f.node.do(&theirs, `return (await $.queue(args[0]).getJob(args[1])).getIgnoredChildrenFailures()`, q.Name(), id)
		f.same("failures that "+id+" ignores, in Go", ours, want)
		f.same("failures that "+id+" ignores, in Node", theirs, want)
		counts, err := job.DependencyCounts(f.Context())
		f.ok(err)
		var nodeCounts bullmq.DependencyCounts
		f.node.do(&nodeCounts, `return (await $.queue(args[0]).getJob(args[1])).getDependenciesCount({ processed: true, unprocessed: true, ignored: true, failed: true })`, q.Name(), id)
		f.same("children of "+id, counts, nodeCounts)
	}
}
