package bullmq

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// FlowJob is a job of a flow with its children: it runs once they have finished.
type FlowJob struct {
	// Queue is where the job goes; nil means its parent's queue. A root has one. All
	// queues of a flow must be on the root's Redis, and in Cluster in one hash slot:
	// put the tag into the prefix.
	Queue *Queue
	Name  string // as for Queue.Add
	Data  any    // as for Queue.Add
	// Options are as for Queue.Add. A job without an ID gets a random one, a UUID. An ID
	// must not have a colon here nor be in the flow twice, only a root without children may
	// have Deduplication (its FlowNode then has the Job that [Queue.Add] would return),
	// and only a root may have a Parent, a job that exists already.
	Options JobOptions
	// Children are the jobs that this one waits for; none makes it a leaf.
	Children []FlowJob
}

// FlowNode is a job of a flow that was added or read. Its children are in the order of
// [FlowJob.Children], and in no particular one where they were read.
type FlowNode struct {
	Job      *Job        // nil if it was not added
	Children []*FlowNode // empty for a leaf
}

// AddFlow adds a tree of jobs in one atomic step: either nobody sees any of its
// jobs, or all are there. Its leaves can run at once; each parent waits for its
// children, reads what they returned with [Job.ChildrenValues], and learns of
// their failures as each child's Options.OnFailure says.
//
// A job whose ID is taken stays as it is, with Existed set in its Job, and becomes a
// child of the new parent; what it returned counts if it has completed. A job that
// has another parent which exists is not taken away from it: its error is a
// [*ScriptError] with [CodeParentConflict], all other jobs are added, and the parent
// that misses it keeps waiting until it is removed. The errors of several jobs are
// joined; Job is nil in their nodes. [ErrInvalid] comes before anything is sent.
//
// When the connection broke, a flow whose jobs all have IDs of their own can be added
// again safely: a child that has failed meanwhile is not waited for a second time.
func AddFlow(ctx context.Context, root FlowJob) (*FlowNode, error) {
	nodes, err := addFlows(ctx, SpanAddFlow, []FlowJob{root})
	if len(nodes) == 0 {
		return nil, err
	}
	return nodes[0], err
}

// AddFlows is [AddFlow] for several trees: all of them are added in one atomic
// step, on the Redis of the first.
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
	args := append([]any{len(f.additions), q.nowMillis()}, f.args...)
	reply, err := q.run(ctx, scriptAddFlow, args...)
	if err != nil {
		return nil, err
	}
	return nodes, f.take(reply)
}

// flow is a list of jobs, each parent before its children.
type flow struct {
	additions []*addition
	nodes     []*FlowNode
	args      []any
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

// planOne checks and encodes a job. within is what its children are planned in.
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
	f.add(a)
	node := &FlowNode{Job: a.job}
	f.nodes = append(f.nodes, node)
	if parent != nil {
		parent.Children = append(parent.Children, node)
	}
	return within, node, nil
}

// check refuses what one job at a time would not: a job that is in the flow twice, as
// its own descendant perhaps.
func (f *flow) check(q *Queue, id string) error {
	key := q.keys.job(id)
	if f.keys[key] {
		return invalid("job %s is in the flow twice", key)
	}
	f.keys[key] = true
	return nil
}

// checkParents refuses roots that are to be children of a job of the same flow.
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

func (f *flow) add(a *addition) {
	f.additions = append(f.additions, a)
	j, q := a.job, a.job.q
	parent := ""
	if a.job.Options.Parent != nil {
		parent = a.job.Options.parentField()
	}
	f.args = append(f.args, q.keys.p, q.mode, q.opts.MaxEvents, j.ID, j.Name, []byte(j.Data), encodeOptions(&j.Options),
		millis(j.Timestamp), j.Delay.Milliseconds(), j.Priority, j.Options.where(), j.ParentKey, parent)
	f.args = append(f.args, j.Options.Deduplication.args()...)
}

// checkSlots refuses a flow over queues that a Redis Cluster keeps apart.
func (f *flow) checkSlots() error {
	first := f.additions[0].job.q
	if !inCluster(first.rdb) {
		return nil
	}
	for _, a := range f.additions {
		if q := a.job.q; hashTag(q.keys.qualified) != hashTag(first.keys.qualified) {
			return invalid("queues %s and %s have different hash tags: a flow needs them in one slot", first.keys.qualified, q.keys.qualified)
		}
	}
	return nil
}

// take reads the script's answer.
func (f *flow) take(reply any) error {
	replies, _ := reply.([]any)
	f.errs = make([]error, len(f.nodes))
	for i, a := range f.additions {
		if i < len(replies) {
			f.nodes[i].Job, f.errs[i] = a.added(replies[i])
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
