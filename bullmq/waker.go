package bullmq

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/internal/blocking"
)

// Servers without the blocking command are polled: quickly after a job was found, then more
// and more slowly.
const (
	pollMin = 20 * time.Millisecond
	pollMax = 200 * time.Millisecond
)

// waker waits for the queue's marker on its own connection. BullMQ lists the worker by the
// name of that connection.
type waker struct {
	ctx  context.Context
	s    *session
	conn *blocking.Client
	// trouble is the delay after a failed wait.
	trouble retryDelay

	polling bool
	poll    time.Duration
}

func newWaker(ctx context.Context, s *session) *waker {
	return &waker{ctx: ctx, s: s, poll: pollMin}
}

// introduce opens the connection, so that a worker that is never idle is listed too. If
// Redis is unavailable, wait meets the error.
func (k *waker) introduce() {
	if k.connect() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(k.ctx, time.Second)
	defer cancel()
	if k.conn.Client.Ping(ctx).Err() != nil {
		k.close()
	}
}

// wait returns when it is time to fetch a job or to wait again, or when ctx ends.
func (k *waker) wait() error {
	state := k.s.state
	wait, known := state.WaitTime(k.s.q.now(), k.s.opts.DrainDelay)
	switch {
	case wait <= 0:
		state.FetchNow()
		return nil
	case k.polling:
		sleep(k.ctx, min(wait, k.poll))
		k.poll = min(k.poll*2, pollMax)
		state.FetchNow()
		return nil
	}
	score, ok, err := k.pop(wait)
	switch {
	case err != nil:
		err = wrapRead(k.ctx, "the marker", err)
		k.close()
		state.FetchNow()
		return err
	case ok:
		state.NoteMarker(k.s.q.now(), known, score)
	default:
		state.FetchNow()
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
	reply, err := k.conn.Client.Do(k.ctx, "bzpopmin", k.s.q.keys.Marker(), seconds).Slice()
	switch {
	case errors.Is(err, redis.Nil):
		k.s.health.ok()
		return 0, false, nil
	case redis.HasErrorPrefix(err, "ERR unknown command"):
		k.polling = true
		k.close()
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	k.s.health.ok()
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

func (k *waker) connect() (err error) {
	if err := k.ctx.Err(); err != nil {
		return err
	}
	if k.conn == nil {
		k.conn, err = k.s.q.openBlocking(k.ctx, k.s.q.keys.Marker(), k.s.clientName(), k.s.opts.DrainDelay+time.Second)
	}
	return err
}

func (k *waker) close() {
	if k.conn != nil {
		k.conn.Close()
		k.conn = nil
	}
}
