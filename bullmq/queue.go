package bullmq

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/combine"
	"schoolbell/bullmq/internal/keys"
	"schoolbell/bullmq/internal/wire"
)

// DefaultPrefix is the first part of every key unless another is set.
const DefaultPrefix = "bull"

// QueueOptions are the settings of a queue. The zero value works.
type QueueOptions struct {
	// Prefix is the first part of every key. Empty means "bull". In Redis Cluster it must
	// have a hash tag, such as "{bull}".
	Prefix string
	// DefaultJobOptions fill the zero fields of every added job's options. Fields that
	// belong to one job (ID, Parent, Deduplication, Timestamp, TraceContext,
	// OmitTraceContext) are refused. A job cannot override a default with a zero value.
	DefaultJobOptions JobOptions
	// MaxEvents is the approximate length of the events stream, in events. It applies if
	// the queue has no stored length yet. 0 means 10,000.
	MaxEvents int64
	// Pause sets where jobs wait while the queue is paused. PauseAuto is right unless only
	// workers of BullMQ 5 share the queue.
	Pause PauseMode
	// Repeat computes the runs of schedulers with a Pattern. Nil means cron patterns.
	Repeat RepeatFunc
	// Tracer traces the jobs that are added. Nil means no traces.
	Tracer Tracer
	// Clock returns the current time. Nil means time.Now.
	Clock func() time.Time
}

// PauseMode sets where jobs wait while a queue is paused. BullMQ 5 and 6 differ in this.
type PauseMode int

// The pause modes.
const (
	// PauseAuto follows the version that the queue's Node programs have stored in Redis, and
	// means PauseInPlace if there is none.
	PauseAuto    PauseMode = iota
	PauseInPlace           // BullMQ 6: jobs stay in the wait list
	PauseMoves             // BullMQ 5: jobs are moved to a list named paused
)

// mode returns the mode as the scripts receive it.
func (m PauseMode) mode() string {
	switch m {
	case PauseInPlace:
		return "6"
	case PauseMoves:
		return "5"
	}
	return "a"
}

// defaultMaxEvents is the length limit of an events stream without a stored one.
const defaultMaxEvents = 10000

// Queue adds jobs to a queue, reads and manages it. It is safe for concurrent use. It opens no
// connection of its own, except for [Queue.Events] and [Queue.WaitUntilFinished].
type Queue struct {
	rdb  redis.UniversalClient
	name string
	keys keys.Keys
	opts QueueOptions
	mode string
	now  func() time.Time
	adds *combine.Combiner[addition]

	finishes    finishes
	serverKnown atomic.Bool // the server was asked and is suitable
}

// NewQueue returns the queue with that name, any text without a colon. It sends nothing to
// Redis: the first job creates the queue. The caller closes rdb. Its only error is
// [ErrInvalid].
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
	k := keys.New(opts.Prefix, name)
	if inCluster(rdb) && hashTag(k.Qualified) == "" {
		return nil, invalid("queue %q: in Redis Cluster the prefix must hold a hash tag, such as {%s}", k.Qualified, DefaultPrefix)
	}
	q := &Queue{rdb: rdb, name: name, keys: k, opts: opts, mode: opts.Pause.mode(), now: opts.Clock}
	q.adds = combine.New(q.flushAdds, (*addition).size, callLimits)
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

// isNil reports whether a client is missing, also as a nil pointer of one of go-redis's types.
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

// hashTag returns the part of a key in braces, which alone decides its slot in Redis Cluster.
// It is empty if the whole key decides.
func hashTag(key string) string {
	_, rest, ok := strings.Cut(key, "{")
	tag, _, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return ""
	}
	return tag
}

// Name returns the queue's name without the prefix.
func (q *Queue) Name() string { return q.name }

// QualifiedName returns prefix:name, the name of the queue in a [ParentRef].
func (q *Queue) QualifiedName() string { return q.keys.Qualified }

// Close does nothing: a queue has nothing to release. It leaves the Redis client open and
// never fails.
func (q *Queue) Close() error { return nil }

// askServer refuses, before a queue's first script, a server that could run only half of it. A
// server that does not report its version counts as suitable.
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
	if _, err := parseServerInfo(cmd.Val()); errors.Is(err, ErrServerTooOld) {
		return err
	}
	q.serverKnown.Store(true)
	return nil
}

// infoCmd is not resent by go-redis, so that an unavailable server is reported as soon as by a
// script.
type infoCmd struct{ *redis.StringCmd }

func (infoCmd) NoRetry() bool { return true }

// nowMillis returns the current time as scripts receive it, in ms.
func (q *Queue) nowMillis() int64 { return wire.Millis(q.now()) }
