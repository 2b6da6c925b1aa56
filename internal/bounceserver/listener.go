package bounceserver

import (
	"net"
	"sync"
)

// listener hands out connections that it can close all at once.
type listener struct {
	net.Listener

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil once closed
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	l.conns[c] = struct{}{}
	return &conn{c, l}, nil
}

func (l *listener) closeAll() {
	_ = l.Listener.Close() // a second time at worst
	l.mu.Lock()
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for c := range conns {
		_ = c.Close()
	}
}

// conn is a connection of a listener.
type conn struct {
	net.Conn
	from *listener
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.from.mu.Lock()
	delete(c.from.conns, c.Conn)
	c.from.mu.Unlock()
	return c.Conn.Close()
}
