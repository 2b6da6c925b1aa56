package embedded

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net"
	"sync"
)

// listener hands out connections that it can close all at once.
type listener struct {
	net.Listener
	tls *tls.Config // nil for plain text at first
	raw bool        // TLS may begin on a connection: what is read are not always lines

	mu    sync.Mutex
	conns map[*conn]struct{} // nil once closed
}

func newListener(l net.Listener, o MailCatcherOptions) *listener {
	out := &listener{Listener: l, conns: map[*conn]struct{}{}, raw: o.TLS != nil}
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
	if !l.raw {
		c.in = bufio.NewReaderSize(nc, inputBuffer)
	}
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
//
// It also gives the server one line at a time, so that the text of a mail is still here when the server has
// read DATA: see readLines.
type conn struct {
	net.Conn
	from *listener
	in   *bufio.Reader // nil if TLS may begin

	mu  sync.Mutex
	out *bufio.Writer
}

func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	if c.in == nil {
		if err := c.flush(); err != nil {
			return 0, err
		}
		return c.Conn.Read(b)
	}
	if c.in.Buffered() == 0 {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	line := c.buffered()
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end+1]
	}
	n := copy(b, line)
	_, _ = c.in.Discard(n) // it is buffered
	return n, nil
}

// fill waits for more input than is buffered.
func (c *conn) fill() error {
	if err := c.flush(); err != nil {
		return err
	}
	_, err := c.in.Peek(c.in.Buffered() + 1)
	return err
}

func (c *conn) buffered() []byte {
	b, _ := c.in.Peek(c.in.Buffered())
	return b
}

const (
	inputBuffer  = 16 << 10
	ordinaryLine = 1000 // bytes at most, RFC 5321 §4.5.3.1.6
)

// readLines takes the lines of a mail's text from the input and gives them to add, without the dot that
// is before another. It stops before the line that ends the text, and before everything that is not
// plainly a line: the server's own reader, which looks at each byte, goes on from there. It also stops when add
// returns an error, which it returns.
func (c *conn) readLines(add func(line []byte) error) error {
	if c.in == nil {
		return nil
	}
	for {
		text := c.buffered()
		rest := text
		for {
			line, size := nextLine(rest)
			if size <= 0 {
				_, _ = c.in.Discard(len(text) - len(rest))
				if size < 0 || c.fill() != nil {
					return nil
				}
				break
			}
			if err := add(line); err != nil {
				_, _ = c.in.Discard(len(text) - len(rest))
				return err
			}
			rest = rest[size:]
		}
	}
}

// nextLine returns the first line of a mail's text, with its end and without the dot that is before another, and the size that
// it has in text. The size is 0 if text has no whole line, and negative if it does not begin with an ordinary one.
func nextLine(text []byte) (line []byte, size int) {
	end := bytes.IndexByte(text, '\n')
	switch {
	case end < 0 && len(text) < ordinaryLine:
		return nil, 0
	case end < 0 || end >= ordinaryLine:
		return nil, -1
	}
	line = text[:end+1]
	if end == 0 || line[end-1] != '\r' || end > 1 && line[end-2] == '\r' {
		return nil, -1
	}
	if line[0] != '.' {
		return line, len(line)
	}
	if line[1] == '\r' {
		return nil, -1
	}
	return line[1:], len(line)
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
