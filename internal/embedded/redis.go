package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

const (
	clockStep = 10 * time.Millisecond // how often the clock moves on when that is cheap
	clockCost = 50                    // the clock rests this many times as long as moving it took: at most 2 % of one core
	clockRest = time.Second           // but no longer than this: on a busy machine moving it takes long without being work
	sweepStep = time.Second           // how often blocked clients that went away are noticed
)

// Redis is a Redis server in this process: miniredis, with time moving on, and with
// CLIENT LIST, INFO and CONFIG GET as far as clients of queues look at them. It is
// empty at first and forgets everything at Close. It listens on no port: other users of
// the machine could read this process's files through its scripts, stop it with an endless
// one, or exhaust its memory. Clients in this process reach it by Dial.
type Redis struct {
	mini  *miniredis.Miniredis
	srv   *server.Server
	sweep *server.Peer // a peer of ours that is no connection

	mu      sync.Mutex
	lastID  int64
	clients map[*server.Peer]*client
}

// NewRedis starts a server. Until Run is called its keys do not expire.
// The caller closes it.
func NewRedis() (*Redis, error) {
	m := miniredis.NewMiniRedis()
	first, err := m.Dial() // starts it
	if err == nil {
		err = first.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("start the in-process redis: %w", err)
	}
	r := &Redis{
		mini:    m,
		srv:     m.Server(),
		sweep:   server.NewPeer(bufio.NewWriter(io.Discard)),
		clients: map[*server.Peer]*client{},
	}
	if err := r.srv.Register("CONFIG", r.config); err != nil {
		m.Close()
		return nil, fmt.Errorf("extend the in-process redis: %w", err)
	}
	r.srv.SetPreHook(r.before)
	return r, nil
}

// Dial returns a new connection to the server, which the caller closes. Its arguments
// are those of go-redis's Options.Dialer and mean nothing here.
func (r *Redis) Dial(context.Context, string, string) (net.Conn, error) {
	client, server, err := connPair()
	if err != nil {
		return nil, err
	}
	r.srv.ServeConn(server)
	return client, nil
}

// Run makes time pass for the server's keys until ctx ends; it returns nil then.
// The server itself goes on until Close.
func (r *Redis) Run(ctx context.Context) error {
	// miniredis could follow the clock on its own, but then walks all keys at every command.
	step := time.NewTimer(clockStep)
	defer step.Stop()
	sweep := time.NewTicker(sweepStep)
	defer sweep.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-sweep.C:
			// Any command wakes all blocked clients; those whose connection is gone end then.
			r.srv.Dispatch(r.sweep, []string{"DBSIZE"})
		case <-step.C:
			now := time.Now()
			r.mini.FastForward(now.Sub(last))
			last = now
			step.Reset(min(max(clockStep, clockCost*time.Since(now)), clockRest))
		}
	}
}

// Close ends all connections and the server, and waits for both. It may be called once.
func (r *Redis) Close() error {
	r.mini.Close()
	return nil
}
