package bullmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/combine"
	"schoolbell/bullmq/internal/blocking"
	"schoolbell/bullmq/internal/script"
)

// callLimits are how many jobs, and bytes of them, a call adds or ends. Other clients of Redis
// wait that long.
var callLimits = combine.Limits{Items: 100, Size: 1 << 20}

// run calls a script on a queue and reads its reply.
func run[R any](ctx context.Context, q *Queue, s script.Script[R]) (reply R, err error) {
	raw, err := q.call(ctx, s.Call())
	if err != nil {
		return reply, err
	}
	return s.Reply(raw), nil
}

// call calls a script on the queue.
func (q *Queue) call(ctx context.Context, c script.Call) (any, error) {
	if err := q.askServer(ctx); err != nil {
		return nil, err
	}
	reply, err := c.Run(ctx, q.rdb, q.keys.Prefix)
	if err != nil {
		return nil, q.failed(ctx, c, err)
	}
	return reply, nil
}

// runPipeline calls scripts in one pipeline. It returns each call's reply or error.
func runPipeline(ctx context.Context, q *Queue, calls []script.Call) ([]any, []error) {
	replies, errs := script.RunPipeline(ctx, q.rdb, q.keys.Prefix, calls)
	for i, err := range errs {
		if err != nil {
			errs[i] = q.failed(ctx, calls[i], err)
		}
	}
	return replies, errs
}

// failed adds the script's name to an error.
func (q *Queue) failed(ctx context.Context, c script.Call, err error) error {
	askForNodes(ctx, q.rdb, err)
	return fmt.Errorf("bullmq: run script %s: %w", c.Source.Name(), classified(ctx, err))
}

// openBlocking opens a connection for commands that block, to the server that has key.
func (q *Queue) openBlocking(ctx context.Context, key, name string, timeout time.Duration) (*blocking.Client, error) {
	conn, err := blocking.New(ctx, q.rdb, key, name, timeout)
	if errors.Is(err, blocking.ErrUnsupported) {
		return nil, invalid("%w", err)
	}
	return conn, err
}

// askForNodes makes a Cluster's client ask for the masters when one of them is unavailable.
// Otherwise it would do so only after a redirection, which a node that is gone does not
// send, or after a minute.
func askForNodes(ctx context.Context, rdb redis.UniversalClient, err error) {
	if c, cluster := rdb.(*redis.ClusterClient); cluster && isPassing(err) {
		c.ReloadState(ctx)
	}
}
