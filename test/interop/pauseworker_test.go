package interop

import (
	"context"
	"testing"

	"schoolbell/bullmq"
)

// A worker that is paused leaves the jobs to those of the other language, which only markers wake.
func TestPausedWorker(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		ran := make(chan string, 10)
		w, err := bullmq.NewWorker(r.rdb, "q", func(_ context.Context, job *bullmq.Job) (any, error) {
			ran <- job.ID
			return "go", nil
		}, bullmq.WorkerOptions{Prefix: r.Prefix, DrainDelay: hour})
		r.ok(err)
		ctx, stop := context.WithCancel(r.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		r.node.do(nil, `$.state.worker = await $.worker('q', async () => 'node', { drainDelay: args[0] })`, hour.Seconds())
		for _, resting := range []string{"go", "node", "go", "node"} {
			if resting == "go" {
				r.ok(w.Pause(r.Context()))
			} else {
				r.node.do(nil, `await $.state.worker.pause()`)
			}
			id := r.add(q, "n", nil, bullmq.JobOptions{})
			r.reaches(q, id, bullmq.StateCompleted)
			job, err := q.Job(r.Context(), id)
			r.ok(err)
			r.same("job while the worker in "+resting+" is paused was run in", job.ReturnValue, other(resting))
			if resting == "go" {
				w.Resume()
			} else {
				r.node.do(nil, `await $.state.worker.resume()`)
			}
		}
		stop()
		r.ok(<-ended)
		r.node.quiet()
	})
}
