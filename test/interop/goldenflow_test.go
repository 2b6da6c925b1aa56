package interop

import (
	"context"
	"errors"
	"testing"
	"time"

	"schoolbell/bullmq"
)

func TestGoldenFlow(t *testing.T) {
	goldenTests(t, []goldenCase{
		{name: "three levels", steps: []step{addTree}},
		{name: "added twice", steps: []step{addTree, addTree}},
		{name: "worked off", steps: []step{addTree, workTree}, anyOrder: true},
		{name: "a completed child", steps: []step{addLeaf, workTree, addAbove}, anyOrder: true},
		{name: "a waiting child", steps: []step{addLeaf, addAbove, workTree}, anyOrder: true},
		{name: "unprocessed children removed", steps: []step{addTree, removeOpen}, anyOrder: true},
		{name: "a child leaves", steps: []step{addAbove, leaveParent}},
		{name: "a deduplicated root without children", steps: []step{addSingle("one"), addSingle("two"), addSingle("two"), workTree, addSingle("three"), addSingle("four")}},
	})
}

func (g *side) flow(root bullmq.FlowJob) {
	g.Helper()
	root.Queue = g.Queue
	_, err := bullmq.AddFlow(g.Context(), root)
	g.ok(err)
}

var addTree = step{
	`const queueName = args[0];
	await $.flow().add({ name: 'grand', queueName, data: { n: 1 }, opts: { jobId: 'grand', priority: 2 }, children: [
		{ name: 'parent', queueName, opts: { jobId: 'parent', failParentOnFailure: true, attempts: 3 }, children: [
			{ name: 'a', queueName, data: 'a', opts: { jobId: 'a' } },
			{ name: 'b', queueName, opts: { jobId: 'b', priority: 1, ignoreDependencyOnFailure: true } },
		] },
		{ name: 'late', queueName, opts: { jobId: 'late', delay: 1000, removeDependencyOnFailure: true } },
	] })`,
	func(g *side) any {
		g.flow(bullmq.FlowJob{
			Name: "grand", Data: map[string]int{"n": 1}, Options: bullmq.JobOptions{ID: "grand", Priority: 2},
			Children: []bullmq.FlowJob{
				{Name: "parent", Options: bullmq.JobOptions{ID: "parent", OnFailure: bullmq.FailParent, Attempts: 3}, Children: []bullmq.FlowJob{
					{Name: "a", Data: "a", Options: bullmq.JobOptions{ID: "a"}},
					{Name: "b", Options: bullmq.JobOptions{ID: "b", Priority: 1, OnFailure: bullmq.IgnoreDependency}},
				}},
				{Name: "late", Options: bullmq.JobOptions{ID: "late", Delay: time.Second, OnFailure: bullmq.RemoveDependency}},
			},
		})
		return nil
	},
}

// addSingle adds a flow of one job that is deduplicated.
func addSingle(id string) step {
	return step{
		`await $.flow().add({ name: 'single', queueName: args[0], data: { n: 1 }, opts: { jobId: '` + id + `', deduplication: { id: 'same' } } })`,
		func(g *side) any {
			g.flow(bullmq.FlowJob{Name: "single", Data: map[string]int{"n": 1}, Options: bullmq.JobOptions{ID: id, Deduplication: &bullmq.Deduplication{ID: "same"}}})
			return nil
		},
	}
}

var workTree = step{
	`await $.workOff(args[0], async (job) => { if (job.name === 'b') throw new Error('bad'); return job.name; }, { name: 'w' })`,
	func(g *side) any {
		g.workOff(workTreeInGo, bullmq.WorkerOptions{})
		return nil
	},
}

func workTreeInGo(_ context.Context, job *bullmq.Job) (any, error) {
	if job.Name == "b" {
		return nil, errors.New("bad")
	}
	return job.Name, nil
}

var addLeaf = step{
	`await $.queue(args[0]).add('leaf', {}, { jobId: 'leaf' })`,
	func(g *side) any {
		g.addJob("leaf", nil, bullmq.JobOptions{ID: "leaf"})
		return nil
	},
}

var addAbove = step{
	`const queueName = args[0];
	await $.flow().add({ name: 'above', queueName, opts: { jobId: 'above' }, children: [{ name: 'leaf', queueName, opts: { jobId: 'leaf' } }] })`,
	func(g *side) any {
		g.flow(bullmq.FlowJob{Name: "above", Options: bullmq.JobOptions{ID: "above"}, Children: []bullmq.FlowJob{
			{Name: "leaf", Options: bullmq.JobOptions{ID: "leaf"}},
		}})
		return nil
	},
}

var removeOpen = step{
	`await (await $.queue(args[0]).getJob('grand')).removeUnprocessedChildren()`,
	func(g *side) any {
		g.ok(g.job("grand").RemoveUnprocessedChildren(g.Context()))
		return nil
	},
}

var leaveParent = step{
	`return (await $.queue(args[0]).getJob('leaf')).removeChildDependency()`,
	func(g *side) any {
		left, err := g.job("leaf").RemoveChildDependency(g.Context())
		g.ok(err)
		return left
	},
}
