package bullmq

import (
	"context"
	"encoding/json"
	"iter"
	"math"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"

	"github.com/redis/go-redis/v9"
)

// DependencyKind is a kind of children, by what has become of them.
type DependencyKind int

// The kinds of children, as [DependencyCounts] counts them.
const (
	Unprocessed     DependencyKind = iota // not finished, or failed with FailureNone
	Processed                             // completed
	IgnoredFailures                       // failed with IgnoreDependency or ContinueParent
	Failures                              // failed with FailParent
)

// Dependency is a child as stored with its parent.
type Dependency struct {
	// Key is the child's full key, prefix:queue:id.
	Key string
	// Value is the result of a processed child, nil if that is not JSON.
	Value json.RawMessage
	// Reason is why a child failed whose failure is ignored, empty for other children.
	Reason string
	// Job is the child itself, with WithJobs. It is nil if the child was removed.
	Job *Job
}

// DependenciesOptions select children of a job. The zero value selects all unprocessed ones.
type DependenciesOptions struct {
	// Kind is the kind of the children.
	Kind DependencyKind
	// Offset is how many of them are skipped.
	Offset int64
	// Limit is how many are read at most. 0 means all.
	Limit int64
	// WithJobs also reads the children themselves, in all their queues.
	WithJobs bool
}

func (o *DependenciesOptions) check() error {
	switch {
	case o.Kind < Unprocessed || o.Kind > Failures:
		return invalid("dependency kind %d", o.Kind)
	case o.Offset < 0 || o.Limit < 0:
		return invalid("offset %d, limit %d: neither may be negative", o.Offset, o.Limit)
	}
	return nil
}

// dependencyBatch is how many children are read at a time.
const dependencyBatch = 500

// Dependencies yields the job's children of one kind, read in batches of some hundreds. The
// order stays the same as long as none is added or finishes. A child that does so may be
// missed or occur twice. An error ends the loop. A job that does not exist has no children.
func (j *Job) Dependencies(ctx context.Context, opts DependenciesOptions) iter.Seq2[Dependency, error] {
	return j.q.dependencies(ctx, j.ID, opts)
}

// DependencyPage is a part of a job's children of one kind.
type DependencyPage struct {
	Dependencies []Dependency // in the order in which [Job.Dependencies] yields them
	Total        int64        // how many children of the kind the job has
}

// DependencyPage reads a page of the children of a job, as [Job.Dependencies] does. Redis also
// reads the children before the page, so the last page costs the most.
func (q *Queue) DependencyPage(ctx context.Context, parentID string, opts DependenciesOptions) (*DependencyPage, error) {
	if err := checkTarget(parentID); err != nil {
		return nil, err
	}
	page := &DependencyPage{}
	for d, err := range q.dependencies(ctx, parentID, opts) {
		if err != nil {
			return nil, err
		}
		page.Dependencies = append(page.Dependencies, d)
	}
	k := q.keys
	size := map[DependencyKind]func() *redis.IntCmd{
		Unprocessed:     func() *redis.IntCmd { return q.rdb.SCard(ctx, k.Dependencies(parentID)) },
		Processed:       func() *redis.IntCmd { return q.rdb.HLen(ctx, k.Processed(parentID)) },
		IgnoredFailures: func() *redis.IntCmd { return q.rdb.HLen(ctx, k.Ignored(parentID)) },
		Failures:        func() *redis.IntCmd { return q.rdb.ZCard(ctx, k.Unsuccessful(parentID)) },
	}
	var err error
	page.Total, err = size[opts.Kind]().Result()
	return page, wrapRead(ctx, "number of children of job "+shortID(parentID), err)
}

func (q *Queue) dependencies(ctx context.Context, id string, opts DependenciesOptions) iter.Seq2[Dependency, error] {
	return func(yield func(Dependency, error) bool) {
		if err := opts.check(); err != nil {
			yield(Dependency{}, err)
			return
		}
		skip, left := opts.Offset, opts.Limit
		if left == 0 {
			left = math.MaxInt64
		}
		cursor, more := uint64(0), true
		for more && left > 0 {
			batch, next, err := q.scanDependencies(ctx, id, opts.Kind, cursor)
			cursor, more = next, next != 0
			skipped := min(skip, int64(len(batch)))
			skip, batch = skip-skipped, batch[skipped:]
			batch = batch[:min(left, int64(len(batch)))]
			left -= int64(len(batch))
			if err == nil && opts.WithJobs {
				err = q.readDependencyJobs(ctx, batch)
			}
			if err != nil {
				yield(Dependency{}, err)
				return
			}
			for _, d := range batch {
				if !yield(d, nil) {
					return
				}
			}
		}
	}
}

// scanDependencies reads the next children of a kind. next is 0 with the last ones.
func (q *Queue) scanDependencies(ctx context.Context, id string, kind DependencyKind, cursor uint64) (batch []Dependency, next uint64, err error) {
	k, rdb := q.keys, q.rdb
	var list []string
	switch kind {
	case Unprocessed:
		list, next, err = rdb.SScan(ctx, k.Dependencies(id), cursor, "", dependencyBatch).Result()
	case Processed:
		list, next, err = rdb.HScan(ctx, k.Processed(id), cursor, "", dependencyBatch).Result()
	case IgnoredFailures:
		list, next, err = rdb.HScan(ctx, k.Ignored(id), cursor, "", dependencyBatch).Result()
	case Failures: // which have an order
		at := int64(cursor)
		list, err = rdb.ZRange(ctx, k.Unsuccessful(id), at, at+dependencyBatch-1).Result()
		if len(list) == dependencyBatch {
			next = cursor + dependencyBatch
		}
	}
	if err != nil {
		return nil, 0, wrapRead(ctx, "children of job "+shortID(id), err)
	}
	if kind == Unprocessed || kind == Failures {
		for _, key := range list {
			batch = append(batch, Dependency{Key: key})
		}
		return batch, next, nil
	}
	for i := 0; i+1 < len(list); i += 2 {
		d := Dependency{Key: list[i]}
		if kind == Processed {
			d.Value = wire.RawJSON(list[i+1])
		} else {
			d.Reason = list[i+1]
		}
		batch = append(batch, d)
	}
	return batch, next, nil
}

// readDependencyJobs reads the jobs of children that are known by their keys.
func (q *Queue) readDependencyJobs(ctx context.Context, children []Dependency) error {
	keys := make([]string, len(children))
	for i, d := range children {
		keys[i] = d.Key
	}
	jobs, err := q.readByKey(ctx, keys)
	for i := range children {
		children[i].Job = jobs[children[i].Key]
	}
	return err
}

// RemoveUnprocessedChildren deletes the job's unfinished children, their children and so on,
// except those that a worker runs and those that have failed. If the job waited only for
// deleted children, it can run.
func (j *Job) RemoveUnprocessedChildren(ctx context.Context) error {
	_, err := run(ctx, j.q, script.RemoveOpenChildren{Mode: j.q.mode, ID: j.ID})
	return err
}

// RemoveChildDependency removes the job from its parent's children. If the parent waited only
// for this job, it can run. It reports false if the job has no parent or the parent does not
// wait for it. If one of them does not exist, it is a [*ScriptError] with [CodeJobNotFound]
// or [CodeParentNotFound].
func (j *Job) RemoveChildDependency(ctx context.Context) (bool, error) {
	if j.ParentKey == "" {
		return false, nil
	}
	code, err := run(ctx, j.q, script.LeaveParent{Mode: j.q.mode, ID: j.ID, ParentKey: j.ParentKey})
	if err != nil {
		return false, err
	}
	if err := refusal(code, "remove dependency of", j.ID, j.ParentKey); err != nil || code != 0 {
		return false, err
	}
	j.ParentKey = ""
	return true, nil
}
