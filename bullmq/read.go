package bullmq

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"schoolbell/bullmq/internal/script"

	"github.com/redis/go-redis/v9"
)

// Job reads a job. An unknown id is [ErrJobNotFound]. The name of one of the queue's own keys,
// such as "meta", is [ErrInvalid].
func (q *Queue) Job(ctx context.Context, id string) (*Job, error) {
	if err := checkTarget(id); err != nil {
		return nil, err
	}
	hash, err := q.rdb.HGetAll(ctx, q.keys.Job(id)).Result()
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
	states, err := q.States(ctx, id)
	if err != nil {
		return StateUnknown, err
	}
	return states[0], nil
}

// States returns the states of jobs at one moment, in the order of ids. It looks into each sorted set
// once, and into each list once for each job that no set has. More than 1000 ids are [ErrInvalid].
func (q *Queue) States(ctx context.Context, ids ...string) ([]State, error) {
	if len(ids) > 1000 {
		return nil, invalid("%d ids are more than 1000", len(ids))
	}
	states := make([]State, len(ids))
	if len(ids) == 0 {
		return states, nil
	}
	names, err := run(ctx, q, script.State{IDs: ids})
	if err != nil {
		return nil, err
	}
	for i := range states {
		states[i] = StateUnknown
		if i < len(names) {
			states[i] = State(names[i])
		}
	}
	return states, nil
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
		return []place{{k.Wait(), true}, {k.Paused(), true}}, nil
	case StatePaused:
		return []place{{k.Paused(), true}}, nil
	case StateActive:
		return []place{{k.Active(), true}}, nil
	case StateDelayed:
		return []place{{k.Delayed(), false}}, nil
	case StatePrioritized:
		return []place{{k.Prioritized(), false}}, nil
	case StateWaitingChildren:
		return []place{{k.WaitingChildren(), false}}, nil
	case StateCompleted:
		return []place{{k.Completed(), false}}, nil
	case StateFailed:
		return []place{{k.Failed(), false}}, nil
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

// Front is where a queue goes on: what waits in it and what runs next.
type Front struct {
	Waiting  int64 // jobs without a priority, which run before all others
	Priority int   // of the first of the jobs with a priority; 0 if there are none
	Job      int   // priority with which the job that was asked for waits; 0 if it does not
}

// Front reads the front of the queue, and with which priority one job waits there, in one round
// trip that does not depend on the number of jobs. An empty id asks for no job. Jobs that wait in
// BullMQ 5's list paused, and delayed ones, are not counted.
func (q *Queue) Front(ctx context.Context, id string) (Front, error) {
	pipe := q.rdb.Pipeline()
	waiting := pipe.LLen(ctx, q.keys.Wait())
	first := pipe.ZRangeWithScores(ctx, q.keys.Prioritized(), 0, 0)
	job := new(redis.FloatCmd)
	if id != "" {
		job = pipe.ZScore(ctx, q.keys.Prioritized(), id)
	}
	if err := exec(ctx, pipe); err != nil && !errors.Is(err, redis.Nil) { // Nil: the job has no score
		return Front{}, wrapRead(ctx, "the front of the queue", err)
	}
	front := Front{Waiting: waiting.Val(), Job: priorityOf(job.Val())}
	for _, z := range first.Val() {
		front.Priority = priorityOf(z.Score)
	}
	return front, nil
}

// priorityOf returns the priority in a score of the prioritized jobs.
func priorityOf(score float64) int { return int(min(max(score/(1<<32), 0), MaxPriority)) }

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
	lines := pipe.LRange(ctx, q.keys.Logs(id), start, end)
	count := pipe.LLen(ctx, q.keys.Logs(id))
	if err := exec(ctx, pipe); err != nil {
		return nil, 0, wrapRead(ctx, "logs of job "+id, err)
	}
	if opts.NewestFirst {
		slices.Reverse(lines.Val())
	}
	return lines.Val(), count.Val(), nil
}

// lastPosition returns the position in Redis at which a page ends.
func lastPosition(offset, limit int64) (int64, error) {
	switch {
	case offset < 0 || offset > maxCount || limit < 0 || limit > maxCount:
		return 0, invalid("offset %d, limit %d: both must be within 0 and %d", offset, limit, maxCount)
	case limit == 0:
		return -1, nil
	}
	return offset + limit - 1, nil
}
