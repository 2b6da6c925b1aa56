// Package flow makes the tree of the jobs of a flow, for a page.
package flow

import (
	"context"
	"net/url"

	"schoolbell/bullmq"
)

// How much of a flow a page shows.
const (
	maxDepth    = 4
	maxChildren = 20 // of each job
)

// Node is a job in the tree of a flow.
type Node struct {
	ID, Queue, Name, State string
	URL                    string // relative to the panel; empty for a queue that is not listed
	Current                bool
	Cut                    bool // it may have more children than are shown
	Children               []*Node
}

// Of returns the tree of a job: its parent, if there is one, and its children with theirs. It is nil for a job that is alone. queues
// are those that have pages. line shortens a text.
func Of(ctx context.Context, j *bullmq.Job, queues []*bullmq.Queue, line func(string) string) (*Node, error) {
	tree, err := j.Queue().Flow(ctx, j.ID, bullmq.FlowLimits{Depth: maxDepth, Children: maxChildren})
	if err != nil {
		return nil, err
	}
	f := reader{ctx: ctx, line: line, known: map[string]*bullmq.Queue{}}
	for _, q := range queues {
		f.known[q.QualifiedName()] = q
	}
	node, err := f.node(tree)
	if err != nil {
		return nil, err
	}
	node.Current = true
	parent, err := f.parent(j)
	switch {
	case err != nil:
		return nil, err
	case parent != nil:
		parent.Children = []*Node{node}
		return parent, nil
	case len(node.Children) == 0:
		return nil, nil
	}
	return node, nil
}

// reader finds out the states of the jobs of a flow.
type reader struct {
	ctx   context.Context
	line  func(string) string
	known map[string]*bullmq.Queue // by qualified name
}

func (f reader) node(n *bullmq.FlowNode) (*Node, error) {
	made, err := f.of(n.Job)
	if err != nil {
		return nil, err
	}
	made.Cut = len(n.Children) >= maxChildren
	for _, c := range n.Children {
		child, err := f.node(c)
		if err != nil {
			return nil, err
		}
		made.Children = append(made.Children, child)
	}
	return made, nil
}

func (f reader) of(j *bullmq.Job) (*Node, error) {
	state, err := j.Queue().State(f.ctx, j.ID)
	if err != nil {
		return nil, err
	}
	q := j.Queue()
	n := &Node{ID: f.line(j.ID), Queue: f.line(q.Name()), Name: f.line(j.Name), State: string(state)}
	if f.known[q.QualifiedName()] != nil {
		n.URL = jobURL(q.Name(), j.ID)
	}
	return n, nil
}

func jobURL(queue, id string) string {
	return "queues/" + url.PathEscape(queue) + "/jobs/" + url.PathEscape(id)
}

// parent is the parent of a job: nil if it has none, and without a state if its queue is not listed or it was removed.
func (f reader) parent(j *bullmq.Job) (*Node, error) {
	if j.ParentKey == "" {
		return nil, nil
	}
	for name, q := range f.known {
		id, ok := cutQueue(j.ParentKey, name)
		if !ok {
			continue
		}
		p, err := q.Job(f.ctx, id)
		if err != nil {
			break // it is gone
		}
		return f.of(p)
	}
	return &Node{ID: f.line(j.ParentKey)}, nil
}

// cutQueue returns the id in the key of a job of a queue.
func cutQueue(key, qualified string) (id string, ok bool) {
	if len(key) <= len(qualified)+1 || key[:len(qualified)] != qualified || key[len(qualified)] != ':' {
		return "", false
	}
	return key[len(qualified)+1:], true
}
