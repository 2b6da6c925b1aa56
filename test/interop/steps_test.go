package interop

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// Children of step jobs: "good" ones complete, "bad" ones fail at their first run.
const stepChildren = `async (job) => { if (job.name === 'bad' && job.attemptsStarted === 1) throw new Error('not yet'); return job.name }`

func stepChild(_ context.Context, job *bullmq.Job) (any, error) {
	if job.Name == "bad" && job.AttemptsStarted == 1 {
		return nil, errors.New("not yet")
	}
	return job.Name, nil
}

func TestStepJob(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, language := range languages {
			r.Run("the step job is in "+language, func(t *testing.T) {
				sub := r.within(t)
				stepJob(sub, language)
			})
		}
		r.node.quiet()
	})
}

func stepJob(r *rig, language string) {
	parents, children := "parents-of-"+language, "children-of-"+language
	p, c := r.queue(parents), r.queue(children)
	if language == "go" {
		r.node.do(nil, `await $.worker(args[0], `+stepChildren+`)`, children)
		r.work(parents, stepsInGo(c), bullmq.WorkerOptions{})
	} else {
		r.work(children, stepChild, bullmq.WorkerOptions{})
		r.node.do(nil, `const [parents, children] = args;
			await $.worker(parents, async (job, token) => {
				const parent = { id: job.id, queue: job.queueQualifiedName };
				if (job.attemptsStarted === 1) {
					await $.queue(children).add('good', {}, { jobId: 'good', parent });
					await $.queue(children).add('bad', {}, { jobId: 'bad', parent });
					await $.queue(children).add('bad', {}, { jobId: 'ignored', parent, ignoreDependencyOnFailure: true });
					await $.queue(children).add('late', {}, { jobId: 'late', parent, delay: 3600000 });
				}
				if (await job.moveToWaitingChildren(token)) throw new $.bull.WaitingChildrenError();
				return Object.values(await job.getChildrenValues()).sort();
			})`, parents, children)
	}
	id := r.add(p, "steps", nil, bullmq.JobOptions{})
	r.reaches(c, "good", bullmq.StateCompleted)
	r.reaches(c, "bad", bullmq.StateFailed)
	r.reaches(c, "ignored", bullmq.StateFailed)
	r.reaches(p, id, bullmq.StateWaitingChildren)
	job, err := p.Job(r.Context(), id)
	r.ok(err)
	counts := func(what string, want bullmq.DependencyCounts) {
		r.Helper()
		got, err := job.DependencyCounts(r.Context())
		r.ok(err)
		r.same("children "+what, got, want)
	}
	counts("after two have failed", bullmq.DependencyCounts{Processed: 1, Unprocessed: 2, Ignored: 1})
	if language == "go" { // the other language takes care of the children
		r.node.do(nil, `const queue = $.queue(args[0]);
			for (const id of ['bad', 'ignored']) await (await queue.getJob(id)).retry('failed')`, children)
	} else {
		r.ok(c.Retry(r.Context(), "bad", bullmq.RetryOptions{}))
		r.ok(c.Retry(r.Context(), "ignored", bullmq.RetryOptions{}))
	}
	r.reaches(c, "bad", bullmq.StateCompleted)
	r.reaches(c, "ignored", bullmq.StateCompleted)
	counts("after both were tried again", bullmq.DependencyCounts{Processed: 3, Unprocessed: 1})
	r.reaches(p, id, bullmq.StateWaitingChildren)
	if language == "go" {
		r.node.do(nil, `await (await $.queue(args[0]).getJob('late')).remove()`, children)
	} else {
		r.ok(c.Remove(r.Context(), "late", bullmq.RemoveOptions{}))
	}
	r.reaches(p, id, bullmq.StateCompleted)
	job, err = p.Job(r.Context(), id)
	r.ok(err)
	r.same("what the step job returned", job.ReturnValue, []string{"bad", "bad", "good"})
	r.same("events of the step job", strings.Join(r.events(parents)[id], " "), "added waiting active waiting-children waiting(prev waiting-children) active completed")
}

// stepsInGo is the handler of a job that adds children, waits for them and then
// returns what they returned.
func stepsInGo(c *bullmq.Queue) bullmq.Handler {
	return func(ctx context.Context, job *bullmq.Job) (any, error) {
		parent := &bullmq.ParentRef{ID: job.ID, Queue: job.Queue().QualifiedName()}
		if job.AttemptsStarted == 1 {
			for _, child := range []struct {
				name string
				opts bullmq.JobOptions
			}{
				{"good", bullmq.JobOptions{ID: "good", Parent: parent}},
				{"bad", bullmq.JobOptions{ID: "bad", Parent: parent}},
				{"bad", bullmq.JobOptions{ID: "ignored", Parent: parent, OnFailure: bullmq.IgnoreDependency}},
				{"late", bullmq.JobOptions{ID: "late", Parent: parent, Delay: time.Hour}},
			} {
				if _, err := c.Add(ctx, child.name, nil, child.opts); err != nil {
					return nil, err
				}
			}
		}
		if counts, err := job.DependencyCounts(ctx); err != nil || counts.Unprocessed > 0 {
			return nil, cmp.Or(err, bullmq.WaitForChildren())
		}
		values, err := job.ChildrenValues(ctx)
		names := make([]string, 0, len(values))
		for _, id := range []string{"bad", "ignored", "good"} { // in the order of what they return
			var name string
			if json.Unmarshal(values[c.QualifiedName()+":"+id], &name) == nil {
				names = append(names, name)
			}
		}
		return names, err
	}
}

func TestExistingID(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		for _, first := range languages {
			id := "first-in-" + first
			addAs := func(language, name string) (got string) {
				r.Helper()
				if language == "go" {
					return r.add(q, name, map[string]string{"by": language}, bullmq.JobOptions{ID: id, Delay: time.Hour})
				}
				r.node.do(&got, `return (await $.queue('q').add(args[1], { by: 'node' }, { jobId: args[0], delay: 3600000 })).id`, id, name)
				return got
			}
			if got := addAs(first, "one"); got != id {
				r.Errorf("%s added it as %s, want %s", first, got, id)
			}
			before, err := r.rdb.HGetAll(r.Context(), r.key("q", id)).Result()
			r.ok(err)
			if got := addAs(other(first), "two"); got != id {
				r.Errorf("%s gets the id %s, want %s", other(first), got, id)
			}
			after, err := r.rdb.HGetAll(r.Context(), r.key("q", id)).Result()
			r.ok(err)
			r.same("the job after it was added again", after, before)
			r.same("its events", strings.Join(r.events("q")[id], " "), "added delayed duplicated")
		}
		r.node.quiet()
	})
}

func TestCompletedChild(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("children")
		r.work("children", stepChild, bullmq.WorkerOptions{})
		for _, maker := range languages {
			child, parent := "child-for-"+maker, "parent-of-"+maker
			if maker == "go" { // the other language made the child
				r.node.do(nil, `await $.queue('children').add('old', {}, { jobId: args[0] })`, child)
			} else {
				r.add(q, "old", nil, bullmq.JobOptions{ID: child})
			}
			r.reaches(q, child, bullmq.StateCompleted)
			top := r.queue("parents")
			if maker == "go" {
				_, err := bullmq.AddFlow(r.Context(), bullmq.FlowJob{Queue: top, Name: "new", Options: bullmq.JobOptions{ID: parent},
					Children: []bullmq.FlowJob{{Queue: q, Name: "old", Options: bullmq.JobOptions{ID: child}}}})
				r.ok(err)
			} else {
				r.node.do(nil, `await $.flow().add({ name: 'new', queueName: 'parents', opts: { jobId: args[0] },
					children: [{ name: 'old', queueName: 'children', opts: { jobId: args[1] } }] })`, parent, child)
			}
			r.reaches(top, parent, bullmq.StateWaiting)
			job, err := top.Job(r.Context(), parent)
			r.ok(err)
			values, err := job.ChildrenValues(r.Context())
			r.ok(err)
			r.same("values of the children", values, map[string]string{r.key("children", child): "old"})
			r.same("events of the child", strings.Join(r.events("children")[child], " "), "added waiting active completed duplicated")
		}
		r.node.quiet()
	})
}
