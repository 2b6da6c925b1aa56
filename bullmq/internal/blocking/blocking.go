// Package blocking opens connections for commands that block.
package blocking

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrUnsupported is returned for a client of a kind that cannot open a connection of its own.
var ErrUnsupported = errors.New("cannot open a connection of its own")

// Client is a client with one connection for commands that block. The end of its context
// interrupts them, which go-redis does not do.
type Client struct {
	Client *redis.Client
	detach func() bool

	mu    sync.Mutex
	conn  net.Conn
	ended bool
}

// New makes a client for the server that has key. A reply that takes longer than
// timeout breaks the connection. The server lists the connection by name, if it is set.
func New(ctx context.Context, rdb redis.UniversalClient, key, name string, timeout time.Duration) (*Client, error) {
	var source *redis.Client
	switch c := rdb.(type) {
	case *redis.Client:
		source = c
	case *redis.ClusterClient:
		// The connection before this one may have broken, so the known master may be out of
		// date. If it is, this connection fails too and the next one finds the new master.
		c.ReloadState(ctx)
		var err error
		if source, err = c.MasterForKey(ctx, key); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("a %T %w", rdb, ErrUnsupported)
	}
	b := &Client{}
	opt := *source.Options()
	if name != "" {
		opt.ClientName = name
	}
	opt.PoolSize, opt.MinIdleConns, opt.MaxIdleConns, opt.MaxActiveConns = 1, 0, 0, 0
	opt.PipelinePoolSize = -1
	opt.MaxRetries = -1
	opt.DialerRetries = 1 // the worker retries
	opt.ReadTimeout = timeout
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	dial := opt.Dialer
	opt.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		b.keep(conn)
		return conn, nil
	}
	b.Client = redis.NewClient(&opt)
	b.detach = context.AfterFunc(ctx, b.interrupt)
	return b, nil
}

// keep stores the connection that interrupt closes. A connection that is made after the end
// is closed at once and fails when it is used: an error from the dialer would be logged.
func (b *Client) keep(conn net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		_ = conn.Close()
		return
	}
	b.conn = conn
}

func (b *Client) interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	if b.conn != nil {
		_ = b.conn.Close()
	}
}

// Close closes the connection.
func (b *Client) Close() {
	b.detach()
	_ = b.Client.Close()
}
