package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

const (
	clockStep = 10 * time.Millisecond // how often the clock moves on when that is cheap
	clockCost = 50                    // the clock rests this many times as long as moving it took: at most 2 % of one core
	sweepStep = time.Second           // how often blocked clients that went away are noticed
)

// Redis is a Redis server in this process, on a free port of the loopback
// interface: miniredis, with time moving on, and with CLIENT LIST, INFO and
// CONFIG GET as far as clients of queues look at them. It is empty at first and
// forgets everything at Close.
type Redis struct {
	mini  *miniredis.Miniredis
	srv   *server.Server
	addr  string
	sweep *server.Peer // a peer of ours that is no connection

	mu      sync.Mutex
	lastID  int64
	clients map[*server.Peer]*client
}

// NewRedis starts a server. Until Run is called its keys do not expire.
// The caller closes it. A nil logger is silence.
func NewRedis(logger *slog.Logger) (*Redis, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start the in-process redis: %w", err)
	}
	r := &Redis{
		mini:    m,
		srv:     m.Server(),
		addr:    m.Addr(),
		sweep:   server.NewPeer(bufio.NewWriter(io.Discard)),
		clients: map[*server.Peer]*client{},
	}
	if err := r.srv.Register("CONFIG", r.config); err != nil {
		m.Close()
		return nil, fmt.Errorf("extend the in-process redis: %w", err)
	}
	r.srv.SetPreHook(r.before)
	logger.Debug("in-process redis listens", slog.String("addr", r.addr))
	return r, nil
}

// Addr returns the server's address, "127.0.0.1:port".
func (r *Redis) Addr() string { return r.addr }

// Run makes time pass for the server's keys until ctx ends; it returns nil then.
// The server itself goes on until Close.
func (r *Redis) Run(ctx context.Context) error {
	// miniredis could follow the clock by itself, but then walks all keys at every command.
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
			step.Reset(max(clockStep, clockCost*time.Since(now)))
		}
	}
}

// Close ends all connections and the server, and waits for both. It may be called once.
func (r *Redis) Close() error {
	r.mini.Close()
	return nil
}
