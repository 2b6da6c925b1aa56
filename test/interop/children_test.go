package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// childPage is a page of children as both languages see it.
type childPage struct {
	Keys   []string
	Values []json.RawMessage
	Jobs   []string // id and name, in the order of the keys
	Total  int64
}

// familyOf adds a parent with 700 children, of which some complete, some fail with
// consequences for the parent and some without, and some are removed.
func familyOf(r *rig, name string) *bullmq.Job {
	r.Helper()
	q := r.queue(name)
	root := bullmq.FlowJob{Queue: q, Name: "parent", Options: bullmq.JobOptions{ID: "parent"}}
	modes := map[string]bullmq.FailureMode{"fails": bullmq.FailParent, "is ignored": bullmq.IgnoreDependency}
	for i := range 700 {
		kind := []string{"completes", "completes", "is open", "fails", "is ignored", "is open", "completes"}[i%7]
		opts := bullmq.JobOptions{ID: fmt.Sprintf("%s %d", kind, i), OnFailure: modes[kind], Delay: map[string]time.Duration{"is open": time.Hour}[kind]}
		root.Children = append(root.Children, bullmq.FlowJob{Name: kind, Options: opts})
	}
	tree, err := bullmq.AddFlow(r.Context(), root)
	r.ok(err)
	stop := r.work(name, func(_ context.Context, job *bullmq.Job) (any, error) {
		if job.Name != "completes" {
			return nil, errors.New("no paper")
		}
		return map[string]string{"of": job.ID}, nil
	}, bullmq.WorkerOptions{Concurrency: 20})
	r.counts(q, map[bullmq.State]int64{bullmq.StateWaiting: 0, bullmq.StateActive: 0}, "the children are worked off")
	stop()
	for i := range 700 {
		if i%50 == 0 { // ids that lead nowhere
			r.ok(r.rdb.Del(r.Context(), r.key(name, root.Children[i].Options.ID)).Err())
		}
	}
	return tree.Job
}

func TestDependencyPages(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		parent := familyOf(r, "q")
		q := parent.Queue()
		for nodeKind, kind := range map[string]bullmq.DependencyKind{"processed": bullmq.Processed, "pending": bullmq.Unprocessed} {
			for _, p := range [][2]int64{{0, 0}, {0, 9}, {10, 19}, {90, 310}, {150, 199}, {0, -1}, {299, 400}, {1000, 1010}} {
				var theirs childPage
				r.node.do(&theirs, `const page = await $.queue('q').getDependencies('parent', args[0], args[1], args[2]);
					return { keys: page.items.map((i) => i.id), values: page.items.map((i) => i.v ?? null), total: page.total,
						jobs: page.jobs.map((job) => job.name ? job.name : 'gone') }`, nodeKind, p[0], p[1])
				limit := p[1] - p[0] + 1
				if p[1] < 0 {
					limit = 0
				}
				page, err := q.DependencyPage(r.Context(), "parent", bullmq.DependenciesOptions{Kind: kind, Offset: p[0], Limit: limit, WithJobs: true})
				r.ok(err)
				ours := childPage{Keys: []string{}, Values: []json.RawMessage{}, Jobs: []string{}, Total: page.Total}
				for _, d := range page.Dependencies {
					job := "gone"
					if d.Job != nil {
						job = d.Job.Name
						if !strings.HasSuffix(d.Key, ":"+d.Job.ID) {
							r.Errorf("%s came with job %s", d.Key, d.Job.ID)
						}
					}
					ours.Keys, ours.Values, ours.Jobs = append(ours.Keys, d.Key), append(ours.Values, d.Value), append(ours.Jobs, job)
				}
				r.same(fmt.Sprintf("%s children from %d to %d", nodeKind, p[0], p[1]), ours, theirs)
			}
		}
		sameChildren(r, parent)
		r.node.quiet()
	})
}

// sameChildren compares the children of each kind, and their number.
func sameChildren(r *rig, parent *bullmq.Job) {
	r.Helper()
	var theirs struct {
		Processed           map[string]json.RawMessage
		Ignored             map[string]string
		Unprocessed, Failed []string
		Counts              struct{ Processed, Unprocessed, Ignored, Failed int64 }
	}
	r.node.do(&theirs, `const parent = await $.queue('q').getJob('parent');
		return { ...await parent.getDependencies(), counts: await parent.getDependenciesCount() }`)
	counts, err := parent.DependencyCounts(r.Context())
	r.ok(err)
	r.same("counts", counts, theirs.Counts)
	ours := map[bullmq.DependencyKind]map[string]string{}
	for kind := bullmq.Unprocessed; kind <= bullmq.Failures; kind++ {
		ours[kind] = map[string]string{}
		for d, err := range parent.Dependencies(r.Context(), bullmq.DependenciesOptions{Kind: kind}) {
			r.ok(err)
			ours[kind][d.Key] = d.Reason + string(d.Value)
		}
	}
	want := map[bullmq.DependencyKind]map[string]string{bullmq.Unprocessed: {}, bullmq.Processed: {}, bullmq.IgnoredFailures: theirs.Ignored, bullmq.Failures: {}}
	for key, value := range theirs.Processed {
		want[bullmq.Processed][key] = canonical(r.T, value)
	}
	for _, key := range theirs.Unprocessed {
		want[bullmq.Unprocessed][key] = ""
	}
	for _, key := range theirs.Failed {
		want[bullmq.Failures][key] = ""
	}
	r.same("children by kind", ours, want)
	if counts.Processed != 300 || counts.Failed == 0 || counts.Ignored == 0 || counts.Unprocessed == 0 {
		r.Errorf("the family is not what it should be: %+v", counts)
	}
}
