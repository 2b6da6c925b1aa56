package interop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// recorder is a handler that notes the ids of the jobs it runs, in order.
type recorder struct{ ran chan string }

func newRecorder(jobs int) recorder { return recorder{make(chan string, jobs)} }

func (o recorder) handle(_ context.Context, job *bullmq.Job) (any, error) {
	o.ran <- job.ID
	return nil, nil
}

// first returns the ids of the next n jobs.
func (o recorder) first(r *rig, n int) []string {
	r.Helper()
	ids, late := make([]string, 0, n), time.After(patience)
	for range n {
		select {
		case id := <-o.ran:
			ids = append(ids, id)
		case <-late:
			r.Fatalf("only %d of %d jobs ran", len(ids), n)
		}
	}
	return ids
}

// nodeRan works a queue off in Node and returns the ids in the order they ran.
func nodeRan(r *rig, queue string, jobs int) []string {
	r.Helper()
	var ids []string
	r.node.do(&ids, `const ran = [];
		await new Promise((done) => $.worker(args[0], async (job) => { if (ran.push(job.id) === args[1]) done() }));
		await $.close('worker ' + args[0]);
		return ran`, queue, jobs)
	return ids
}

func TestPriorities(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, name := range []string{"for-go", "for-node"} {
			q := r.queue(name)
			fromNode := func(id, opts string) {
				r.node.do(nil, `await $.queue(args[0]).add('n', {}, { jobId: args[1], ...eval('(' + args[2] + ')') })`, name, id, opts)
			}
			r.add(q, "n", nil, bullmq.JobOptions{ID: "go-2", Priority: 2})
			fromNode("node-2", `{ priority: 2 }`)
			fromNode("node-1", `{ priority: 1 }`)
			r.add(q, "n", nil, bullmq.JobOptions{ID: "go-1", Priority: 1})
			r.add(q, "n", nil, bullmq.JobOptions{ID: "go-plain"})
			fromNode("node-plain", `{}`)
			r.add(q, "n", nil, bullmq.JobOptions{ID: "go-max", Priority: bullmq.MaxPriority})
			fromNode("node-max", `{ priority: 2097151 }`)
			fromNode("node-front", `{ lifo: true }`)
			r.add(q, "n", nil, bullmq.JobOptions{ID: "go-front", LIFO: true})
			want := []string{"go-front", "node-front", "go-plain", "node-plain", "node-1", "go-1", "go-2", "node-2", "go-max", "node-max"}
			var got []string
			if name == "for-go" {
				rec := newRecorder(len(want))
				stop := r.work(name, rec.handle, bullmq.WorkerOptions{})
				got = rec.first(r, len(want))
				stop()
			} else {
				got = nodeRan(r, name, len(want))
			}
			r.same("order in the queue "+name, got, want)
		}
		r.node.quiet()
	})
}

func TestDelayedJobs(t *testing.T) {
	t.Parallel()
	t.Run("jobs run when due and in order", testDelayedJobsOrder)
	t.Run("a due job wakes a worker of the other language", testDelayedJobsWakeWorker)
}

func testDelayedJobsOrder(t *testing.T) {
	const jobs = 1000
	withBothMajors(t, func(r *rig) {
		due := time.Now().Add(400 * time.Millisecond).Truncate(time.Millisecond)
		made := due.Add(-time.Minute)
		var want []string
		for n := range jobs {
			want = append(want, fmt.Sprintf("job-%04d", n))
		}
		// All are due in the same millisecond; half come from either side, in blocks that take turns.
		for _, name := range []string{"for-go", "for-node"} {
			q := r.queue(name)
			for block := range slices.Chunk(want, 100) {
				if strings.HasSuffix(block[0], "100") || strings.HasSuffix(block[0], "300") {
					r.node.do(nil, `await $.queue(args[0]).addBulk(args[1].map((jobId) => ({ name: 'n', data: {}, opts: { jobId, delay: 60000, timestamp: args[2] } })))`, name, block, made.UnixMilli())
					continue
				}
				specs := make([]bullmq.JobSpec, len(block))
				for i, id := range block {
					specs[i] = bullmq.JobSpec{Name: "n", Options: bullmq.JobOptions{ID: id, Delay: time.Minute, Timestamp: made}}
				}
				_, err := q.AddBulk(r.Context(), specs)
				r.ok(err)
			}
		}
		rec := newRecorder(jobs)
		stop := r.work("for-go", rec.handle, bullmq.WorkerOptions{})
		r.same("order in which Go ran them", rec.first(r, jobs), want)
		r.reaches(r.queue("for-go"), want[jobs-1], bullmq.StateCompleted)
		stop()
		r.same("order in which Node ran them", nodeRan(r, "for-node", jobs), want)
		for _, name := range []string{"for-go", "for-node"} {
			for _, id := range []string{want[0], want[jobs-1]} {
				job, err := r.queue(name).Job(r.Context(), id)
				r.ok(err)
				if job.ProcessedOn.Before(due) {
					r.Errorf("%s of %s was started %v before it was due", id, name, due.Sub(job.ProcessedOn))
				}
			}
		}
		r.node.quiet()
	})
}

func testDelayedJobsWakeWorker(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		rec := newRecorder(1)
		r.work("for-go", rec.handle, bullmq.WorkerOptions{})
		r.node.do(nil, `await $.worker('for-node', async () => {})`)
		var added struct {
			ID  string
			Due int64
		}
		r.node.do(&added, `const job = await $.queue('for-go').add('n', {}, { delay: 200 }); return { id: job.id, due: job.timestamp + 200 }`)
		rec.first(r, 1)
		q := r.queue("for-go")
		r.reaches(q, added.ID, bullmq.StateCompleted)
		job, err := q.Job(r.Context(), added.ID)
		r.ok(err)
		if job.ProcessedOn.UnixMilli() < added.Due {
			r.Errorf("Go started it at %d, it was due at %d", job.ProcessedOn.UnixMilli(), added.Due)
		}
		q = r.queue("for-node")
		id := r.add(q, "n", nil, bullmq.JobOptions{Delay: 200 * time.Millisecond})
		r.reaches(q, id, bullmq.StateCompleted)
		job, err = q.Job(r.Context(), id)
		r.ok(err)
		if due := job.Timestamp.Add(200 * time.Millisecond); job.ProcessedOn.Before(due) {
			r.Errorf("Node started it at %v, it was due at %v", job.ProcessedOn, due)
		}
		r.node.quiet()
	})
}

// The places a job can wait in. A pause by either side must lose none.
var waitingPlaces = []string{"wait", "paused", "prioritized", "delayed"}

// waiting are the ids in all of them, sorted.
func waiting(r *rig, queue string) []string {
	r.Helper()
	var all []string
	for _, place := range waitingPlaces {
		key := r.key(queue, place)
		var ids []string
		kind, err := r.rdb.Type(r.Context(), key).Result()
		r.ok(err)
		switch kind {
		case "list":
			ids, err = r.rdb.LRange(r.Context(), key, 0, -1).Result()
		case "zset":
			ids, err = r.rdb.ZRange(r.Context(), key, 0, -1).Result()
		}
		r.ok(err)
		all = append(all, ids...)
	}
	slices.Sort(all)
	return all
}

func TestPause(t *testing.T) {
	t.Parallel()
	t.Run("no job of the other language is lost", testPauseLosesNoJob)
	t.Run("workers stop and then resume", testPauseStopsWorkers)
}

func testPauseLosesNoJob(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, story := range pauseStories() {
			r.Run(strings.Join(story, ", "), func(t *testing.T) {
				sub := r.within(t)
				tellPause(sub, r.unused(), story)
			})
		}
		r.node.quiet()
	})
}

// pauseStories are all ways to pause and resume with additions before, between
// and after by either side, and some longer random ones, always the same.
func pauseStories() [][]string {
	sides := []string{"go", "node"}
	var stories [][]string
	for _, pauser := range sides {
		for _, resumer := range sides {
			stories = append(stories, []string{"go adds", "node adds", pauser + " pauses", "node adds", "go adds", resumer + " resumes"})
			stories = append(stories, []string{pauser + " pauses", "go adds", "node adds", resumer + " pauses", "node adds", pauser + " resumes"})
		}
	}
	lot := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		var story []string
		for range 9 {
			story = append(story, sides[lot.IntN(2)]+" "+[]string{"adds", "adds", "pauses", "resumes"}[lot.IntN(4)])
		}
		stories = append(stories, append(story, sides[lot.IntN(2)]+" resumes"))
	}
	return stories
}

func tellPause(r *rig, name string, story []string) {
	r.Helper()
	r.node.do(nil, `await $.queue(args[0]).waitUntilReady()`, name)
	q := r.queue(name)
	var added []string
	paused := false
	for _, what := range story {
		switch side, act, _ := strings.Cut(what, " "); {
		case act == "adds":
			for _, opts := range []bullmq.JobOptions{{}, {Priority: 3}, {LIFO: true}} {
				opts.ID = fmt.Sprintf("job-%02d", len(added))
				added = append(added, opts.ID)
				if side == "go" {
					r.add(q, "n", nil, opts)
				} else {
					r.node.do(nil, `await $.queue(args[0]).add('n', {}, { jobId: args[1], priority: args[2], lifo: args[3] })`, name, opts.ID, opts.Priority, opts.LIFO)
				}
			}
		case act == "pauses" && side == "go":
			r.ok(q.Pause(r.Context()))
			paused = true
		case act == "pauses":
			r.node.do(nil, `await $.queue(args[0]).pause()`, name)
			paused = true
		case act == "resumes" && side == "go":
			r.ok(q.Resume(r.Context()))
			paused = false
		default:
			r.node.do(nil, `await $.queue(args[0]).resume()`, name)
			paused = false
		}
		var nodeSays bool
		r.node.do(&nodeSays, `return $.queue(args[0]).isPaused()`, name)
		goSays, err := q.IsPaused(r.Context())
		r.ok(err)
		if nodeSays != paused || goSays != paused {
			r.Errorf("after %q: Node says paused %t, Go %t", what, nodeSays, goSays)
		}
		r.same("jobs after "+what, waiting(r, name), added)
	}
	rec := newRecorder(len(added))
	stop := r.work(name, rec.handle, bullmq.WorkerOptions{})
	ran := rec.first(r, len(added))
	stop()
	slices.Sort(ran)
	r.same("jobs that ran", ran, added)
}

func testPauseStopsWorkers(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		r.node.do(nil, `await $.worker('for-node', async () => {}, { drainDelay: args[0] })`, hour.Seconds())
		r.work("for-go", func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{DrainDelay: hour})
		for _, queue := range []string{"for-go", "for-node"} {
			// A Queue of Node notes its version, by which Go tells how BullMQ 5 pauses. Where
			// there are workers of 5 and no Queue, Go has to be told with PauseMoves.
			r.node.do(nil, `await $.queue(args[0]).waitUntilReady()`, queue)
			q := r.queue(queue)
			for _, pauser := range []string{"go", "node"} {
				if pauser == "go" {
					r.ok(q.Pause(r.Context()))
				} else {
					r.node.do(nil, `await $.queue(args[0]).pause()`, queue)
				}
				id := r.add(q, "n", nil, bullmq.JobOptions{})
				due := r.add(q, "n", nil, bullmq.JobOptions{Delay: time.Millisecond})
				counts, err := q.Counts(r.Context(), bullmq.StateActive, bullmq.StateCompleted)
				r.ok(err)
				if counts[bullmq.StateActive] > 0 {
					r.Errorf("%s: jobs are run while the queue is paused by %s: %v", queue, pauser, counts)
				}
				if pauser == "go" {
					r.node.do(nil, `await $.queue(args[0]).resume()`, queue)
				} else {
					r.ok(q.Resume(r.Context()))
				}
				r.reaches(q, id, bullmq.StateCompleted)
				r.reaches(q, due, bullmq.StateCompleted)
			}
		}
		r.node.quiet()
	})
}
