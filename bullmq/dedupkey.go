package bullmq

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/internal/script"
)

// DeduplicationJobID returns the id of the job that holds a deduplication id, empty if the
// id is free.
func (q *Queue) DeduplicationJobID(ctx context.Context, id string) (string, error) {
	holder, err := q.rdb.Get(ctx, q.keys.Dedup(id)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return holder, wrapRead(ctx, "deduplication id", err)
}

// RemoveDeduplicationKey frees a deduplication id and reports whether a job held it. The
// holder itself is not changed.
func (q *Queue) RemoveDeduplicationKey(ctx context.Context, id string) (bool, error) {
	n, err := q.rdb.Del(ctx, q.keys.Dedup(id)).Result()
	return n > 0, wrapWrite(ctx, "remove deduplication key", err)
}

// RemoveDeduplicationKey frees the job's deduplication id if the job holds it, and reports
// whether it did. The next job with that id is then added.
func (j *Job) RemoveDeduplicationKey(ctx context.Context) (bool, error) {
	if j.DeduplicationID == "" {
		return false, nil
	}
	freed, err := run(ctx, j.q, script.FreeDedup{JobID: j.ID, DedupID: j.DeduplicationID})
	return freed == 1, err
}
