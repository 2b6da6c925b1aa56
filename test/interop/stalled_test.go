package interop

import (
	"context"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// A worker that allows no lost worker fails the job instead of running it again.
func TestFirstStall(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		var seen [2]any
		for i, language := range languages {
			q := r.queue("of-" + language)
			id := r.add(q, "n", nil, bullmq.JobOptions{ID: "x", Attempts: 3})
			r.ok(r.rdb.LMove(r.Context(), r.key(q.Name(), "wait"), r.key(q.Name(), "active"), "RIGHT", "LEFT").Err()) // as a lost worker leaves it
			if language == "go" {
				r.work(q.Name(), func(context.Context, *bullmq.Job) (any, error) { return "ran", nil },
					bullmq.WorkerOptions{FailOnFirstStall: true, StalledInterval: 50 * time.Millisecond})
			} else {
				r.node.do(nil, `await $.worker(args[0], async () => 'ran', { maxStalledCount: 0, stalledInterval: 50 })`, q.Name())
			}
			r.reaches(q, id, bullmq.StateFailed)
			job, err := q.Job(r.Context(), id)
			r.ok(err)
			seen[i] = []any{job.FailedReason, job.StalledCount, job.AttemptsMade, job.AttemptsStarted, strings.Join(r.events(q.Name())[id], " ")}
		}
		r.same("the result of the job in "+languages[0]+" and "+languages[1], seen[0], seen[1])
		r.node.quiet()
	})
}
