package bullmq

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"schoolbell/bullmq/internal/script"

	"github.com/redis/go-redis/v9"
)

// wrapRead adds what was being read to an error. Nil stays nil.
func wrapRead(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("bullmq: read %s: %w", what, classified(ctx, err))
}

// exec sends a pipeline and returns the first error of its commands that is not redis.Nil. For
// a transaction, that is why a command was refused, not that the others were discarded.
func exec(ctx context.Context, pipe redis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	for _, cmd := range cmds {
		if e := cmd.Err(); e != nil && !errors.Is(e, redis.Nil) && !redis.HasErrorPrefix(e, "EXECABORT") {
			return e
		}
	}
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// readError returns the first error of the commands of a pipeline. A key of another type,
// which other programs may leave, counts as absent.
func readError(cmds []redis.Cmder) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) && !isOtherType(err) {
			return err
		}
	}
	return nil
}

func isOtherType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }

// Job reads a job. An unknown id is [ErrJobNotFound]. The name of one of the queue's own keys,
// such as "meta", is [ErrInvalid].
func (q *Queue) Job(ctx context.Context, id string) (*Job, error) {
	if err := checkTarget(id); err != nil {
		return nil, err
	}
	hash, err := q.rdb.HGetAll(ctx, q.keys.job(id)).Result()
	if err != nil && !isOtherType(err) {
		return nil, wrapRead(ctx, "job "+id, err)
	}
	if len(hash) == 0 {
		return nil, fmt.Errorf("%w: %s in queue %s", ErrJobNotFound, id, q.name)
	}
	return q.jobFromHash(id, hash), nil
}

// State returns a job's state, StateUnknown if it is in none. It takes up to eight look-ups in
// one script, some of them over whole lists.
func (q *Queue) State(ctx context.Context, id string) (State, error) {
	state, err := run(ctx, q, script.State{ID: id})
	return State(state), err
}

// allStates are the states that Counts counts by default.
var allStates = []State{
	StateWaiting, StateActive, StateDelayed, StatePrioritized, StateWaitingChildren, StateCompleted, StateFailed,
}

// place is a key with the ids of a state's jobs.
type place struct {
	key  string
	list bool // a list, otherwise a sorted set
}

// places returns the keys of a state. StateWaiting has two.
func (q *Queue) places(s State) ([]place, error) {
	k := q.keys
	switch s {
	case StateWaiting:
		return []place{{k.wait(), true}, {k.paused(), true}}, nil
	case StatePaused:
		return []place{{k.paused(), true}}, nil
	case StateActive:
		return []place{{k.active(), true}}, nil
	case StateDelayed:
		return []place{{k.delayed(), false}}, nil
	case StatePrioritized:
		return []place{{k.prioritized(), false}}, nil
	case StateWaitingChildren:
		return []place{{k.waitingChildren(), false}}, nil
	case StateCompleted:
		return []place{{k.completed(), false}}, nil
	case StateFailed:
		return []place{{k.failed(), false}}, nil
	}
	return nil, invalid("state %q", s)
}

// Counts returns how many jobs are in each of the given states, all at one moment. No state
// means all except StatePaused. StateWaiting includes jobs in BullMQ 5's list paused.
func (q *Queue) Counts(ctx context.Context, states ...State) (map[State]int64, error) {
	if len(states) == 0 {
		states = allStates
	}
	pipe := q.rdb.TxPipeline() // one moment for all
	sizes := make([][]*redis.IntCmd, len(states))
	for i, s := range states {
		places, err := q.places(s)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			if p.list {
				sizes[i] = append(sizes[i], pipe.LLen(ctx, p.key))
			} else {
				sizes[i] = append(sizes[i], pipe.ZCard(ctx, p.key))
			}
		}
	}
	if err := exec(ctx, pipe); err != nil {
		return nil, wrapRead(ctx, "counts", err)
	}
	counts := make(map[State]int64, len(states))
	for i, s := range states {
		counts[s] = 0
		for _, size := range sizes[i] {
			counts[s] += size.Val()
		}
	}
	return counts, nil
}

// read queries a range of ids. Lists have the newest first, sorted sets the oldest.
func (p place) read(ctx context.Context, pipe redis.Pipeliner, start, end int64, asc bool) *redis.StringSliceCmd {
	switch {
	case p.list && asc: // from the tail; the caller reverses it
		return pipe.LRange(ctx, p.key, fromTail(end), fromTail(start))
	case p.list:
		return pipe.LRange(ctx, p.key, start, end)
	case asc:
		return pipe.ZRange(ctx, p.key, start, end)
	}
	return pipe.ZRevRange(ctx, p.key, start, end)
}

// fromTail turns a position counted from a list's tail into one for LRANGE.
func fromTail(n int64) int64 { return -n - 1 }

// LogsOptions select lines of a log. The zero value selects all, oldest first.
type LogsOptions struct {
	Offset      int64 // how many lines are skipped
	Limit       int64 // how many lines are read at most; 0 means all
	NewestFirst bool  // skips, counts and returns the lines from the newest on
}

// Logs returns lines of a job's log, and how many lines the log has. A job that has no log, or
// does not exist, has none.
func (q *Queue) Logs(ctx context.Context, id string, opts LogsOptions) ([]string, int64, error) {
	start := opts.Offset
	end, err := lastPosition(start, opts.Limit)
	if err != nil {
		return nil, 0, err
	}
	if opts.NewestFirst {
		start, end = fromTail(end), fromTail(start)
	}
	pipe := q.rdb.TxPipeline()
	lines := pipe.LRange(ctx, q.keys.logs(id), start, end)
	count := pipe.LLen(ctx, q.keys.logs(id))
	if err := exec(ctx, pipe); err != nil {
		return nil, 0, wrapRead(ctx, "logs of job "+id, err)
	}
	if opts.NewestFirst {
		slices.Reverse(lines.Val())
	}
	return lines.Val(), count.Val(), nil
}
