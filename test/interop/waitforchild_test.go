package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"schoolbell/bullmq"
)

// TestWaitForChild has a job of either language ask for a child that is
// there, for one that has completed and for one that is none of its own.
func TestWaitForChild(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		var seen []string
		for _, language := range languages {
			parents, children := r.queue("parents-of-"+language), r.queue("children-of-"+language)
			id := r.add(parents, "n", nil, bullmq.JobOptions{ID: "p", Attempts: 2})
			for _, child := range []string{"first", "second"} {
				r.add(children, "n", nil, bullmq.JobOptions{ID: child, Parent: &bullmq.ParentRef{ID: id, Queue: parents.QualifiedName()}})
			}
			if language == "go" {
				r.work(parents.Name(), func(_ context.Context, job *bullmq.Job) (any, error) {
					switch job.AttemptsStarted {
					case 1:
						return nil, bullmq.WaitForChild(children, "first")
					case 2:
						return nil, bullmq.WaitForChildren()
					}
					return "done", nil
				}, bullmq.WorkerOptions{})
			} else {
				r.node.do(nil, `const [parents, children, queue] = args;
					await $.worker(parents, async (job, token) => {
						const child = { id: 'first', queue };
						if (job.attemptsStarted === 1 && (await job.moveToWaitingChildren(token, { child }))) throw new $.bull.WaitingChildrenError();
						if (await job.moveToWaitingChildren(token, { child })) throw new Error('the child has completed');
						if (job.attemptsStarted === 2) { await job.moveToWait(token); throw new $.bull.WaitingError() }
						return 'done';
					})`, parents.Name(), children.Name(), children.QualifiedName())
			}
			r.reaches(parents, id, bullmq.StateWaitingChildren)
			stop := r.work(children.Name(), func(context.Context, *bullmq.Job) (any, error) { return 1, nil }, bullmq.WorkerOptions{})
			r.reaches(parents, id, bullmq.StateCompleted)
			stop()
			job, err := parents.Job(r.Context(), id)
			r.ok(err)
			seen = append(seen, fmt.Sprint(job.AttemptsMade, " ", job.AttemptsStarted, " ", strings.Join(r.events(parents.Name())[id], " ")))
		}
		r.same("the result of the job in "+languages[0]+" and "+languages[1], seen[0], seen[1])
		r.node.quiet()
	})
}
