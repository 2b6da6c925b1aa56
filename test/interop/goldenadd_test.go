package interop

import (
	"encoding/json"
	"testing"
	"time"

	"schoolbell/bullmq"
)

func TestGoldenAdd(t *testing.T) {
	goldenTests(t, []goldenCase{
		{name: "plain jobs", steps: []step{addThree, addThree}},
		{name: "jobs of all kinds", steps: []step{addMixed, addMixed}},
		{name: "in bulk", steps: []step{addBulk, addBulk}},
		{name: "ids that exist", steps: []step{addMine, addMine, addMine}},
		{name: "while paused", steps: []step{pause, addMixed, addThree}},
		{name: "paused and resumed", steps: []step{addThree, pause, addMixed, addThree, resume, addThree}},
		{name: "a child", steps: []step{addMine, addChild, addChild}},
	})
}

var addThree = step{
	`const q = $.queue(args[0]); const ids = []; for (const n of [1, 2, 3]) ids.push((await q.add('three', { n })).id); return ids`,
	func(g *side) any {
		var ids []string
		for n := range 3 {
			ids = append(ids, g.addJob("three", map[string]int{"n": n + 1}, bullmq.JobOptions{}).ID)
		}
		return ids
	},
}

// addMixed has every way of adding: delayed twice for the same moment, prioritized
// twice alike, at the front, with a time of its own, with settings that are only kept.
var addMixed = step{
	`const q = $.queue(args[0]);
	await q.add('late', { a: [1, { b: null }] }, { delay: 5000 });
	await q.add('late', 'same moment', { delay: 5000 });
	await q.add('later', [], { delay: 60000, priority: 3 });
	await q.add('third', 3, { priority: 3 });
	await q.add('third', 3.5, { priority: 3 });
	await q.add('last', true, { priority: 2097151 });
	await q.add('front', null, { lifo: true });
	await q.add('old', '', { timestamp: 1700000000000, delay: 1000 });
	await q.add('kept', { ü: '日本' }, {
		attempts: 5, backoff: { type: 'exponential', delay: 1000, jitter: 0.5 }, keepLogs: 2, stackTraceLimit: 1,
		removeOnComplete: { age: 60, count: 3, limit: 2 }, removeOnFail: true, tenant: 'north',
	});`,
	func(g *side) any {
		one := 1
		g.addJob("late", json.RawMessage(`{"a":[1,{"b":null}]}`), bullmq.JobOptions{Delay: 5 * time.Second})
		g.addJob("late", "same moment", bullmq.JobOptions{Delay: 5 * time.Second})
		g.addJob("later", []int{}, bullmq.JobOptions{Delay: time.Minute, Priority: 3})
		g.addJob("third", 3, bullmq.JobOptions{Priority: 3})
		g.addJob("third", 3.5, bullmq.JobOptions{Priority: 3})
		g.addJob("last", true, bullmq.JobOptions{Priority: bullmq.MaxPriority})
		g.addJob("front", json.RawMessage(`null`), bullmq.JobOptions{LIFO: true})
		g.addJob("old", "", bullmq.JobOptions{Timestamp: time.UnixMilli(1_700_000_000_000), Delay: time.Second})
		g.addJob("kept", map[string]string{"ü": "日本"}, bullmq.JobOptions{
			Attempts: 5, Backoff: &bullmq.Backoff{Type: "exponential", Delay: time.Second, Jitter: 0.5}, KeepLogs: 2, StackTraceLimit: &one,
			RemoveOnComplete: &bullmq.Keep{Age: time.Minute, Count: 3, Limit: 2}, RemoveOnFail: &bullmq.Keep{None: true},
			Extra: map[string]json.RawMessage{"tenant": json.RawMessage(`"north"`)},
		})
		return nil
	},
}

var addBulk = step{
	`return (await $.queue(args[0]).addBulk([
		{ name: 'a', data: { n: 1 } }, { name: 'b', data: { n: 2 }, opts: { priority: 2 } }, { name: 'c', data: {}, opts: { delay: 100, jobId: 'mine' } },
	])).map((job) => job.id)`,
	func(g *side) any {
		jobs, err := g.AddBulk(g.Context(), []bullmq.JobSpec{
			{Name: "a", Data: map[string]int{"n": 1}},
			{Name: "b", Data: map[string]int{"n": 2}, Options: bullmq.JobOptions{Priority: 2}},
			{Name: "c", Options: bullmq.JobOptions{Delay: 100 * time.Millisecond, ID: "mine"}},
		})
		g.ok(err)
		var ids []string
		for _, job := range jobs {
			ids = append(ids, job.ID)
		}
		return ids
	},
}

var addMine = step{
	`return (await $.queue(args[0]).add('mine', { once: true }, { jobId: 'mine', attempts: 2 })).id`,
	func(g *side) any {
		return g.addJob("mine", map[string]bool{"once": true}, bullmq.JobOptions{ID: "mine", Attempts: 2}).ID
	},
}

// addChild gives a waiting job a child, as a running one does.
var addChild = step{
	`const q = $.queue(args[0]); return (await q.add('child', {}, { parent: { id: 'mine', queue: q.qualifiedName }, failParentOnFailure: true })).id`,
	func(g *side) any {
		return g.addJob("child", nil, bullmq.JobOptions{Parent: &bullmq.ParentRef{ID: "mine", Queue: g.QualifiedName()}, OnFailure: bullmq.FailParent}).ID
	},
}

var pause = step{
	`await $.queue(args[0]).pause(); return $.queue(args[0]).isPaused()`,
	func(g *side) any {
		g.ok(g.Pause(g.Context()))
		paused, err := g.IsPaused(g.Context())
		g.ok(err)
		return paused
	},
}

var resume = step{
	`await $.queue(args[0]).resume(); return $.queue(args[0]).isPaused()`,
	func(g *side) any {
		g.ok(g.Resume(g.Context()))
		paused, err := g.IsPaused(g.Context())
		g.ok(err)
		return paused
	},
}
