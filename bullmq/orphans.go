package bullmq

import (
	"context"
	"strings"

	"schoolbell/bullmq/internal/script"
)

// orphanBatch is how many keys one call looks at.
const orphanBatch = 100

// RemoveOrphanedJobs deletes up to limit jobs that are in no state (0 means all), and returns
// their ids. Such jobs are left behind when a list is lost, for example when BullMQ 5 resumes
// a queue to which BullMQ 6 has added jobs. It also deletes the lock, the log and the
// records of children of a job whose hash is gone. As in BullMQ, a lock does not protect an
// orphan: a worker cannot end a job that is not in the list of active jobs.
//
// It scans all keys of the database, so it is for maintenance. Any number of programs may
// call it at any time. Jobs whose ids contain a colon are not deleted. While a list or set
// of jobs is damaged, it returns [ErrDamagedKey] and deletes nothing.
func (q *Queue) RemoveOrphanedJobs(ctx context.Context, limit int) ([]string, error) {
	if limit < 0 {
		return nil, invalid("limit %d is negative", limit)
	}
	node, err := q.server(ctx)
	if err != nil {
		return nil, wrapRead(ctx, "keys", err)
	}
	var removed []string
	var cursor uint64
	for {
		var found []string
		// The jobs of the queue are on one server, so that server's cursor is enough.
		if found, cursor, err = node.Scan(ctx, cursor, globEscape.Replace(q.keys.Prefix)+"*", 1000).Result(); err != nil {
			askForNodes(ctx, q.rdb, err)
			return removed, wrapRead(ctx, "keys", err)
		}
		ids := q.keys.JobIDs(found)
		for len(ids) > 0 {
			n := min(len(ids), orphanBatch)
			most := -1
			if limit > 0 {
				most = limit - len(removed)
			}
			gone, err := run(ctx, q, script.Orphans{Mode: q.mode, Most: most, IDs: ids[:n]})
			if err != nil {
				return removed, err
			}
			if removed = append(removed, gone...); limit > 0 && len(removed) >= limit {
				return removed, nil
			}
			ids = ids[n:]
		}
		if cursor == 0 {
			return removed, nil
		}
	}
}

// globEscape escapes a text in a pattern of keys.
var globEscape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
