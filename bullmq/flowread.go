package bullmq

import (
	"context"
	"slices"
	"strings"

	"schoolbell/bullmq/internal/keys"

	"github.com/redis/go-redis/v9"
)

// FlowLimits limit how much of a tree [Queue.Flow] reads.
type FlowLimits struct {
	// Depth is how many generations are read, including the job itself. 0 means 10.
	Depth int
	// Children is how many children of one job are read at most. 0 means 20.
	Children int
}

// Flow reads a job with its children, their children and so on, in all their queues. A job
// that does not exist is [ErrJobNotFound]. Children that were removed are left out.
func (q *Queue) Flow(ctx context.Context, id string, limits FlowLimits) (*FlowNode, error) {
	if limits.Depth < 0 || limits.Children < 0 {
		return nil, invalid("%+v: no limit may be negative", limits)
	}
	setDefault(&limits.Depth, 10)
	setDefault(&limits.Children, 20)
	job, err := q.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	root := &FlowNode{Job: job}
	level := []*FlowNode{root}
	for depth := 1; depth < limits.Depth && len(level) > 0; depth++ {
		if level, err = q.readChildren(ctx, level, limits.Children); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// readChildren reads the children of all jobs of a generation and returns them.
func (q *Queue) readChildren(ctx context.Context, parents []*FlowNode, most int) ([]*FlowNode, error) {
	keys, err := q.childKeys(ctx, parents, most)
	if err != nil {
		return nil, err
	}
	jobs, err := q.readByKey(ctx, slices.Concat(keys...))
	if err != nil {
		return nil, err
	}
	var all []*FlowNode
	for i, parent := range parents {
		for _, key := range keys[i] {
			if jobs[key] == nil {
				continue
			}
			node := &FlowNode{Job: jobs[key]}
			parent.Children = append(parent.Children, node)
			all = append(all, node)
		}
	}
	return all, nil
}

// readByKey reads jobs of any queue by their full keys. Jobs that do not exist are left out.
func (q *Queue) readByKey(ctx context.Context, keys []string) (map[string]*Job, error) {
	pipe := q.rdb.Pipeline()
	hashes := map[string]*redis.MapStringStringCmd{}
	for _, key := range keys {
		if hashes[key] == nil {
			hashes[key] = pipe.HGetAll(ctx, key)
		}
	}
	if len(hashes) == 0 {
		return nil, nil
	}
	cmds, _ := pipe.Exec(ctx) // each command has its own error
	if err := readError(cmds); err != nil {
		return nil, wrapRead(ctx, "children", err)
	}
	jobs := make(map[string]*Job, len(hashes))
	for key, hash := range hashes {
		child, err := q.childQueue(key)
		if err == nil && len(hash.Val()) > 0 {
			jobs[key] = child.jobFromHash(key[len(child.keys.Prefix):], hash.Val())
		}
	}
	return jobs, nil
}

// childKeys reads the keys of each job's children, finished or not.
func (q *Queue) childKeys(ctx context.Context, parents []*FlowNode, most int) ([][]string, error) {
	pipe := q.rdb.Pipeline()
	type lists struct {
		processed, ignored, open *redis.ScanCmd
		failed                   *redis.StringSliceCmd
	}
	asked := make([]lists, len(parents))
	n := int64(most)
	for i, parent := range parents {
		k, id := parent.Job.q.keys, parent.Job.ID
		asked[i] = lists{
			pipe.HScan(ctx, k.Processed(id), 0, "", n), pipe.HScan(ctx, k.Ignored(id), 0, "", n),
			pipe.SScan(ctx, k.Dependencies(id), 0, "", n), pipe.ZRange(ctx, k.Unsuccessful(id), 0, n-1),
		}
	}
	cmds, _ := pipe.Exec(ctx) // each command has its own error
	if err := readError(cmds); err != nil {
		return nil, wrapRead(ctx, "keys of children", err)
	}
	keys := make([][]string, len(parents))
	for i, a := range asked {
		var all []string
		for _, hash := range []*redis.ScanCmd{a.processed, a.ignored} {
			pairs, _ := hash.Val()
			for j := 0; j < len(pairs); j += 2 {
				all = append(all, pairs[j])
			}
		}
		open, _ := a.open.Val()
		all = append(append(all, a.failed.Val()...), open...)
		keys[i] = all[:min(len(all), most)]
	}
	return keys, nil
}

// childQueue returns the queue of a child by its full key, with this queue's settings.
func (q *Queue) childQueue(key string) (*Queue, error) {
	end := strings.LastIndexByte(key, ':')
	if end < 0 {
		return nil, invalid("key %q has no colon", key)
	}
	prefix, name, ok := keys.CutLast(key[:end], ':')
	if !ok || prefix == "" { // NewQueue would set the default
		return nil, invalid("key %q has no prefix", key)
	}
	opts := q.opts
	opts.Prefix = prefix
	return NewQueue(q.rdb, name, opts)
}
