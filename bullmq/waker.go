package bullmq

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Servers without the blocking command are polled: quickly after there was
// something to do, then ever slower.
const (
	pollMin = 20 * time.Millisecond
	pollMax = 200 * time.Millisecond
)

// waker waits for the queue's marker on a connection of its own, by whose name
// BullMQ lists the worker.
type waker struct {
	ctx    context.Context
	w      *Worker
	client *redis.Client
	stop   func() bool // detaches the client from ctx

	polling bool
	poll    time.Duration
}

func newWaker(ctx context.Context, w *Worker) *waker {
	return &waker{ctx: ctx, w: w, poll: pollMin}
}

// wait returns when it is time to look for a job, or to wait again, or when ctx ends.
func (k *waker) wait() error {
	p := &k.w.pace
	wait, known := p.block(k.w.q.now(), k.w.opts.DrainDelay)
	switch {
	case wait <= 0:
		p.look()
		return nil
	case k.polling:
		sleep(k.ctx, min(wait, k.poll))
		k.poll = min(k.poll*2, pollMax)
		p.look()
		return nil
	}
	score, ok, err := k.pop(wait)
	switch {
	case err != nil:
		k.close()
		p.look()
		return err
	case ok:
		p.woken(k.w.q.now(), known, score)
	default:
		p.look()
	}
	return nil
}

// reset makes polling quick again.
func (k *waker) reset() { k.poll = pollMin }

// pop takes the marker, waiting for one. It reports false if none came.
func (k *waker) pop(wait time.Duration) (score int64, ok bool, err error) {
	if err := k.connect(); err != nil {
		return 0, false, err
	}
	seconds := strconv.FormatFloat(wait.Seconds(), 'f', 3, 64)
	reply, err := k.client.Do(k.ctx, "bzpopmin", k.w.q.keys.marker(), seconds).Slice()
	switch {
	case errors.Is(err, redis.Nil):
		k.w.health.ok()
		return 0, false, nil
	case redis.HasErrorPrefix(err, "ERR unknown command"):
		k.polling = true
		k.close()
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	k.w.health.ok()
	if len(reply) < 3 {
		return 0, true, nil
	}
	switch v := reply[2].(type) {
	case float64:
		return int64(v), true, nil
	case string:
		f, _ := strconv.ParseFloat(v, 64)
		return int64(f), true, nil
	}
	return 0, true, nil
}

func (k *waker) connect() error {
	if k.client != nil {
		return nil
	}
	client, err := dedicated(k.ctx, k.w.q.rdb, k.w.q.keys.marker(), k.w.clientName(), k.w.opts.DrainDelay+time.Second)
	if err != nil {
		return err
	}
	k.client = client
	// Closing is what ends a command that is blocked.
	k.stop = context.AfterFunc(k.ctx, func() { _ = client.Close() })
	return nil
}

func (k *waker) close() {
	if k.client == nil {
		return
	}
	if k.stop() {
		_ = k.client.Close() // else ctx has done it
	}
	k.client = nil
}

// dedicated opens a client with one connection to the server that has key, for
// commands that block. A reply that takes longer than timeout breaks the connection.
func dedicated(ctx context.Context, rdb redis.UniversalClient, key, name string, timeout time.Duration) (*redis.Client, error) {
	var source *redis.Client
	switch c := rdb.(type) {
	case *redis.Client:
		source = c
	case *redis.ClusterClient:
		var err error
		if source, err = c.MasterForKey(ctx, key); err != nil {
			return nil, err
		}
	default:
		return nil, invalid("a %T cannot open a connection of its own", rdb)
	}
	opt := *source.Options()
	if name != "" {
		opt.ClientName = name
	}
	opt.PoolSize, opt.MinIdleConns, opt.MaxIdleConns, opt.MaxActiveConns = 1, 0, 0, 0
	opt.PipelinePoolSize = -1
	opt.MaxRetries = -1
	opt.ReadTimeout = timeout
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(&opt), nil
}
