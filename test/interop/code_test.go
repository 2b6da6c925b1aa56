package interop

import (
	"context"
	"errors"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// refusals are things that must not be done, told in both languages, with the code of the
// refusal: -1 no such job, -3 not in that state, -5 no such parent, -8 a scheduler's job.
var refusals = []struct {
	name string
	code int
	js   string // args[0] is the queue's name
	inGo func(ctx context.Context, q *bullmq.Queue, gone, held *bullmq.Job) error
}{
	{"new data for a job that is gone", -1, `gone.updateData({})`, func(ctx context.Context, _ *bullmq.Queue, gone, _ *bullmq.Job) error {
		return gone.UpdateData(ctx, 1)
	}},
	{"progress of a job that is gone", -1, `gone.updateProgress(1)`, func(ctx context.Context, _ *bullmq.Queue, gone, _ *bullmq.Job) error {
		return gone.UpdateProgress(ctx, 1)
	}},
	{"a delay for a job that is gone", -1, `gone.changeDelay(5)`, func(ctx context.Context, _ *bullmq.Queue, gone, _ *bullmq.Job) error {
		return gone.ChangeDelay(ctx, 5*time.Millisecond)
	}},
	{"a priority for a job that is gone", -1, `gone.changePriority({ priority: 5 })`, func(ctx context.Context, _ *bullmq.Queue, gone, _ *bullmq.Job) error {
		return gone.ChangePriority(ctx, 5, bullmq.PriorityOptions{})
	}},
	{"another try of a job that is gone", -1, `gone.retry('failed')`, func(ctx context.Context, q *bullmq.Queue, gone, _ *bullmq.Job) error {
		return q.Retry(ctx, gone.ID, bullmq.RetryOptions{})
	}},
	{"promotion of a job that runs", -3, `held.promote()`, func(ctx context.Context, q *bullmq.Queue, _, held *bullmq.Job) error {
		return q.Promote(ctx, held.ID)
	}},
	{"a delay for a job that runs", -3, `held.changeDelay(5)`, func(ctx context.Context, _ *bullmq.Queue, _, held *bullmq.Job) error {
		return held.ChangeDelay(ctx, 5*time.Millisecond)
	}},
	{"a child for a parent that is gone", -5, `q.add('n', {}, { parent: { id: 'gone', queue: q.qualifiedName } })`, func(ctx context.Context, q *bullmq.Queue, gone, _ *bullmq.Job) error {
		_, err := q.Add(ctx, "n", nil, bullmq.JobOptions{Parent: &bullmq.ParentRef{ID: gone.ID, Queue: q.QualifiedName()}})
		return err
	}},
	{"removal of a scheduler's next job", -8, `(await q.getDelayed())[0].remove()`, func(ctx context.Context, q *bullmq.Queue, _, _ *bullmq.Job) error {
		jobs, err := q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{bullmq.StateDelayed}, Limit: 1, OldestFirst: true})
		return errors.Join(err, q.Remove(ctx, jobs[0].ID, bullmq.RemoveOptions{}))
	}},
}

func TestErrorCodes(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, maker := range languages { // of the jobs; the other holds one
			q := r.queue(r.unused())
			gone, held := r.goneAndHeld(q, maker)
			for _, c := range refusals {
				var theirs int
				r.node.do(&theirs, `const q = $.queue(args[0]), [gone, held] = $.state.jobs; return $.codeOf(`+c.js+`)`, q.Name())
				if ours := code(c.inGo(r.Context(), q, gone, held)); ours != c.code || theirs != c.code {
					r.Errorf("%s, made by %s: code %v in Go and %d in Node, want %d", c.name, maker, ours, theirs, c.code)
				}
			}
			var removed int
			var obliterated any
			r.node.do(&removed, `return $.queue(args[0]).remove(args[1])`, q.Name(), held.ID)
			r.node.do(&obliterated, `return $.codeOf($.queue(args[0]).obliterate())`, q.Name())
			if err := q.Remove(r.Context(), held.ID, bullmq.RemoveOptions{}); removed != 0 || !errors.Is(err, bullmq.ErrJobLocked) {
				r.Errorf("removal of a job that runs: %v in Go, %d in Node", err, removed)
			}
			if err := q.Obliterate(r.Context(), bullmq.ObliterateOptions{}); !errors.Is(err, bullmq.ErrQueueActive) || obliterated == float64(0) {
				r.Errorf("obliteration while a job runs: %v in Go, %v in Node", err, obliterated)
			}
			r.reaches(q, held.ID, bullmq.StateActive)
		}
	})
}

// goneAndHeld makes, in a language, a job that is gone, one that the other language runs,
// and a scheduler, and returns the first two. Node has them in state.jobs.
func (r *rig) goneAndHeld(q *bullmq.Queue, maker string) (gone, held *bullmq.Job) {
	r.Helper()
	if maker == "go" {
		r.add(q, "n", nil, bullmq.JobOptions{ID: "gone", Delay: time.Hour})
		r.add(q, "n", nil, bullmq.JobOptions{ID: "held"})
		_, err := q.UpsertScheduler(r.Context(), "tick", bullmq.Schedule{Every: time.Hour, Start: time.Now().Add(time.Hour)}, bullmq.JobTemplate{})
		r.ok(err)
		r.node.do(nil, `const released = new Promise((done) => { $.state.release = done }); await $.worker(args[0], () => released)`, q.Name())
		r.Cleanup(func() { r.node.start(`$.state.release()`) })
	} else {
		r.node.do(nil, `const q = $.queue(args[0]);
			await q.add('n', {}, { jobId: 'gone', delay: 3600000 });
			await q.add('n', {}, { jobId: 'held' });
			await q.upsertJobScheduler('tick', { every: 3600000, startDate: Date.now() + 3600000 })`, q.Name())
		release := make(chan struct{})
		r.work(q.Name(), func(context.Context, *bullmq.Job) (any, error) { <-release; return nil, nil }, bullmq.WorkerOptions{})
		r.Cleanup(func() { close(release) })
	}
	r.reaches(q, "held", bullmq.StateActive)
	gone, err := q.Job(r.Context(), "gone")
	r.ok(err)
	held, err = q.Job(r.Context(), "held")
	r.ok(err)
	r.node.do(nil, `$.state.jobs = [await $.queue(args[0]).getJob('gone'), await $.queue(args[0]).getJob('held')]`, q.Name())
	r.ok(q.Remove(r.Context(), "gone", bullmq.RemoveOptions{}))
	return gone, held
}
