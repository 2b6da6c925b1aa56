package bullmq

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	idBatch  = 10_000 // ids read at a time
	jobBatch = 100    // jobs or schedulers read at a time
)

// AllJobs yields the jobs of the given states, one state after the other, in the order in
// which they run or have finished. No state means all except StatePaused. An error ends the
// loop.
//
// The ids are read when the loop begins, the jobs in batches while it runs. So the loop may
// change and remove jobs, and long queues need memory only for their ids. A job that no
// longer exists when it is read is left out. A job that changes its state while the ids are
// read may be left out.
func (q *Queue) AllJobs(ctx context.Context, states ...State) iter.Seq2[*Job, error] {
	return func(yield func(*Job, error) bool) {
		ids, err := q.allIDs(ctx, states)
		if err != nil {
			yield(nil, err)
			return
		}
		q.yieldJobs(ctx, ids, yield)
	}
}

// DelayedJobs is [Queue.AllJobs] for those delayed jobs that want reports true for, in the order in which they
// become due. It is called before any job is read, with the id of each delayed job and the time at which the job
// becomes due. Other jobs are not read.
func (q *Queue) DelayedJobs(ctx context.Context, want func(id string, due time.Time) bool) iter.Seq2[*Job, error] {
	return func(yield func(*Job, error) bool) {
		var ids []string
		seen := map[string]bool{}
		for start := int64(0); ; start += idBatch { // from the new end, see allIDs
			batch, err := q.rdb.ZRevRangeWithScores(ctx, q.keys.Delayed(), start, start+idBatch-1).Result()
			if err != nil {
				yield(nil, wrapRead(ctx, "delayed jobs", err))
				return
			}
			for _, z := range batch {
				id, _ := z.Member.(string)
				if !seen[id] && want(id, time.UnixMilli(int64(z.Score/scoreStep))) {
					ids = append(ids, id)
				}
				seen[id] = true
			}
			if len(batch) < idBatch {
				break
			}
		}
		slices.Reverse(ids)
		q.yieldJobs(ctx, ids, yield)
	}
}

// scoreStep is by what the score of a delayed job grows in a millisecond.
const scoreStep = 0x1000

// yieldJobs yields the jobs with the ids that still exist.
func (q *Queue) yieldJobs(ctx context.Context, ids []string, yield func(*Job, error) bool) {
	for batch := range slices.Chunk(ids, jobBatch) {
		keys := make([]string, len(batch))
		for i, id := range batch {
			keys[i] = q.keys.Job(id)
		}
		hashes, err := q.readHashes(ctx, "jobs", keys)
		if err != nil {
			yield(nil, err)
			return
		}
		for i, id := range batch {
			if len(hashes[i]) > 0 && !yield(q.jobFromHash(id, hashes[i]), nil) {
				return
			}
		}
	}
}

// allIDs returns the ids of all jobs of some states, each once.
func (q *Queue) allIDs(ctx context.Context, states []State) ([]string, error) {
	places, err := q.placesOf(states)
	if err != nil {
		return nil, err
	}
	var all []string
	seen := map[string]bool{}
	for _, p := range places {
		var ids []string
		// Jobs are mostly added at the new end and removed from the old one. Reading from the
		// new end, such changes make ids occur twice, but none is missed.
		for start := int64(0); ; start += idBatch {
			pipe := q.rdb.Pipeline()
			batch := p.read(ctx, pipe, start, start+idBatch-1, false)
			if err := exec(ctx, pipe); err != nil {
				return nil, wrapRead(ctx, "ids", err)
			}
			for _, id := range batch.Val() {
				if !seen[id] {
					seen[id] = true
					ids = append(ids, id)
				}
			}
			if len(batch.Val()) < idBatch {
				break
			}
		}
		slices.Reverse(ids)
		all = append(all, ids...)
	}
	return all, nil
}

// AllSchedulers yields the queue's schedulers in the order of their next runs, in batches as
// [Queue.AllJobs] yields jobs. An error ends the loop.
func (q *Queue) AllSchedulers(ctx context.Context) iter.Seq2[*Scheduler, error] {
	return func(yield func(*Scheduler, error) bool) {
		entries, err := q.rdb.ZRangeWithScores(ctx, q.keys.Repeat(), 0, -1).Result()
		if err != nil {
			yield(nil, wrapRead(ctx, "schedulers", err))
			return
		}
		for batch := range slices.Chunk(entries, jobBatch) {
			schedulers, err := q.readSchedulers(ctx, batch)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, s := range schedulers {
				if !yield(s, nil) {
					return
				}
			}
		}
	}
}

// readHashes reads hashes in one pipeline. A key of another type counts as absent.
func (q *Queue) readHashes(ctx context.Context, what string, keys []string) ([]map[string]string, error) {
	pipe := q.rdb.Pipeline()
	asked := make([]*redis.MapStringStringCmd, len(keys))
	for i, key := range keys {
		asked[i] = pipe.HGetAll(ctx, key)
	}
	cmds, _ := pipe.Exec(ctx) // each command has its own error
	if err := readError(cmds); err != nil {
		return nil, wrapRead(ctx, what, err)
	}
	hashes := make([]map[string]string, len(keys))
	for i, cmd := range asked {
		hashes[i] = cmd.Val()
	}
	return hashes, nil
}
