// Package redisdial connects to Redis servers and bounds what they may answer. The
// client library allocates as much as a reply announces: a server that is broken,
// or is no Redis, could end the process with twenty bytes.
package redisdial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	keepAlive   = 5 * time.Minute
)

// Dialer returns a function that connects, by TLS if config is not nil, as go-redis's
// own does, to connections whose replies are bounded: a Read fails with [ErrReply], and
// all after it, when a reply goes beyond the limits of this package.
func Dialer(config *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	dial := d.DialContext
	if config != nil {
		dial = (&tls.Dialer{NetDialer: d, Config: config}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, fmt.Errorf("connect to Redis: %w", err)
		}
		return &conn{Conn: c}, nil
	}
}

// ErrInClear says that a connection would go to another machine without TLS, and that
// nobody has asked for that.
var ErrInClear = errors.New("would send everything unencrypted to another machine: set REDIS_TLS=true, or REDIS_TLS=false if the network is private")

// LocalDialer is [Dialer] without TLS for connections to hosts that local accepts, this machine: a
// Sentinel or a Cluster node on this machine may name nodes on others. The function
// that it returns fails there with [ErrInClear] and sends nothing.
func LocalDialer(local func(host string) bool) func(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := Dialer(nil)
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(addr); err != nil || !local(host) {
			return nil, fmt.Errorf("connect to Redis at %s: %w", addr, ErrInClear)
		}
		return dial(ctx, network, addr)
	}
}

// conn is a connection that follows the replies it reads.
type conn struct {
	net.Conn
	replies replies
	err     error
}

// Read reads what the server sent, unless it is not acceptable.
func (c *conn) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.Conn.Read(b)
	if c.err = c.replies.follow(b[:n]); c.err != nil {
		return 0, c.err
	}
	return n, err
}
