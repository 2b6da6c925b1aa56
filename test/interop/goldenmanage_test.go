package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// everywhere is a story after which jobs are in all states but active.
var everywhere = []step{addMixed, addFailures, obey, addMixed, addMine, addDeciders, addThree}

// after is everywhere and more steps.
func after(steps ...step) []step { return append(append([]step{}, everywhere...), steps...) }

func TestGoldenManage(t *testing.T) {
	cases := []goldenCase{
		{name: "nothing more", steps: everywhere},
		{name: "drain", steps: after(drain(false), addThree, drain(false))},
		{name: "drain with the delayed", steps: after(drain(true), addThree, drain(true))},
		{name: "obliterate", only: 6, steps: after(obliterate, addThree, obliterate)},
		{name: "retry all that failed", steps: after(retryJobs("failed"), obey, retryJobs("failed"))},
		{name: "retry all that completed", only: 6, steps: after(retryJobs("completed"), obey, retryJobs("completed"))},
		{name: "promote all", steps: after(promoteJobs, addMixed, promoteJobs, obey)},
		{name: "change jobs that wait", steps: []step{addNamed, changeJobs, changeJobs, obey}},
		{name: "change jobs that wait, as the other", steps: []step{addNamed, nothing, changeJobs, changeJobs, obey}},
		{name: "retry single jobs", steps: []step{addNamed, obey, retryNamed, retryNamed, obey}},
		{name: "clear logs", steps: []step{addNamed, addLogs, clearLogs(2), clearLogs(1), clearLogs(0), addLogs, clearLogs(9)}},
		{name: "clear all logs", steps: []step{addNamed, addLogs, clearLogs(0)}},
		{name: "trim events", steps: []step{addMany, trimEvents(250), trimEvents(100), nothing, trimEvents(0)}},
		{name: "retry and count the starts on", steps: []step{addNamed, obey, retryMade, obey, retryMade, obey}},
		{name: "retry single jobs, as the other", steps: []step{addNamed, nothing, obey, retryNamed, retryNamed, obey}},
		{name: "remove single jobs", steps: []step{addNamed, addFamily, removeNamed, removeNamed}},
		{name: "remove single jobs, as the other", steps: []step{addNamed, addFamily, nothing, removeNamed, removeNamed}},
		{name: "remove a family", anyOrder: true, steps: []step{addFamily, removeFamily, obey}},
		{name: "remove what a parent waits for", steps: []step{addFamily, removeChildren, obey}},
	}
	for _, state := range []string{"wait", "delayed", "prioritized", "completed", "failed"} {
		for _, limit := range []int{0, 2} {
			cases = append(cases, goldenCase{name: fmt.Sprintf("clean %s, %d at most", state, limit), steps: after(clean(state, limit))})
			cases = append(cases, goldenCase{name: fmt.Sprintf("clean %s, %d at most, as the other", state, limit), steps: after(nothing, clean(state, limit))})
		}
	}
	goldenTests(t, cases)
}

// nothing makes the other side do the next step.
var nothing = step{``, func(*side) any { return nil }}

func drain(delayed bool) step {
	return step{
		fmt.Sprintf(`await $.queue(args[0]).drain(%t)`, delayed),
		func(g *side) any { g.ok(g.Drain(g.Context(), bullmq.DrainOptions{Delayed: delayed})); return nil },
	}
}

var obliterate = step{
	`await $.queue(args[0]).obliterate()`,
	func(g *side) any { g.ok(g.Obliterate(g.Context(), bullmq.ObliterateOptions{})); return nil },
}

func retryJobs(state string) step {
	return step{
		fmt.Sprintf(`await $.queue(args[0]).retryJobs({ state: %q })`, state),
		func(g *side) any {
			g.ok(g.RetryJobs(g.Context(), bullmq.State(state), time.Time{}))
			return nil
		},
	}
}

var promoteJobs = step{
	`await $.queue(args[0]).promoteJobs()`,
	func(g *side) any { g.ok(g.PromoteJobs(g.Context())); return nil },
}

func clean(state string, limit int) step {
	ours := bullmq.State(state)
	if state == "wait" {
		ours = bullmq.StateWaiting
	}
	return step{
		fmt.Sprintf(`return (await $.queue(args[0]).clean(0, %d, %q)).sort()`, limit, state),
		func(g *side) any {
			ids, err := g.Clean(g.Context(), ours, 0, limit)
			g.ok(err)
			return slices.Sorted(slices.Values(ids))
		},
	}
}

// addNamed adds jobs that later steps find by their ids.
var addNamed = step{
	`const q = $.queue(args[0]);
	const add = (jobId, opts, name = 'return') => q.add(name, { value: jobId }, { jobId, ...opts });
	await add('waits', {}); await add('ranked', { priority: 5 }); await add('ranked too', { priority: 5 }); await add('late', { delay: 9000 });
	await add('late and ranked', { delay: 9000, priority: 2 }); await add('fails', { attempts: 3 }, 'fail for good'); await add('fails ranked', { priority: 3 }, 'fail for good');`,
	func(g *side) any {
		add := func(id string, opts bullmq.JobOptions) {
			name := "return"
			if id[:2] == "fa" {
				name = "fail for good"
			}
			opts.ID = id
			g.addJob(name, map[string]string{"value": id}, opts)
		}
		add("waits", bullmq.JobOptions{})
		add("ranked", bullmq.JobOptions{Priority: 5})
		add("ranked too", bullmq.JobOptions{Priority: 5})
		add("late", bullmq.JobOptions{Delay: 9 * time.Second})
		add("late and ranked", bullmq.JobOptions{Delay: 9 * time.Second, Priority: 2})
		add("fails", bullmq.JobOptions{Attempts: 3})
		add("fails ranked", bullmq.JobOptions{Priority: 3})
		return nil
	},
}

// changeJobs does everything to jobs that wait, also what must be refused, and
// returns the codes.
var changeJobs = step{
	`const q = $.queue(args[0]);
	const on = async (id, change) => $.codeOf(change(await q.getJob(id)));
	return [
		await on('waits', (job) => job.updateData({ value: 'new' })),
		await on('waits', (job) => job.updateProgress({ percent: 3 })),
		await on('waits', (job) => job.log('a line')),
		await on('waits', (job) => job.changePriority({ priority: 4 })),
		await on('ranked', (job) => job.changePriority({ priority: 9 })),
		await on('ranked too', (job) => job.changePriority({ priority: 9, lifo: true })),
		await on('late', (job) => job.changeDelay(20000)),
		await on('late and ranked', (job) => job.promote()),
		await on('waits', (job) => job.promote()),
		await on('ranked', (job) => job.changeDelay(5)),
		await on('fails', (job) => job.changePriority({ priority: 0, lifo: true })),
		await on('fails ranked', (job) => job.changePriority({ priority: 0 })),
		await on('late', (job) => job.retry()),
	];`,
	func(g *side) any {
		ctx := g.Context()
		_, logged := g.job("waits").Log(ctx, "a line")
		return []any{
			code(g.job("waits").UpdateData(ctx, map[string]string{"value": "new"})),
			code(g.job("waits").UpdateProgress(ctx, map[string]int{"percent": 3})),
			code(logged),
			code(g.job("waits").ChangePriority(ctx, 4, bullmq.PriorityOptions{})),
			code(g.job("ranked").ChangePriority(ctx, 9, bullmq.PriorityOptions{})),
			code(g.job("ranked too").ChangePriority(ctx, 9, bullmq.PriorityOptions{LIFO: true})),
			code(g.job("late").ChangeDelay(ctx, 20*time.Second)),
			code(g.Promote(ctx, "late and ranked")),
			code(g.Promote(ctx, "waits")),
			code(g.job("ranked").ChangeDelay(ctx, 5*time.Millisecond)),
			code(g.job("fails").ChangePriority(ctx, 0, bullmq.PriorityOptions{LIFO: true})),
			code(g.job("fails ranked").ChangePriority(ctx, 0, bullmq.PriorityOptions{})),
			code(g.Retry(ctx, "late", bullmq.RetryOptions{})),
		}
	},
}

// retryNamed puts finished jobs back, with each counter reset and kept, and tries to from the wrong state.
var retryNamed = step{
	`const q = $.queue(args[0]);
	const on = async (id, change) => $.codeOf(change(await q.getJob(id)));
	return [
		await on('waits', (job) => job.retry()),
		await on('fails', (job) => job.retry('completed')),
		await on('fails', (job) => job.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true })),
		await on('waits', (job) => job.retry('completed', { resetAttemptsStarted: true })),
		await on('waits', (job) => job.retry('completed')),
	];`,
	func(g *side) any {
		ctx := g.Context()
		return []any{
			code(g.Retry(ctx, "waits", bullmq.RetryOptions{})), // it has completed
			code(g.Retry(ctx, "fails", bullmq.RetryOptions{From: bullmq.StateCompleted})),
			code(g.Retry(ctx, "fails", bullmq.RetryOptions{ResetAttemptsMade: true, ResetAttemptsStarted: true})),
			code(g.Retry(ctx, "waits", bullmq.RetryOptions{From: bullmq.StateCompleted, ResetAttemptsStarted: true})),
			code(g.Retry(ctx, "waits", bullmq.RetryOptions{From: bullmq.StateCompleted})),
		}
	},
}

var addLogs = step{
	`const job = await $.queue(args[0]).getJob('waits'); for (const line of ['a', 'b', 'c', 'd']) await job.log(line)`,
	func(g *side) any {
		for _, line := range []string{"a", "b", "c", "d"} {
			_, err := g.job("waits").Log(g.Context(), line)
			g.ok(err)
		}
		return nil
	},
}

func clearLogs(keep int) step {
	return step{
		fmt.Sprintf(`await (await $.queue(args[0]).getJob('waits')).clearLogs(%d)`, keep),
		func(g *side) any { g.ok(g.job("waits").ClearLogs(g.Context(), keep)); return nil },
	}
}

// addMany makes some 600 events.
var addMany = always(`for (let n = 0; n < 300; n++) await $.queue(args[0]).add('n', {})`)

func trimEvents(limit int64) step {
	return step{
		fmt.Sprintf(`return $.queue(args[0]).trimEvents(%d)`, limit),
		func(g *side) any {
			n, err := g.TrimEvents(g.Context(), limit)
			g.ok(err)
			return n
		},
	}
}

// retryMade resets the attempts made of a failed job and leaves its starts alone.
var retryMade = step{
	`await (await $.queue(args[0]).getJob('fails')).retry('failed', { resetAttemptsMade: true })`,
	func(g *side) any {
		g.ok(g.Retry(g.Context(), "fails", bullmq.RetryOptions{ResetAttemptsMade: true}))
		return nil
	},
}

var removeNamed = step{
	`const q = $.queue(args[0]);
	const codes = [];
	for (const id of ['waits', 'ranked', 'late', 'fails', 'nobody']) codes.push(await q.remove(id));
	return codes;`,
	func(g *side) any {
		var codes []any
		for _, id := range []string{"waits", "ranked", "late", "fails", "nobody"} {
			g.ok(g.Remove(g.Context(), id, bullmq.RemoveOptions{}))
			codes = append(codes, 1)
		}
		return codes
	},
}

// addFamily makes a parent with three children, one of which has a child, by a
// step of the parent.
var addFamily = step{
	`const q = $.queue(args[0]);
	await q.add('parent', {}, { jobId: 'parent' });
	const queue = q.qualifiedName;
	await $.workOff(args[0], async (job, token) => {
		if (job.name !== 'parent') return;
		const parent = { id: job.id, queue };
		for (const n of [1, 2]) await q.add('return', { value: n }, { jobId: 'child' + n, parent, delay: 5000, ignoreDependencyOnFailure: true });
		await q.add('parent', {}, { jobId: 'child3', parent, delay: 5000 });
		await q.add('return', {}, { jobId: 'grandchild', parent: { id: 'child3', queue }, delay: 5000 });
		await job.moveToWaitingChildren(token);
		throw new $.bull.WaitingChildrenError();
	})`,
	func(g *side) any {
		g.addJob("parent", nil, bullmq.JobOptions{ID: "parent"})
		g.workOff(g.beParent, bullmq.WorkerOptions{})
		return nil
	},
}

var removeFamily = step{
	`return $.queue(args[0]).remove('parent', { removeChildren: true })`,
	func(g *side) any {
		g.ok(g.Remove(g.Context(), "parent", bullmq.RemoveOptions{Children: true}))
		return 1
	},
}

// removeChildren takes away all that a parent waits for, which releases it.
var removeChildren = step{
	`const q = $.queue(args[0]); return [await q.remove('child1'), await q.remove('grandchild'), await q.remove('child3'), await q.remove('child2')]`,
	func(g *side) any {
		var codes []int
		for _, id := range []string{"child1", "grandchild", "child3", "child2"} {
			g.ok(g.Remove(g.Context(), id, bullmq.RemoveOptions{}))
			codes = append(codes, 1)
		}
		return codes
	},
}

// beParent is the parent of addFamily in Go.
func (g *side) beParent(ctx context.Context, job *bullmq.Job) (any, error) {
	if job.Name != "parent" {
		return nil, nil
	}
	add := func(parent, id, name string, data any, mode bullmq.FailureMode) error {
		_, err := g.Add(ctx, name, data, bullmq.JobOptions{ID: id, Delay: 5 * time.Second, OnFailure: mode, Parent: &bullmq.ParentRef{ID: parent, Queue: g.QualifiedName()}})
		return err
	}
	err := errors.Join(
		add(job.ID, "child1", "return", map[string]int{"value": 1}, bullmq.IgnoreDependency),
		add(job.ID, "child2", "return", map[string]int{"value": 2}, bullmq.IgnoreDependency),
		add(job.ID, "child3", "parent", nil, bullmq.FailureNone),
		add("child3", "grandchild", "return", nil, bullmq.FailureNone),
	)
	if err != nil {
		return nil, err
	}
	return nil, bullmq.WaitForChildren()
}
