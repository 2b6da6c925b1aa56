package embedded

import (
	"bufio"
	"crypto/tls"
	"net"
	"sync"
)

// listener hands out connections that it can close all at once.
type listener struct {
	net.Listener
	tls *tls.Config // nil for plain text at first

	mu    sync.Mutex
	conns map[*conn]struct{} // nil once closed
}

func newListener(l net.Listener, o MailCatcherOptions) *listener {
	out := &listener{Listener: l, conns: map[*conn]struct{}{}}
	if o.ImplicitTLS {
		out.tls = o.TLS
	}
	return out
}

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, out: bufio.NewWriterSize(nc, 4096), from: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		_ = nc.Close()
		return nil, net.ErrClosed
	}
	l.conns[c] = struct{}{}
	if l.tls != nil {
		return tls.Server(c, l.tls), nil
	}
	return c, nil
}

func (l *listener) closeAll() {
	_ = l.Listener.Close() // a second time at worst
	l.mu.Lock()
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close()
	}
}

// conn holds replies back until the client's next words are waited for: a client
// that pipelines gets the replies to one packet in one packet. It saves most of
// the system calls a mail costs.
type conn struct {
	net.Conn
	from *listener

	mu  sync.Mutex
	out *bufio.Writer
}

func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	if err := c.flush(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *conn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Flush()
}

func (c *conn) Close() error {
	_ = c.flush() // the connection may be gone, which is what Close wants
	c.from.mu.Lock()
	delete(c.from.conns, c)
	c.from.mu.Unlock()
	return c.Conn.Close()
}
