package bullmq

import (
	"context"
	"encoding/json"
)

// DependencyKind is the condition of a job's children.
type DependencyKind int

// The kinds of children, as [DependencyCounts] counts them.
const (
	Unprocessed     DependencyKind = iota // not finished yet, or failed without consequence for the parent
	Processed                             // completed
	IgnoredFailures                       // failed with IgnoreDependency or ContinueParent
	Failures                              // failed with FailParent
)

// Dependency is a child as its parent sees it.
type Dependency struct {
	// Key is the child's full key, prefix:queue:id.
	Key string
	// Value is what a processed child returned, nil if that is not JSON.
	Value json.RawMessage
	// Reason is why a child with an ignored failure failed.
	Reason string
}

// Dependencies reads the job's children of one kind, page by page: pass cursor 0 first,
// then what was returned, until that is 0. A page has about count children; few
// children come in one page. A child that changes its kind between two pages may be
// missed or come twice.
func (j *Job) Dependencies(ctx context.Context, kind DependencyKind, cursor uint64, count int64) (page []Dependency, next uint64, err error) {
	if count < 1 {
		return nil, 0, invalid("count %d: at least one", count)
	}
	k, rdb := j.q.keys, j.q.rdb
	var list []string
	pairs := true
	switch kind {
	case Unprocessed:
		pairs = false
		list, next, err = rdb.SScan(ctx, k.dependencies(j.ID), cursor, "", count).Result()
	case Processed:
		list, next, err = rdb.HScan(ctx, k.processed(j.ID), cursor, "", count).Result()
	case IgnoredFailures:
		list, next, err = rdb.HScan(ctx, k.ignored(j.ID), cursor, "", count).Result()
	case Failures:
		list, next, err = rdb.ZScan(ctx, k.unsuccessful(j.ID), cursor, "", count).Result()
	default:
		return nil, 0, invalid("dependency kind %d", kind)
	}
	if err != nil {
		return nil, 0, wrapRead("children of job "+j.ID, err)
	}
	if !pairs {
		for _, key := range list {
			page = append(page, Dependency{Key: key})
		}
		return page, next, nil
	}
	for i := 0; i+1 < len(list); i += 2 {
		d := Dependency{Key: list[i]}
		switch kind {
		case Processed:
			d.Value = rawJSON(list[i+1])
		case IgnoredFailures:
			d.Reason = list[i+1]
		}
		page = append(page, d)
	}
	return page, next, nil
}

// RemoveUnprocessedChildren deletes the job's children that have not finished, theirs
// and so on, except those that a worker runs and those that have failed. A job that
// waited for them alone is released.
func (j *Job) RemoveUnprocessedChildren(ctx context.Context) error {
	_, err := j.q.run(ctx, scriptRemoveOpen, j.q.mode, j.ID)
	return err
}

// RemoveChildDependency ends the job's tie to its parent, which is released if it
// waited for this job alone. It reports false if the parent does not wait for it, and
// is a [*ScriptError] with [CodeJobNotFound] or [CodeParentNotFound] if one of them
// is gone. A job without a parent has nothing to end.
func (j *Job) RemoveChildDependency(ctx context.Context) (bool, error) {
	if j.ParentKey == "" {
		return false, nil
	}
	reply, err := j.q.run(ctx, scriptLeaveParent, j.q.mode, j.ID, j.ParentKey)
	if err != nil {
		return false, err
	}
	if err := refusal(reply, "remove dependency of", j.ID, j.ParentKey); err != nil {
		return false, err
	}
	if n, _ := reply.(int64); n != 0 {
		return false, nil
	}
	j.ParentKey = ""
	return true, nil
}
