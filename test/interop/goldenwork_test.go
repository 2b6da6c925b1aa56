package interop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"schoolbell/bullmq"
)

func TestGoldenWork(t *testing.T) {
	goldenTests(t, []goldenCase{
		{name: "jobs that complete", steps: []step{addResults, obey, addThree, obey}},
		{name: "jobs that fail", steps: []step{addFailures, obey, addThree, obey}},
		{name: "jobs that decide their fate themselves", steps: []step{addDeciders, obey, addThree, obey}},
		{name: "priorities and the front of the line", steps: []step{addOrdered, addOrdered, obey, addThree}},
		{name: "a limit that the job hit", steps: []step{addLimited, obeyLimited, addLimited, obeyLimited}},
	})
}

// The jobs say themselves what a worker shall make of them: their names are orders.
const orders = `async (job, token) => {
	const { bull } = $;
	switch (job.name) {
		case 'return': return job.data.value;
		case 'report':
			await job.updateProgress(50);
			await job.updateProgress({ done: [1] });
			for (const line of ['one', 'two', 'three']) await job.log(line);
			await job.updateData({ changed: true });
			return 'reported';
		case 'fail': throw new Error(job.data.reason);
		case 'fail for good': throw new bull.UnrecoverableError('for good');
		case 'delay once':
			if (job.attemptsStarted > 1) return 'later';
			await job.moveToDelayed(Date.now() + 5000, token);
			throw new bull.DelayedError();
		case 'wait once':
			if (job.attemptsStarted > 1) return 'again';
			await job.moveToWait(token);
			throw new bull.WaitingError();
		case 'wait for child': {
			const parent = { id: job.id, queue: job.queueQualifiedName };
			if (job.attemptsStarted === 1) await $.queue(job.queueName).add('return', { value: 7 }, { jobId: job.id + '-child', parent });
			if (await job.moveToWaitingChildren(token)) throw new bull.WaitingChildrenError();
			return Object.values(await job.getChildrenValues());
		}
		case 'limited':
			if (job.attemptsStarted > 1) return 'in the end';
			await $.queue(job.queueName).rateLimit(50);
			throw bull.Worker.RateLimitError();
	}
}`

// byOrder is the same in Go.
func (g *side) byOrder(ctx context.Context, job *bullmq.Job) (any, error) {
	var data struct {
		Value  any
		Reason string
	}
	switch job.Name {
	case "return", "fail":
		if err := decode(job.Data, &data); err != nil {
			return nil, err
		}
		if job.Name == "fail" {
			return nil, errors.New(data.Reason)
		}
		return data.Value, nil
	case "report":
		return "reported", report(ctx, job)
	case "fail for good":
		return nil, bullmq.Unrecoverable(errors.New("for good"))
	case "delay once":
		if job.AttemptsStarted > 1 {
			return "later", nil
		}
		return nil, bullmq.DelayUntil(g.now.Add(5 * time.Second))
	case "wait once":
		if job.AttemptsStarted > 1 {
			return "again", nil
		}
		return nil, bullmq.Requeue()
	case "wait for child":
		return waitForChild(ctx, job)
	case "limited":
		if job.AttemptsStarted > 1 {
			return "in the end", nil
		}
		return nil, bullmq.Throttled(50 * time.Millisecond)
	}
	return nil, nil
}

func report(ctx context.Context, job *bullmq.Job) error {
	err := errors.Join(job.UpdateProgress(ctx, 50), job.UpdateProgress(ctx, map[string][]int{"done": {1}}))
	for _, line := range []string{"one", "two", "three"} {
		_, logged := job.Log(ctx, line)
		err = errors.Join(err, logged)
	}
	return errors.Join(err, job.UpdateData(ctx, map[string]bool{"changed": true}))
}

func waitForChild(ctx context.Context, job *bullmq.Job) (any, error) {
	if job.AttemptsStarted == 1 {
		parent := &bullmq.ParentRef{ID: job.ID, Queue: job.Queue().QualifiedName()}
		if _, err := job.Queue().Add(ctx, "return", map[string]int{"value": 7}, bullmq.JobOptions{ID: job.ID + "-child", Parent: parent}); err != nil {
			return nil, err
		}
	}
	if counts, err := job.DependencyCounts(ctx); err != nil || counts.Unprocessed > 0 {
		return nil, cmp.Or(err, bullmq.WaitForChildren())
	}
	values, err := job.ChildrenValues(ctx)
	var list []any
	for _, v := range values {
		list = append(list, v)
	}
	return list, err
}

// obey works the queue off.
var obey = step{
	`await $.workOff(args[0], ` + orders + `)`,
	func(g *side) any { g.workOff(g.byOrder, bullmq.WorkerOptions{}); return nil },
}

// obeyLimited does it with a limiter, without which a limit is not looked at.
var obeyLimited = step{
	`await $.workOff(args[0], ` + orders + `, { limiter: { max: 100, duration: 3600000 } })`,
	func(g *side) any {
		g.workOff(g.byOrder, bullmq.WorkerOptions{Limiter: &bullmq.Limiter{Max: 100, Duration: time.Hour}})
		return nil
	},
}

var addResults = step{
	`const q = $.queue(args[0]);
	for (const value of [null, 'text', '', 0, 1.5, false, [], [1], { a: { b: 'ü' } }]) await q.add('return', { value });
	await q.add('report', {}, { keepLogs: 2 });
	await q.add('report', {});
	await q.add('nothing', {});`,
	func(g *side) any {
		for _, v := range []any{nil, "text", "", 0, 1.5, false, []int{}, []int{1}, map[string]any{"a": map[string]string{"b": "ü"}}} {
			g.addJob("return", map[string]any{"value": v}, bullmq.JobOptions{})
		}
		g.addJob("report", nil, bullmq.JobOptions{KeepLogs: 2})
		g.addJob("report", nil, bullmq.JobOptions{})
		g.addJob("nothing", nil, bullmq.JobOptions{})
		return nil
	},
}

var addFailures = step{
	`const q = $.queue(args[0]);
	const fail = (reason, opts) => q.add('fail', { reason }, opts);
	await fail('once');
	await fail('ü "quoted" </b>\nsecond line');
	await fail('twice, at once', { attempts: 2 });
	await fail('waits a second', { attempts: 2, backoff: 1000 });
	await fail('waits two', { attempts: 3, backoff: { type: 'fixed', delay: 2000 } });
	await fail('doubles', { attempts: 9, backoff: { type: 'exponential', delay: 1000 } });
	await fail('in its turn', { attempts: 3, priority: 5 });
	await fail('at the front', { attempts: 2, lifo: true });
	await fail('keeps one trace', { attempts: 3, stackTraceLimit: 1 });
	await fail('keeps no trace', { attempts: 3, stackTraceLimit: 0 });
	await q.add('fail for good', {}, { attempts: 5 });`,
	func(g *side) any {
		fail := func(reason string, opts bullmq.JobOptions) {
			g.addJob("fail", map[string]string{"reason": reason}, opts)
		}
		none, one := 0, 1
		fail("once", bullmq.JobOptions{})
		fail("ü \"quoted\" </b>\nsecond line", bullmq.JobOptions{})
		fail("twice, at once", bullmq.JobOptions{Attempts: 2})
		fail("waits a second", bullmq.JobOptions{Attempts: 2, Backoff: &bullmq.Backoff{Type: "fixed", Delay: time.Second}})
		fail("waits two", bullmq.JobOptions{Attempts: 3, Backoff: &bullmq.Backoff{Type: "fixed", Delay: 2 * time.Second}})
		fail("doubles", bullmq.JobOptions{Attempts: 9, Backoff: &bullmq.Backoff{Type: "exponential", Delay: time.Second}})
		fail("in its turn", bullmq.JobOptions{Attempts: 3, Priority: 5})
		fail("at the front", bullmq.JobOptions{Attempts: 2, LIFO: true})
		fail("keeps one trace", bullmq.JobOptions{Attempts: 3, StackTraceLimit: &one})
		fail("keeps no trace", bullmq.JobOptions{Attempts: 3, StackTraceLimit: &none})
		g.addJob("fail for good", nil, bullmq.JobOptions{Attempts: 5})
		return nil
	},
}

var addDeciders = step{
	`const q = $.queue(args[0]);
	for (const name of ['delay once', 'wait once', 'wait for child']) for (const opts of [{}, { priority: 4 }]) await q.add(name, {}, { attempts: 2, ...opts });`,
	func(g *side) any {
		for _, name := range []string{"delay once", "wait once", "wait for child"} {
			for _, p := range []int{0, 4} {
				g.addJob(name, nil, bullmq.JobOptions{Priority: p, Attempts: 2})
			}
		}
		return nil
	},
}

var addOrdered = step{
	`const q = $.queue(args[0]);
	let n = 0;
	for (const opts of [{ priority: 2 }, { priority: 1 }, { priority: 1 }, {}, {}, { lifo: true }, { priority: 1 }]) await q.add('return', { value: n++ }, opts);`,
	func(g *side) any {
		for n, opts := range []bullmq.JobOptions{{Priority: 2}, {Priority: 1}, {Priority: 1}, {}, {}, {LIFO: true}, {Priority: 1}} {
			g.addJob("return", map[string]int{"value": n}, opts)
		}
		return nil
	},
}

var addLimited = step{
	`await $.queue(args[0]).add('limited', {}); await $.queue(args[0]).add('limited', {}, { priority: 2 })`,
	func(g *side) any {
		g.addJob("limited", nil, bullmq.JobOptions{})
		g.addJob("limited", nil, bullmq.JobOptions{Priority: 2})
		return nil
	},
}

func TestGoldenKeep(t *testing.T) {
	var cases []goldenCase
	for _, k := range []struct {
		js   string
		keep *bullmq.Keep
	}{
		{`true`, &bullmq.Keep{None: true}},
		{`false`, &bullmq.Keep{}},
		{`2`, &bullmq.Keep{Count: 2}},
		{`{ count: 2 }`, &bullmq.Keep{Count: 2}},
		{`{ age: 10 }`, &bullmq.Keep{Age: 10 * time.Second}},
		{`{ age: 10, count: 3 }`, &bullmq.Keep{Age: 10 * time.Second, Count: 3}},
		{`{ age: 10, limit: 2 }`, &bullmq.Keep{Age: 10 * time.Second, Limit: 2}},
	} {
		add := step{
			fmt.Sprintf(`const keep = { removeOnComplete: %[1]s, removeOnFail: %[1]s };
			for (const n of [1, 2, 3, 4]) {
				await $.queue(args[0]).add('report', { n }, keep);
				await $.queue(args[0]).add('fail', { reason: 'n' + n }, keep);
				await $.queue(args[0]).add('wait for child', {}, keep);
			}`, k.js),
			func(g *side) any {
				opts := bullmq.JobOptions{RemoveOnComplete: k.keep, RemoveOnFail: k.keep}
				for n := range 4 {
					g.addJob("report", map[string]int{"n": n + 1}, opts)
					g.addJob("fail", map[string]string{"reason": fmt.Sprint("n", n+1)}, opts)
					g.addJob("wait for child", nil, opts)
				}
				return nil
			},
		}
		if k.js != "{ count: 2 }" { // Go writes a count alone as a number
			cases = append(cases, goldenCase{name: "by the job: " + k.js, steps: []step{add, obey, later(6 * time.Second), add, obey, later(6 * time.Second), nothing, add, obey}})
		}
		byWorker := step{
			fmt.Sprintf(`await $.workOff(args[0], %s, { removeOnComplete: %s, removeOnFail: %[2]s })`, orders, k.js),
			func(g *side) any {
				g.workOff(g.byOrder, bullmq.WorkerOptions{RemoveOnComplete: k.keep, RemoveOnFail: k.keep})
				return nil
			},
		}
		if k.js[0] == '{' { // the worker takes only this form
			cases = append(cases, goldenCase{name: "by the worker: " + k.js, steps: []step{addFailures, byWorker, later(6 * time.Second), addResults, byWorker, later(6 * time.Second), addThree, byWorker}})
		}
	}
	ageless := always(`await $.queue(args[0]).addBulk(['report', 'fail'].map((name) =>
		({ name, data: { reason: 'bad' }, opts: { removeOnComplete: { age: 0 }, removeOnFail: { age: 0 } } })))`)
	cases = append(cases, goldenCase{name: "none, as Node may say", steps: []step{ageless, obey, ageless, nothing, obey}})
	goldenTests(t, cases)
}
