package bullmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"schoolbell/bullmq/internal/repeat"
	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"

	"github.com/redis/go-redis/v9"
)

// ErrSchedulerNotFound reports that no scheduler with that id exists.
var ErrSchedulerNotFound = errors.New("bullmq: scheduler not found")

// Scheduler is a scheduler as it was when it was read.
type Scheduler struct {
	ID       string   // as given to [Queue.UpsertScheduler]
	Schedule Schedule // Immediately is not stored
	// Next is when the next job runs, and that of the last run once the schedule has ended.
	Next time.Time
	// Iterations is how many jobs were made, including those before the last change. It is
	// 0 for schedulers made by BullMQ 5's option repeat, until their second job.
	Iterations int64
	// Template is what the jobs are made from. Its Data is a json.RawMessage, or nil.
	Template JobTemplate
}

// Scheduler reads a scheduler. An unknown id is [ErrSchedulerNotFound].
func (q *Queue) Scheduler(ctx context.Context, id string) (*Scheduler, error) {
	pipe := q.rdb.TxPipeline()
	at := pipe.ZScore(ctx, q.keys.Repeat(), id)
	hash := pipe.HGetAll(ctx, q.keys.Scheduler(id))
	if err := exec(ctx, pipe); err != nil {
		return nil, wrapRead(ctx, "scheduler "+id, err)
	}
	if len(hash.Val()) == 0 && at.Err() == nil && repeat.IsRepeatable(id) {
		return schedulerOfKey(id, at.Val()), nil
	}
	if len(hash.Val()) == 0 {
		return nil, fmt.Errorf("%w: %s in queue %s", ErrSchedulerNotFound, id, q.name)
	}
	return decodeScheduler(id, at.Val(), hash.Val()), nil
}

// SchedulersOptions select schedulers. The zero value selects all, in the order of their next
// runs.
type SchedulersOptions struct {
	Offset      int64 // how many schedulers are skipped
	Limit       int64 // how many schedulers are read at most; 0 means all
	LatestFirst bool  // the reverse order
}

// Schedulers reads a page of the queue's schedulers. An id without a stored scheduler is left
// out, unless it is the key of a repeatable job of BullMQ 5 (name:id:end:zone:pattern, or an
// interval in milliseconds instead of the pattern). Its Scheduler has only what the key
// contains. [Queue.AllSchedulers] ranges over all schedulers.
func (q *Queue) Schedulers(ctx context.Context, opts SchedulersOptions) ([]*Scheduler, error) {
	end, err := lastPosition(opts.Offset, opts.Limit)
	if err != nil {
		return nil, err
	}
	read := q.rdb.ZRangeWithScores
	if opts.LatestFirst {
		read = q.rdb.ZRevRangeWithScores
	}
	entries, err := read(ctx, q.keys.Repeat(), opts.Offset, end).Result()
	if err != nil {
		return nil, wrapRead(ctx, "schedulers", err)
	}
	return q.readSchedulers(ctx, entries)
}

// readSchedulers reads the schedulers of some ids with the times of their next runs.
func (q *Queue) readSchedulers(ctx context.Context, entries []redis.Z) ([]*Scheduler, error) {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = q.keys.Scheduler(memberText(e))
	}
	hashes, err := q.readHashes(ctx, "schedulers", keys)
	if err != nil {
		return nil, err
	}
	schedulers := make([]*Scheduler, 0, len(entries))
	for i, e := range entries {
		id, hash := memberText(e), hashes[i]
		switch {
		case len(hash) > 0:
			schedulers = append(schedulers, decodeScheduler(id, e.Score, hash))
		case repeat.IsRepeatable(id):
			schedulers = append(schedulers, schedulerOfKey(id, e.Score))
		}
	}
	return schedulers, nil
}

func memberText(z redis.Z) string {
	text, _ := z.Member.(string)
	return text
}

// SchedulerCount returns how many schedulers the queue has.
func (q *Queue) SchedulerCount(ctx context.Context) (int64, error) {
	n, err := q.rdb.ZCard(ctx, q.keys.Repeat()).Result()
	return n, wrapRead(ctx, "number of schedulers", err)
}

// RemoveScheduler removes a scheduler, and its next job if that is still delayed, and
// reports whether the scheduler existed. A job that is already waiting still runs.
// Repeatable jobs of BullMQ 5 are removed by their keys.
func (q *Queue) RemoveScheduler(ctx context.Context, id string) (bool, error) {
	removed, err := run(ctx, q, script.RemoveScheduler{Mode: q.mode, ID: id, IDHeads: repeat.SumIDHeads(id)})
	return removed == 1, err
}

// decodeScheduler decodes a scheduler's hash. Damaged fields count as absent.
func decodeScheduler(id string, at float64, hash map[string]string) *Scheduler {
	ms := func(field string) time.Duration { return wire.WholeMillis(hash[field]) }
	s := &Scheduler{
		ID: id, Next: wire.FromMillis(int64(at)), Iterations: wire.ParseInt(hash["ic"]),
		Schedule: Schedule{
			Every: ms("every"), Pattern: hash["pattern"], TZ: hash["tz"], Limit: int(wire.ParseInt(hash["limit"])),
			Start: wire.FromMillis(wire.ParseInt(hash["startDate"])), End: wire.FromMillis(wire.ParseInt(hash["endDate"])), Offset: ms("offset"),
		},
		Template: JobTemplate{Name: hash["name"], Options: decodeOptions(hash["opts"])},
	}
	if data := wire.RawJSON(hash["data"]); data != nil {
		s.Template.Data = data
	}
	return s
}
