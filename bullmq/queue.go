package bullmq

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/internal/combine"
)

// QueueOptions are the settings of a queue. The zero value works.
type QueueOptions struct {
	// Prefix is the first part of every key; empty means "bull". In Redis
	// Cluster it must hold a hash tag, such as "{bull}".
	Prefix string
	// DefaultJobOptions fill the zero fields of every added job's options. What
	// belongs to one job (ID, Parent, Deduplication, Timestamp, TraceContext,
	// OmitTraceContext) is refused. Zero cannot be told from not set: a job does not get
	// rid of a default by it.
	DefaultJobOptions JobOptions
	// MaxEvents is the approximate length of the events stream, in events, set when
	// the queue has none of its own yet; 0 means 10,000.
	MaxEvents int64
	// Pause says where jobs wait while the queue is paused. PauseAuto will do unless
	// only workers of BullMQ 5 share the queue.
	Pause PauseMode
	// Repeat computes the runs of schedulers with a Pattern; nil takes them for cron patterns.
	Repeat RepeatFunc
	// Tracer follows jobs that are added; nil for none.
	Tracer Tracer
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
}

// PauseMode says where jobs wait while a queue is paused, which is the one
// thing that BullMQ's majors do differently.
type PauseMode int

// The pause modes.
const (
	// PauseAuto follows the version that the queue's Node programs have noted in
	// Redis, and means PauseInPlace when there is none.
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

// Queue adds jobs to a queue, reads and manages it. It holds no connection of its own,
// except while [Queue.WaitUntilFinished] waits, and is safe for concurrent use.
type Queue struct {
	rdb  redis.UniversalClient
	name string
	keys keys
	opts QueueOptions
	mode string
	now  func() time.Time
	adds *combine.Combiner[addition]

	finishes    finishes
	serverKnown atomic.Bool // the server has been asked whether it will do
}

// NewQueue returns the queue of that name, any text without a colon. Nothing is sent to
// Redis: the queue comes into being with its first job. The client stays the caller's,
// who closes it. Its only error is [ErrInvalid].
func NewQueue(rdb redis.UniversalClient, name string, opts QueueOptions) (*Queue, error) {
	if opts.Prefix == "" {
		opts.Prefix = DefaultPrefix
	}
	if isNil(rdb) {
		return nil, invalid("no Redis client")
	}
	if name == "" || strings.Contains(name, ":") {
		return nil, invalid("queue name %q: must not be empty or have a colon", name)
	}
	if err := opts.validate(name); err != nil {
		return nil, err
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
	q.adds = combine.New(q.flushAdds, func(a *addition) int { return a.size })
	return q, nil
}

func (o *QueueOptions) validate(name string) error {
	if err := checkText("queue name", o.Prefix+":"+name); err != nil {
		return err
	}
	switch {
	case o.MaxEvents < 0 || o.MaxEvents > maxCount:
		return invalid("MaxEvents %d is not within 0 and %d", o.MaxEvents, maxCount)
	case o.Pause < PauseAuto || o.Pause > PauseMoves:
		return invalid("Pause %d is not a pause mode", o.Pause)
	}
	return o.DefaultJobOptions.checkDefaults()
}

// isNil tells whether a client is missing, also as a pointer of one of go-redis's types.
func isNil(rdb redis.UniversalClient) bool {
	switch c := rdb.(type) {
	case nil:
		return true
	case *redis.Client:
		return c == nil
	case *redis.ClusterClient:
		return c == nil
	case *redis.Ring:
		return c == nil
	}
	return false
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

// Close is for symmetry: a queue holds nothing that must be released. It leaves the Redis
// client open and never fails.
func (q *Queue) Close() error { return nil }

// run calls a script on this queue.
func (q *Queue) run(ctx context.Context, s *script, args ...any) (any, error) {
	if err := q.askServer(ctx); err != nil {
		return nil, err
	}
	return s.run(ctx, q.rdb, q.keys.p, args...)
}

// askServer refuses, before a queue's first script, a server that could run half of it
// only. One that does not tell counts as able.
func (q *Queue) askServer(ctx context.Context) error {
	if q.serverKnown.Load() {
		return nil
	}
	node, err := q.server(ctx)
	if err != nil {
		return wrapRead(ctx, "the server's state", err)
	}
	cmd := infoCmd{redis.NewStringCmd(ctx, "info", "server")}
	if err := node.Process(ctx, cmd); isPassing(err) {
		return wrapRead(ctx, "the server's state", err)
	}
	if _, err := judge(cmd.Val()); errors.Is(err, ErrServerTooOld) {
		return err
	}
	q.serverKnown.Store(true)
	return nil
}

// infoCmd is not sent again by go-redis, so that a server that is away is told as soon
// as by a script.
type infoCmd struct{ *redis.StringCmd }

func (infoCmd) NoRetry() bool { return true }

// nowMillis is the present as scripts are told it.
func (q *Queue) nowMillis() string { return formatInt(millis(q.now())) }
