package interop

import (
	"context"
	"fmt"
	"testing"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

func TestMixedWorkers(t *testing.T) {
	withBothMajors(t, everyJobRunsOnce)
}

func everyJobRunsOnce(r *rig) {
	const jobs = 5000
	q := r.queue("q")
	r.node.do(nil, `await $.queue('q').pause()`) // all workers begin together
	for n := range 2 {
		r.node.do(nil, `await $.worker('q', async (job) => job.data.n, { label: args[0], name: args[0], concurrency: 4 })`, fmt.Sprint("node-", n))
		r.work("q", func(_ context.Context, job *bullmq.Job) (any, error) {
			var data struct{ N int }
			err := decode(job.Data, &data)
			return data.N, err
		}, bullmq.WorkerOptions{Name: fmt.Sprint("go-", n), Concurrency: 4})
	}
	specs := make([]bullmq.JobSpec, jobs/2)
	for n := range specs {
		specs[n] = bullmq.JobSpec{Name: "n", Data: map[string]int{"n": n}}
	}
	_, err := q.AddBulk(r.Context(), specs)
	r.ok(err)
	r.node.do(nil, `await $.queue('q').addBulk(Array.from({ length: args[0] }, (_, n) => ({ name: 'n', data: { n: n + args[0] } })))`, jobs/2)
	r.ok(q.Resume(r.Context()))
	testenv.Eventually(r.T, patience, func() error {
		counts, err := q.Counts(r.Context())
		if err == nil && counts[bullmq.StateCompleted] != jobs {
			err = fmt.Errorf("counts are %v", counts)
		}
		return err
	}, "all jobs are completed")
	done, err := q.Jobs(r.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.StateCompleted}, OldestFirst: true})
	r.ok(err)
	by, seen := map[string]int{}, map[string]bool{}
	for _, job := range done {
		by[job.ProcessedBy]++
		seen[string(job.ReturnValue)] = true
		if job.AttemptsStarted != 1 || job.AttemptsMade != 1 || job.StalledCount != 0 {
			r.Errorf("job %s was started %d times", job.ID, job.AttemptsStarted)
		}
	}
	if len(done) != jobs || len(seen) != jobs {
		r.Errorf("%d jobs with %d results, want %d", len(done), len(seen), jobs)
	}
	if by["go-0"]+by["go-1"] == 0 || by["node-0"]+by["node-1"] == 0 {
		r.Errorf("one side did nothing: %v", by)
	}
	if n := r.rdb.SCard(r.Context(), r.key("q", "stalled")).Val(); n != 0 {
		r.Errorf("%d jobs are suspected to be stalled", n)
	}
	counts, err := q.Counts(r.Context(), bullmq.StateWaiting, bullmq.StateActive, bullmq.StateFailed)
	r.ok(err)
	for state, n := range counts {
		if n != 0 {
			r.Errorf("%d jobs are still %s", n, state)
		}
	}
	r.node.quiet()
}
