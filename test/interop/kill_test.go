package interop

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// events are the queue's events as "name" or "name(prev x)", by job.
func (r *rig) events(queue string) map[string][]string {
	r.Helper()
	entries, err := r.rdb.XRange(r.Context(), r.key(queue, "events"), "-", "+").Result()
	r.ok(err)
	told := map[string][]string{}
	for _, e := range entries {
		name, id := fmt.Sprint(e.Values["event"]), fmt.Sprint(e.Values["jobId"])
		if prev, ok := e.Values["prev"]; ok && name == "waiting" {
			name += fmt.Sprintf("(prev %v)", prev)
		}
		told[id] = append(told[id], name)
	}
	return told
}

// count is how often x is in list.
func count(list []string, x string) (n int) {
	for _, y := range list {
		if y == x {
			n++
		}
	}
	return n
}

func (r *rig) counts(q *bullmq.Queue, want map[bullmq.State]int64, what string) {
	r.Helper()
	testenv.Eventually(r.T, patience, func() error {
		counts, err := q.Counts(r.Context())
		for state, n := range want {
			if err == nil && counts[state] != n {
				err = fmt.Errorf("counts are %v", counts)
			}
		}
		return err
	}, "%s", what)
}

func TestKilledWorker(t *testing.T) {
	t.Parallel()
	t.Run("no job is lost", testKilledWorkerLosesNoJob)
	t.Run("the other language runs its job", testKilledWorkerJobTaken)
}

func testKilledWorkerLosesNoJob(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, language := range languages {
			r.Run("the killed one is in "+language, func(t *testing.T) {
				sub := r.within(t)
				killInTheMiddle(sub, language)
			})
		}
		r.node.quiet()
	})
}

func killInTheMiddle(r *rig, language string) {
	const jobs = 5000
	name := r.unused()
	q := r.queueWith(name, bullmq.QueueOptions{MaxEvents: 20 * jobs})
	r.node.do(nil, `await $.queue(args[0], { streams: { events: { maxLen: args[1] } } }).pause()`, name, 20*jobs)
	killed := r.startVictim(language, "victim", 4, name)
	r.startVictim(other(language), "survivor", 4, name)
	specs := make([]bullmq.JobSpec, jobs/2)
	for n := range specs {
		specs[n] = bullmq.JobSpec{Name: "n", Data: map[string]int{"n": n}}
	}
	_, err := q.AddBulk(r.Context(), specs)
	r.ok(err)
	r.node.do(nil, `await $.queue(args[0]).addBulk(Array.from({ length: args[1] }, (_, n) => ({ name: 'n', data: { n: n + args[1] } })))`, name, jobs/2)
	r.ok(q.Resume(r.Context()))
	done := func() int64 {
		counts, err := q.Counts(r.Context(), bullmq.StateCompleted)
		r.ok(err)
		return counts[bullmq.StateCompleted]
	}
	testenv.Eventually(r.T, patience, func() bool { return done() >= jobs/10 }, "some jobs are completed")
	killed.kill()
	r.gone("victim")
	inHand := r.inHandOf(q, "victim")
	if n := done(); n == jobs || len(inHand) == 0 {
		r.Fatalf("the kill came too late: %d jobs were completed, %d in flight", n, len(inHand))
	}
	r.counts(q, map[bullmq.State]int64{bullmq.StateCompleted: jobs, bullmq.StateActive: 0, bullmq.StateWaiting: 0, bullmq.StateFailed: 0}, "all jobs are completed")
	r.ranOnceBut(q, jobs, inHand)
}

// inHandOf are the active jobs of a worker.
func (r *rig) inHandOf(q *bullmq.Queue, worker string) []string {
	r.Helper()
	active, err := q.Jobs(r.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.StateActive}, OldestFirst: true})
	r.ok(err)
	var ids []string
	for _, job := range active {
		if job.ProcessedBy == worker {
			ids = append(ids, job.ID)
		}
	}
	return ids
}

// ranOnceBut makes sure that each job was completed once, and started twice only
// if it was in flight when its worker was killed.
func (r *rig) ranOnceBut(q *bullmq.Queue, jobs int, inHand []string) {
	r.Helper()
	told := r.events(q.Name())
	done, err := q.Jobs(r.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.StateCompleted}, OldestFirst: true})
	r.ok(err)
	by := map[string]int{}
	for _, job := range done {
		by[job.ProcessedBy]++
		starts := 1
		if slices.Contains(inHand, job.ID) {
			starts = 2
		}
		if job.AttemptsStarted != starts || job.AttemptsMade != 1 || job.StalledCount != starts-1 {
			r.Errorf("job %s was started %d times, stalled %d and ended %d; want %d starts", job.ID, job.AttemptsStarted, job.StalledCount, job.AttemptsMade, starts)
		}
		if n := count(told[job.ID], "completed"); n != 1 {
			r.Errorf("job %s was completed %d times: %v", job.ID, n, told[job.ID])
		}
	}
	if len(done) != jobs || len(told) < jobs {
		r.Errorf("%d jobs are completed and %d told of, want %d", len(done), len(told), jobs)
	}
	if by["victim"] == 0 || by["survivor"] == 0 {
		r.Errorf("one side did nothing: %v", by)
	}
}

func testKilledWorkerJobTaken(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, language := range languages {
			r.Run("the killed one is in "+language, func(t *testing.T) {
				sub := r.within(t)
				t.Parallel()
				killTwice(sub, language, "once-"+language, "twice-"+language)
			})
		}
	})
}

// killTwice kills a worker in the middle of two jobs, and a second one in the middle of the
// second of them, which is then failed.
func killTwice(r *rig, language, once, twice string) {
	a, b := r.queue(once), r.queue(twice)
	first, second := r.add(a, "hold", nil, bullmq.JobOptions{ID: "first-" + language}), r.add(b, "hold", nil, bullmq.JobOptions{ID: "second-" + language, Attempts: 5})
	killed := r.startVictim(language, "victim-"+language, 1, once, twice)
	killed.holds(first)
	killed.holds(second)
	killed.kill()
	r.rescue(other(language), once)
	killed = r.startVictim(language, "victim-"+language, 1, twice)
	killed.holds(second)
	killed.kill()
	r.rescue(other(language), twice)
	r.reaches(a, first, bullmq.StateCompleted)
	r.reaches(b, second, bullmq.StateFailed)

	job, err := a.Job(r.Context(), first)
	r.ok(err)
	if job.StalledCount != 1 || job.AttemptsStarted != 2 || job.AttemptsMade != 1 || string(job.ReturnValue) != `"rescuer"` {
		r.Errorf("killed once: stalled %d, started %d, made %d, result %s", job.StalledCount, job.AttemptsStarted, job.AttemptsMade, job.ReturnValue)
	}
	r.same("events of the job killed once", strings.Join(r.events(once)[first], " "), "added waiting active waiting(prev active) stalled active completed")
	job, err = b.Job(r.Context(), second)
	r.ok(err)
	if job.StalledCount != 2 || job.AttemptsStarted != 3 || job.AttemptsMade != 1 || job.FailedReason != "job stalled more than allowable limit" || job.DeferredFailure != "" {
		r.Errorf("killed twice: stalled %d, started %d, made %d, reason %q, deferred %q", job.StalledCount, job.AttemptsStarted, job.AttemptsMade, job.FailedReason, job.DeferredFailure)
	}
	r.same("events of the job killed twice", strings.Join(r.events(twice)[second], " "),
		"added waiting active waiting(prev active) stalled active waiting(prev active) stalled active failed")
}

func TestSuspendedWorker(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, language := range languages {
			r.Run("the stopped one is in "+language, func(t *testing.T) {
				sub := r.within(t)
				stopTooLong(sub, language, "stop-"+language)
			})
		}
	})
}

func stopTooLong(r *rig, language, name string) {
	q := r.queue(name)
	id := r.add(q, "hold", nil, bullmq.JobOptions{})
	stopped := r.startVictim(language, "victim", 1, name)
	stopped.holds(id)
	stopped.signal(syscall.SIGSTOP)
	r.rescue(other(language), name)
	r.reaches(q, id, bullmq.StateCompleted)
	before, err := r.rdb.HGetAll(r.Context(), r.key(name, id)).Result()
	r.ok(err)
	if before["returnvalue"] != `"rescuer"` || before["stc"] != "1" || before["ats"] != "2" {
		r.Errorf("after the rescue: %v", before)
	}
	r.ok(r.rdb.RPush(r.Context(), "release", "go on").Err())
	stopped.signal(syscall.SIGCONT)
	stopped.complained(id)
	after, err := r.rdb.HGetAll(r.Context(), r.key(name, id)).Result()
	r.ok(err)
	r.same("the job after the stopped worker has ended it too", after, before)
	r.same("events", strings.Join(r.events(name)[id], " "), "added waiting active waiting(prev active) stalled active completed")
	r.counts(q, map[bullmq.State]int64{bullmq.StateCompleted: 1, bullmq.StateActive: 0, bullmq.StateWaiting: 0, bullmq.StateFailed: 0}, "the job is in one place")
	r.ok(r.rdb.Del(r.Context(), "release").Err())
}
