package bullmq

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// FlowJob is a job of a flow with its children. It runs once they have finished.
type FlowJob struct {
	// Queue is the queue that the job is added to. Nil means its parent's queue; a root
	// must have one. All queues of a flow must use the same Redis client and, in Cluster,
	// be in one hash slot: put the hash tag into the prefix.
	Queue *Queue
	Name  string // as for Queue.Add
	Data  any    // as for Queue.Add
	// Options are as for Queue.Add, with these differences. A job without an ID gets a
	// random UUID. An ID must not have a colon, nor occur twice in the flow. Only a root
	// without children may have Deduplication; its FlowNode then has the Job that
	// [Queue.Add] would return. Only a root may have a Parent, which must exist already.
	Options JobOptions
	// Children are the jobs that this one waits for. A job without children is a leaf.
	Children []FlowJob
}

// FlowNode is a job of a flow that was added or read. Children that were added are in the
// order of [FlowJob.Children], children that were read in no particular order.
type FlowNode struct {
	Job      *Job        // nil if it was not added
	Children []*FlowNode // empty for a leaf
}

// AddFlow adds a tree of jobs in one atomic step: other clients see none of its jobs or
// all of them. Its leaves can run at once. Each parent waits for its children and reads what
// they returned with [Job.ChildrenValues]. Options.OnFailure of each child sets what its
// failure means for the parent.
//
// A job whose ID is taken stays unchanged, with Existed set in its Job, and becomes a
// child of the new parent. If it has completed, its result counts.
//
// A job that already has another existing parent stays that parent's child. Its error is a
// [*ScriptError] with [CodeParentConflict], all other jobs are added, and the parent
// without it keeps waiting until it is removed. Job is nil in the nodes of jobs that were
// not added, and their errors are joined. [ErrInvalid] is returned before anything is sent.
//
// If the connection breaks, a flow whose jobs all have caller-supplied IDs can safely be
// added again: a child that has failed meanwhile is not waited for a second time.
func AddFlow(ctx context.Context, root FlowJob) (*FlowNode, error) {
	nodes, err := addFlows(ctx, SpanAddFlow, []FlowJob{root})
	if len(nodes) == 0 {
		return nil, err
	}
	return nodes[0], err
}

// AddFlows is [AddFlow] for several trees. All of them are added in one atomic step, and
// the nodes are in the order of roots. All queues must use the Redis client of the first.
func AddFlows(ctx context.Context, roots []FlowJob) ([]*FlowNode, error) {
	if len(roots) == 0 {
		return nil, nil
	}
	return addFlows(ctx, SpanAddFlows, roots)
}

func addFlows(ctx context.Context, op SpanOperation, roots []FlowJob) (_ []*FlowNode, err error) {
	q := roots[0].Queue
	if q == nil {
		return nil, invalid("flow job %q has no queue", roots[0].Name)
	}
	f := flow{tracer: q.opts.Tracer, keys: map[string]bool{}}
	ctx = f.begin(ctx, op, q, roots)
	defer func() { f.end(err) }()
	nodes, err := f.plan(ctx, roots)
	if err != nil {
		return nil, err
	}
	if err := f.checkSlots(); err != nil {
		return nil, err
	}
	added, err := run(ctx, q, f.script())
	if err != nil {
		return nil, err
	}
	return nodes, f.take(added)
}

// flow is a list of jobs, each parent before its children.
type flow struct {
	additions []*addition
	nodes     []*FlowNode
	keys      map[string]bool // of the jobs so far

	tracer Tracer          // of the first root's queue, for all
	ends   []func(SpanEnd) // of the flow's span and of each job's
	errs   []error         // of the jobs, once they have been sent
}

// plan checks and encodes all jobs, generation by generation, which is the order in
// which BullMQ adds them.
func (f *flow) plan(ctx context.Context, roots []FlowJob) ([]*FlowNode, error) {
	type place struct {
		within context.Context
		job    FlowJob
		parent *FlowNode
	}
	level := make([]place, len(roots))
	for i, root := range roots {
		level[i] = place{within: ctx, job: root}
	}
	for len(level) > 0 {
		var next []place
		for _, p := range level {
			within, node, err := f.planOne(p.within, p.job, p.parent)
			if err != nil {
				return nil, fmt.Errorf("flow job %q: %w", p.job.Name, err)
			}
			for _, child := range p.job.Children {
				next = append(next, place{within, child, node})
			}
		}
		level = next
	}
	nodes := f.nodes[:len(roots):len(roots)]
	return nodes, f.checkParents(nodes)
}

// planOne checks and encodes a job. within is the context for planning its children.
func (f *flow) planOne(ctx context.Context, job FlowJob, parent *FlowNode) (within context.Context, _ *FlowNode, err error) {
	q, o := job.Queue, job.Options
	var above *Job
	if parent != nil {
		above = parent.Job
	}
	switch {
	case q == nil && above == nil:
		return nil, nil, invalid("it has no queue")
	case q == nil:
		q = above.q
	case len(f.additions) > 0 && q.rdb != f.additions[0].job.q.rdb:
		return nil, nil, invalid("its queue %s is on another Redis client", q.name)
	}
	if err := o.forFlow(above, len(job.Children) > 0); err != nil {
		return nil, nil, err
	}
	if err := f.check(q, o.ID); err != nil {
		return nil, nil, err
	}
	within = f.beginNode(ctx, q, job.Name, o.ID)
	o.carry(contextOf(within, f.tracer))
	a, err := q.prepare(JobSpec{Name: job.Name, Data: job.Data, Options: o})
	if err != nil {
		return nil, nil, err
	}
	f.additions = append(f.additions, a)
	node := &FlowNode{Job: a.job}
	f.nodes = append(f.nodes, node)
	if parent != nil {
		parent.Children = append(parent.Children, node)
	}
	return within, node, nil
}

// check refuses a job that occurs twice in the flow, perhaps as its own descendant.
func (f *flow) check(q *Queue, id string) error {
	key := q.keys.Job(id)
	if f.keys[key] {
		return invalid("job %s is in the flow twice", key)
	}
	f.keys[key] = true
	return nil
}

// checkParents refuses roots whose parent is a job of the same flow.
func (f *flow) checkParents(roots []*FlowNode) error {
	for _, root := range roots {
		if key := root.Job.ParentKey; f.keys[key] {
			return invalid("flow job %q: its parent %s is in the same flow", root.Job.Name, key)
		}
	}
	return nil
}

// forFlow completes the options of a job of a flow.
func (o *JobOptions) forFlow(parent *Job, hasChildren bool) error {
	switch {
	case strings.Contains(o.ID, ":"):
		return invalid("id %q has a colon, which a flow's reader would cut it at", o.ID)
	case parent != nil && o.Parent != nil:
		return invalid("Parent is set, but it is the job above")
	}
	if parent != nil {
		o.Parent = &ParentRef{ID: parent.ID, Queue: parent.q.QualifiedName()}
	}
	if o.ID == "" {
		o.ID = randomUUID()
		o.drawnID = true
	}
	o.waitForChildren = hasChildren
	return nil
}

// script is the call that adds all jobs.
func (f *flow) script() script.AddFlow {
	jobs := make([]script.FlowJob, len(f.additions))
	for i, a := range f.additions {
		q := a.job.q
		jobs[i] = script.FlowJob{
			Prefix: q.keys.Prefix, Mode: q.mode, MaxEvents: q.opts.MaxEvents, Job: a.stored, ParentKey: a.job.ParentKey, Parent: a.parent,
			Dedup: a.job.Options.Deduplication.forScript(),
		}
	}
	return script.AddFlow{Now: wire.Millis(f.additions[0].job.q.now()), Jobs: jobs}
}

// checkSlots refuses a flow over queues that a Redis Cluster keeps apart.
func (f *flow) checkSlots() error {
	first := f.additions[0].job.q
	if !inCluster(first.rdb) {
		return nil
	}
	for _, a := range f.additions {
		if q := a.job.q; hashTag(q.keys.Qualified) != hashTag(first.keys.Qualified) {
			return invalid("queues %s and %s have different hash tags: a flow needs them in one slot", first.keys.Qualified, q.keys.Qualified)
		}
	}
	return nil
}

// take puts the jobs that were added into the nodes.
func (f *flow) take(added []script.Added) error {
	f.errs = make([]error, len(f.nodes))
	for i, a := range f.additions {
		if i < len(added) {
			a.added = added[i]
			f.nodes[i].Job, f.errs[i] = a.result()
		}
	}
	return errors.Join(f.errs...)
}

// randomUUID draws a UUID of version 4.
func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
