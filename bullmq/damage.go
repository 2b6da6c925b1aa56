package bullmq

import (
	"context"

	"schoolbell/bullmq/internal/script"
)

// DamagedKey is a key of a queue that did not hold what the protocol requires and was
// renamed.
type DamagedKey struct {
	Key     string // its former name
	Was     string // what it held: a Redis type, or "string without …"
	NewName string // the former name with ":wrong-type:" and the time in ms
}

// RenameDamaged renames keys that another program has overwritten with another type:
// those of the queue itself, the locks of jobs in progress, and those of the jobs with the
// given ids. Counters that hold no number are renamed too, and locks without an expiry. The
// scripts of a queue fail at such a key; once it is gone they create it again.
//
// The overwriting value stays under the new name. What the queue had stored in the key is
// lost: jobs of a lost list are in no state afterwards ([StateUnknown]), a queue without
// its settings is no longer paused, and a job in progress that has lost its lock counts as
// stalled at the next check.
//
// It takes one script call, with two look-ups for each job in progress and eight for each id. More than 1000 ids are
// [ErrInvalid].
func (q *Queue) RenameDamaged(ctx context.Context, ids ...string) ([]DamagedKey, error) {
	if len(ids) > 1000 {
		return nil, invalid("%d ids are more than 1000", len(ids))
	}
	for _, id := range ids {
		if err := checkTarget(id); err != nil {
			return nil, err
		}
	}
	renamed, err := run(ctx, q, script.RenameDamaged{Now: q.nowMillis(), IDs: ids})
	if err != nil {
		return nil, err
	}
	keys := make([]DamagedKey, len(renamed))
	for i, r := range renamed {
		keys[i] = DamagedKey{Key: r.Key, Was: r.Was, NewName: r.Name}
	}
	return keys, nil
}
