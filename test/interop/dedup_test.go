package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// dedupModes are told in both languages.
var dedupModes = []struct {
	name  string
	mode  bullmq.Deduplication
	js    string
	delay time.Duration // of each job
	only  int           // the major that has it, 0 for both
}{
	{name: "simple", js: `{}`},
	{name: "with a time to live", mode: bullmq.Deduplication{TTL: time.Hour}, js: `{ ttl: 3600000 }`},
	{name: "with a time to live that starts over", mode: bullmq.Deduplication{TTL: time.Hour, Extend: true}, js: `{ ttl: 3600000, extend: true }`},
	{name: "replacing a delayed holder", mode: bullmq.Deduplication{Replace: true}, js: `{ replace: true }`, delay: time.Hour},
	{name: "replacing a delayed holder for a time", mode: bullmq.Deduplication{Replace: true, TTL: time.Hour}, js: `{ replace: true, ttl: 3600000 }`, delay: time.Hour},
	{name: "replacing a holder in line", mode: bullmq.Deduplication{Replace: true}, js: `{ replace: true }`},
	{name: "keeping the last while the holder waits", mode: bullmq.Deduplication{KeepLastIfActive: true}, js: `{ keepLastIfActive: true }`},
	{name: "rescheduling a delayed holder", mode: bullmq.Deduplication{Reschedule: true}, js: `{ reschedule: true }`, delay: time.Hour, only: 6},
}

// dedupSteps is what is done in each mode: by turns, so that either language meets what the
// other has made.
func dedupSteps(mode bullmq.Deduplication, js string, delay time.Duration) []step {
	mode.ID = "same"
	add := func(name string, later time.Duration) step {
		return step{
			js: fmt.Sprintf(`return (await $.queue(args[0]).add('%s', { by: '%s' }, { delay: %d || undefined, deduplication: { id: 'same', ...%s } })).id`,
				name, name, (delay + later).Milliseconds(), js),
			inGo: func(g *side) any {
				d := mode
				return g.addJob(name, map[string]string{"by": name}, bullmq.JobOptions{Delay: delay + later, Deduplication: &d}).ID
			},
		}
	}
	later := time.Duration(0)
	if delay > 0 {
		later = time.Minute
	}
	holder := step{
		js: `return (await $.queue(args[0]).getDeduplicationJobId('same')) ?? ''`,
		inGo: func(g *side) any {
			id, err := g.DeduplicationJobID(g.Context(), "same")
			g.ok(err)
			return id
		},
	}
	free := step{
		js: `return (await $.queue(args[0]).removeDeduplicationKey('same')) > 0`,
		inGo: func(g *side) any {
			freed, err := g.RemoveDeduplicationKey(g.Context(), "same")
			g.ok(err)
			return freed
		},
	}
	work := step{
		js: `await $.workOff(args[0], async (job) => job.name)`,
		inGo: func(g *side) any {
			g.workOff(func(_ context.Context, job *bullmq.Job) (any, error) { return job.Name, nil }, bullmq.WorkerOptions{})
			return nil
		},
	}
	return []step{add("a", 0), add("b", later), add("c", 2*later), holder, work, add("d", 0), holder, free, add("e", later), work, holder}
}

func TestDeduplication(t *testing.T) {
	t.Parallel()
	t.Run("both languages leave the same data in Redis", testDeduplicationDumps)
	t.Run("the last dropped job runs once after the active one", testDeduplicationLastDropped)
	t.Run("an id whose job no longer exists is free", testDeduplicationMissingHolder)
}

func testDeduplicationDumps(t *testing.T) {
	var cases []goldenCase
	for _, m := range dedupModes {
		cases = append(cases, goldenCase{name: m.name, only: m.only, steps: dedupSteps(m.mode, m.js, m.delay)})
	}
	simple := dedupSteps(bullmq.Deduplication{}, `{}`, 0)
	add, holder := simple[0], simple[3]
	lose := step{"", func(g *side) any {
		id, err := g.DeduplicationJobID(g.Context(), "same")
		g.ok(err)
		g.ok(g.rdb.Del(g.Context(), g.key(g.Name(), id)).Err())
		return id
	}}
	cases = append(cases, goldenCase{name: "held by a job that is gone", only: 6, steps: []step{add, lose, add, holder, lose, nothing, add, holder}})
	goldenTests(t, cases)
}

func testDeduplicationLastDropped(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, runner := range languages {
			name := "run-in-" + runner
			q := r.queue(name)
			release := make(chan struct{})
			if runner == "go" {
				r.work(name, func(_ context.Context, job *bullmq.Job) (any, error) {
					if job.Name == "a" {
						<-release
					}
					return job.Name, nil
				}, bullmq.WorkerOptions{})
			} else {
				r.node.do(nil, `const released = new Promise((done) => { $.state.release = done });
					await $.worker(args[0], async (job) => { if (job.name === 'a') await released; return job.name })`, name)
			}
			add := func(inGo bool, job string) (id string) {
				r.Helper()
				if inGo {
					return r.add(q, job, nil, bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "same", KeepLastIfActive: true}})
				}
				r.node.do(&id, `return (await $.queue(args[0]).add(args[1], {}, { deduplication: { id: 'same', keepLastIfActive: true } })).id`, name, job)
				return id
			}
			first := add(runner == "node", "a")
			r.reaches(q, first, bullmq.StateActive)
			for i, job := range []string{"b", "c", "d"} {
				if id := add(i%2 == 0, job); id != first {
					r.Errorf("%s was added as %s while %s runs", job, id, first)
				}
			}
			if runner == "go" {
				close(release)
			} else {
				r.node.do(nil, `$.state.release()`)
			}
			r.counts(q, map[bullmq.State]int64{bullmq.StateCompleted: 2, bullmq.StateActive: 0, bullmq.StateWaiting: 0}, "the last one has followed")
			done, err := q.Jobs(r.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.StateCompleted}, OldestFirst: true})
			r.ok(err)
			var results []string
			for _, job := range done {
				results = append(results, string(job.ReturnValue))
			}
			r.same("what ran in "+runner, strings.Join(results, " "), `"a" "d"`)
			if id, err := q.DeduplicationJobID(r.Context(), "same"); err != nil || id != "" {
				r.Errorf("the id is still held by %q, %v", id, err)
			}
		}
		r.node.quiet()
	})
}

func testDeduplicationMissingHolder(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		r.ok(r.rdb.Set(r.Context(), r.key("q", "de:same"), "gone", 0).Err())
		if id := r.add(q, "n", nil, bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "same"}}); id == "gone" {
			r.Error("Go gets the id of a job that is gone")
		}
		var holder string
		r.node.do(&holder, `return (await $.queue('q').add('n', {}, { deduplication: { id: 'same' } })).id`)
		if id, err := q.DeduplicationJobID(r.Context(), "same"); err != nil || id != holder {
			r.Errorf("Go says that %q holds the id, %v; Node %q", id, err, holder)
		}
	})
}
