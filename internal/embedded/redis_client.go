package embedded

import "github.com/alicebob/miniredis/v2/server"

// client is what we know of one connection. inTx belongs to the connection's
// own goroutine; id never changes.
type client struct {
	id   int64
	inTx bool // between MULTI and EXEC
}

// before sees every command before miniredis does, those a script calls
// included. It reports true when it has answered the command itself.
func (r *Redis) before(p *server.Peer, cmd string, args ...string) bool {
	c := r.client(p)
	if c == nil {
		return false
	}
	switch cmd {
	case "MULTI":
		c.inTx = true
	case "EXEC", "DISCARD":
		c.inTx = false
	}
	return !c.inTx && r.administer(p, c, cmd, args)
}

// client returns what we know of p, or nil when p is no connection but ours or
// a script's. Those of scripts bear a context from their first command on, which
// a connection gets by its first command at the earliest.
func (r *Redis) client(p *server.Peer) *client {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.clients[p]
	if c == nil && p.Ctx == nil && p != r.sweep {
		r.lastID++
		c = &client{id: r.lastID}
		r.clients[p] = c
		p.OnDisconnect(func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.clients, p)
		})
	}
	return c
}
