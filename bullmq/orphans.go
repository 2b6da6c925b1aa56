package bullmq

import (
	"context"
	"strings"
)

// orphanBatch is how many keys one call looks at.
const orphanBatch = 100

// RemoveOrphanedJobs deletes jobs that are in no state, up to limit of them (0 means
// all), and returns their ids. Such are left behind when lists are lost, as by a
// resume of BullMQ 5 over jobs that BullMQ 6 has added. It goes over all keys of the
// database, so it is for maintenance. Jobs whose ids have a colon are left alone.
func (q *Queue) RemoveOrphanedJobs(ctx context.Context, limit int) ([]string, error) {
	if limit < 0 {
		return nil, invalid("limit %d is negative", limit)
	}
	node, err := q.server(ctx)
	if err != nil {
		return nil, wrapRead("keys", err)
	}
	var removed []string
	var cursor uint64
	for {
		var found []string
		// The jobs of the queue are on one server, so its own cursor will do.
		if found, cursor, err = node.Scan(ctx, cursor, globEscape.Replace(q.keys.p)+"*", 1000).Result(); err != nil {
			askForNodes(ctx, q.rdb, err)
			return removed, wrapRead("keys", err)
		}
		var ids []any
		for _, key := range found {
			if id := key[len(q.keys.p):]; !strings.Contains(id, ":") && !reservedIDs[id] {
				ids = append(ids, id)
			}
		}
		for len(ids) > 0 {
			n := min(len(ids), orphanBatch)
			most := -1
			if limit > 0 {
				most = limit - len(removed)
			}
			reply, err := q.run(ctx, scriptOrphans, append([]any{q.mode, most}, ids[:n]...)...)
			if err != nil {
				return removed, err
			}
			if removed = append(removed, stringList(reply)...); limit > 0 && len(removed) >= limit {
				return removed, nil
			}
			ids = ids[n:]
		}
		if cursor == 0 {
			return removed, nil
		}
	}
}

// globEscape makes a text stand for itself in a pattern of keys.
var globEscape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
