package bullmq

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// QueueOptions are the settings of a queue. The zero value works.
type QueueOptions struct {
	// Prefix is the first part of every key; empty means "bull". In Redis
	// Cluster it must hold a hash tag, such as "{bull}".
	Prefix string
	// DefaultJobOptions fill the zero fields of every added job's options. ID
	// and Parent are not inherited.
	DefaultJobOptions JobOptions
	// MaxEvents is the approximate length of the events stream, set when
	// the queue has none of its own yet; 0 means 10,000.
	MaxEvents int64
	// Pause says where jobs wait while the queue is paused.
	Pause PauseMode
	// Tracer follows jobs that are added; nil for none.
	Tracer Tracer
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
}

// PauseMode says where jobs wait while a queue is paused, which is the one
// thing that BullMQ's majors do differently.
type PauseMode int

// The pause modes. PauseAuto follows the version that the queue's Node
// programs have noted in Redis, and means PauseInPlace when there is none.
const (
	PauseAuto    PauseMode = iota
	PauseInPlace           // BullMQ 6: jobs stay in the wait list
	PauseMoves             // BullMQ 5: jobs are moved to a list named paused
)

// mode is how the scripts are told.
func (m PauseMode) mode() string {
	switch m {
	case PauseInPlace:
		return "6"
	case PauseMoves:
		return "5"
	}
	return "a"
}

// defaultMaxEvents is the length limit of an events stream without its own.
const defaultMaxEvents = 10000

// Queue adds jobs to a queue, reads and manages it. It holds no connection of
// its own and is safe for concurrent use.
type Queue struct {
	rdb  redis.UniversalClient
	name string
	keys keys
	opts QueueOptions
	mode string
	now  func() time.Time
	adds combiner[addition]
}

// NewQueue returns the queue of that name. Nothing is sent to Redis. The client
// stays the caller's, who closes it.
func NewQueue(rdb redis.UniversalClient, name string, opts QueueOptions) (*Queue, error) {
	if opts.Prefix == "" {
		opts.Prefix = DefaultPrefix
	}
	if rdb == nil {
		return nil, invalid("no Redis client")
	}
	if name == "" || strings.Contains(name, ":") {
		return nil, invalid("queue name %q: must not be empty or have a colon", name)
	}
	if opts.MaxEvents < 0 {
		return nil, invalid("MaxEvents %d is negative", opts.MaxEvents)
	}
	if opts.MaxEvents == 0 {
		opts.MaxEvents = defaultMaxEvents
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	k := newKeys(opts.Prefix, name)
	if inCluster(rdb) && hashTag(k.qualified) == "" {
		return nil, invalid("queue %q: in Redis Cluster the prefix must hold a hash tag, such as {%s}", k.qualified, DefaultPrefix)
	}
	q := &Queue{rdb: rdb, name: name, keys: k, opts: opts, mode: opts.Pause.mode(), now: opts.Clock}
	q.adds.flush, q.adds.size = q.flushAdds, func(a *addition) int { return a.size }
	return q, nil
}

func inCluster(rdb redis.UniversalClient) bool {
	_, cluster := rdb.(*redis.ClusterClient)
	return cluster
}

// hashTag is the part of a key, in braces, that alone decides its slot in Redis
// Cluster; empty if the whole key does.
func hashTag(key string) string {
	_, rest, ok := strings.Cut(key, "{")
	tag, _, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return ""
	}
	return tag
}

// Name is the queue's name without prefix.
func (q *Queue) Name() string { return q.name }

// QualifiedName is prefix:name, by which a [ParentRef] names the queue.
func (q *Queue) QualifiedName() string { return q.keys.qualified }

// Close releases what the queue holds. It leaves the Redis client open.
func (q *Queue) Close() error { return nil }

// run calls a script on this queue.
func (q *Queue) run(ctx context.Context, s *script, args ...any) (any, error) {
	return s.run(ctx, q.rdb, q.keys.p, args...)
}

// nowMillis is the present as scripts are told it.
func (q *Queue) nowMillis() string { return formatInt(millis(q.now())) }
