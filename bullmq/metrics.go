package bullmq

import (
	"context"
	"strconv"
	"time"

	"schoolbell/bullmq/internal/wire"

	"github.com/redis/go-redis/v9"
)

// Metrics are counts of finished jobs, kept by workers whose MetricsPoints is set.
type Metrics struct {
	// Count is how many jobs have finished in total.
	Count int64
	// Points are how many jobs finished in each minute, newest first. The current minute
	// is not included.
	Points []int64
	// Kept is how many points Redis has.
	Kept int64
	// Until is when the newest point was written. Before that it is when the first job was
	// counted, and zero if none was.
	Until time.Time
	// CountThen is the value of Count when the newest point was written.
	CountThen int64
}

// Metrics reads the counts of completed or failed jobs (StateCompleted, StateFailed) with
// the points from position start to end, inclusive. 0 is the newest, -1 the oldest. Another
// state is [ErrInvalid].
func (q *Queue) Metrics(ctx context.Context, outcome State, start, end int64) (*Metrics, error) {
	if outcome != StateCompleted && outcome != StateFailed {
		return nil, invalid("state %q: metrics are of completed and failed jobs", outcome)
	}
	key := q.keys.Metrics(string(outcome))
	pipe := q.rdb.TxPipeline()
	hash, points, kept := pipe.HGetAll(ctx, key), pipe.LRange(ctx, key+":data", start, end), pipe.LLen(ctx, key+":data")
	if err := exec(ctx, pipe); err != nil {
		return nil, wrapRead(ctx, "metrics", err)
	}
	f := hash.Val()
	m := &Metrics{
		Count: wire.ParseInt(f["count"]), Kept: kept.Val(), Until: wire.FromMillis(wire.ParseInt(f["prevTS"])), CountThen: wire.ParseInt(f["prevCount"]),
		Points: make([]int64, len(points.Val())),
	}
	for i, text := range points.Val() {
		m.Points[i] = wire.ParseInt(text)
	}
	return m, nil
}

// CountsPerPriority returns how many jobs of each given priority are waiting. 0 stands for
// jobs without a priority. A priority that is negative or above [MaxPriority] is
// [ErrInvalid].
func (q *Queue) CountsPerPriority(ctx context.Context, priorities ...int) (map[int]int64, error) {
	pipe := q.rdb.TxPipeline()
	sizes := make(map[int][]*redis.IntCmd, len(priorities))
	for _, p := range priorities {
		switch {
		case p < 0 || p > MaxPriority:
			return nil, invalid("priority %d is not within 0 and %d", p, MaxPriority)
		case sizes[p] != nil:
		case p == 0:
			sizes[p] = []*redis.IntCmd{pipe.LLen(ctx, q.keys.Wait()), pipe.LLen(ctx, q.keys.Paused())}
		default:
			least, most := int64(p)<<32, int64(p+1)<<32-1
			sizes[p] = []*redis.IntCmd{pipe.ZCount(ctx, q.keys.Prioritized(), wire.FormatInt(least), wire.FormatInt(most))}
		}
	}
	if len(sizes) == 0 {
		return map[int]int64{}, nil
	}
	if err := exec(ctx, pipe); err != nil {
		return nil, wrapRead(ctx, "counts per priority", err)
	}
	counts := make(map[int]int64, len(sizes))
	for p, parts := range sizes {
		for _, size := range parts {
			counts[p] += size.Val()
		}
	}
	return counts, nil
}

// Meta has a queue's settings in Redis.
type Meta struct {
	// Version names the program that last opened the queue in Node, such as
	// "bullmq:6.7.0"; empty if none did.
	Version string
	// MaxEvents is the approximate length of the events stream, 0 before its first entry.
	MaxEvents int64
	// Paused is whether the queue is paused.
	Paused bool
	// Concurrency is how many jobs may run at a time in all workers together, 0 for no limit.
	Concurrency int
	// RateLimit is the global rate limit, nil for none.
	RateLimit *Limiter
}

// Meta reads the queue's settings.
func (q *Queue) Meta(ctx context.Context) (*Meta, error) {
	f, err := q.rdb.HGetAll(ctx, q.keys.Meta()).Result()
	if err != nil {
		return nil, wrapRead(ctx, "the queue's settings", err)
	}
	_, paused := f["paused"]
	m := &Meta{
		Version: f["version"], MaxEvents: wire.ParseInt(f["opts.maxLenEvents"]), Paused: paused,
		Concurrency: int(wire.ParseInt(f["concurrency"])),
	}
	if n, err := strconv.Atoi(f["max"]); err == nil && n > 0 {
		m.RateLimit = &Limiter{Max: n, Duration: time.Duration(wire.ParseInt(f["duration"])) * time.Millisecond}
	}
	return m, nil
}

// Version returns the program that last opened the queue in Node, such as
// "bullmq:6.7.0", empty if none did.
func (q *Queue) Version(ctx context.Context) (string, error) {
	m, err := q.Meta(ctx)
	if err != nil {
		return "", err
	}
	return m.Version, nil
}

// GlobalConcurrency returns how many jobs of the queue may run at a time in all workers
// together, 0 for no limit.
func (q *Queue) GlobalConcurrency(ctx context.Context) (int, error) {
	m, err := q.Meta(ctx)
	if err != nil {
		return 0, err
	}
	return m.Concurrency, nil
}

// GlobalRateLimit returns the limit that [Queue.SetGlobalRateLimit] has set: n jobs per
// duration. Both are 0 for no limit.
func (q *Queue) GlobalRateLimit(ctx context.Context) (n int, per time.Duration, err error) {
	m, err := q.Meta(ctx)
	if err != nil || m.RateLimit == nil {
		return 0, 0, err
	}
	return m.RateLimit.Max, m.RateLimit.Duration, nil
}

// IsMaxed reports whether as many jobs are active as the global concurrency allows. It is
// false without a limit.
func (q *Queue) IsMaxed(ctx context.Context) (bool, error) {
	pipe := q.rdb.TxPipeline()
	limit, active := pipe.HMGet(ctx, q.keys.Meta(), "concurrency"), pipe.LLen(ctx, q.keys.Active())
	if err := exec(ctx, pipe); err != nil {
		return false, wrapRead(ctx, "global concurrency", err)
	}
	text, ok := limit.Val()[0].(string)
	return ok && active.Val() >= wire.ParseInt(text), nil
}
