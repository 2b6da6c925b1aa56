package bullmq

import (
	"context"
	"errors"
)

// ErrDamagedKey says that a key holds another type than the protocol puts there, or no
// number where one is counted: another program has overwritten it. The text names the
// key and its type. Nothing was moved, and the same call works once the key is gone; see
// [Queue.RenameDamaged].
var ErrDamagedKey = errors.New("bullmq: a key of the queue is damaged")

// DamagedKey is a key of a queue that held something else than the protocol puts
// there and was renamed.
type DamagedKey struct {
	Key     string // as it was called
	Was     string // what it held: a Redis type, or "string without …"
	NewName string // the key with ":wrong-type:" and the time in ms
}

// RenameDamaged renames those of the queue's own keys, and of the keys of the jobs
// with the given ids, that another program has overwritten with another type. The
// scripts of a queue fail at such a key; once it is gone they make it again. What was in
// it stays under the new name. What the queue held there is lost: jobs whose list it
// was are in no state afterwards ([StateUnknown]), and without its settings a queue is no
// longer paused. Counters that hold no number are renamed too.
//
// It costs one script, with seven look-ups for each id. Ids are at most 1000.
func (q *Queue) RenameDamaged(ctx context.Context, ids ...string) ([]DamagedKey, error) {
	if len(ids) > 1000 {
		return nil, invalid("%d ids are more than 1000", len(ids))
	}
	args := make([]any, 1, 1+len(ids))
	args[0] = q.nowMillis()
	for _, id := range ids {
		if err := checkTarget(id); err != nil {
			return nil, err
		}
		args = append(args, id)
	}
	reply, err := q.run(ctx, scriptRenameDamaged, args...)
	if err != nil {
		return nil, err
	}
	list, _ := reply.([]any)
	renamed := make([]DamagedKey, 0, len(list))
	for _, entry := range list {
		if f := stringList(entry); len(f) == 3 {
			renamed = append(renamed, DamagedKey{Key: f[0], Was: f[1], NewName: f[2]})
		}
	}
	return renamed, nil
}
