package interop

import (
	"slices"
	"testing"

	"schoolbell/bullmq"
)

// Jobs in no list, with and without a lock, and keys of jobs whose hash is gone.
func TestOrphans(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		left := func(name string, remove func(q *bullmq.Queue)) []string {
			q := r.queue(name)
			for _, id := range []string{"waits", "lost", "locked"} {
				r.add(q, "n", nil, bullmq.JobOptions{ID: id})
			}
			ctx := r.Context()
			for _, id := range []string{"lost", "locked"} {
				r.ok(r.rdb.LRem(ctx, r.key(name, "wait"), 0, id).Err())
			}
			r.ok(r.rdb.LPush(ctx, r.key(name, "wait"), "ghost").Err())
			for _, key := range []string{"locked:lock", "waits:lock", "gone:lock", "gone:logs", "gone:dependencies", "gone:processed", "gone:failed",
				"gone:unsuccessful", "ghost:logs", "x:wrong-type:1", "de:x"} {
				r.ok(r.rdb.Set(ctx, r.key(name, key), "x", 0).Err())
			}
			remove(q)
			var keys []string
			for _, key := range r.rdb.Keys(ctx, r.key(name, "*")).Val() {
				keys = append(keys, key[len(r.key(name, "")):])
			}
			slices.Sort(keys)
			return keys
		}
		byGo := left("go", func(q *bullmq.Queue) {
			_, err := q.RemoveOrphanedJobs(r.Context(), 0)
			r.ok(err)
		})
		byNode := left("node", func(q *bullmq.Queue) {
			var n any
			r.node.do(&n, `return $.queue(args[0]).removeOrphanedJobs()`, q.Name())
		})
		if !slices.Equal(byGo, byNode) {
			r.Errorf("Go leaves %v\nNode %v", byGo, byNode)
		}
	})
}
