package email

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/email/smtpconn"
	"schoolbell/internal/channel/slots"
)

// SMTP sends mail through one SMTP server. It is safe for concurrent use.
type SMTP struct {
	cfg      SMTPConfig
	composer *Composer
	dial     smtpconn.Options
	log      *slog.Logger
	slots    *slots.Slots // one taken for each connection in use

	mu     sync.Mutex
	idle   []*pooledConn // the one used last is the last
	closed bool
	loud   time.Time // when a broken setup was last logged
}

// pooledConn is a connection with what the pool remembers of it.
type pooledConn struct {
	conn   *smtpconn.Conn
	born   time.Time
	emails int         // begun on it
	kept   bool        // it was idle for a while, and may be gone
	dirty  bool        // a refused mail has left its envelope
	text   []byte      // of the mail sent last; room for the next
	reap   *time.Timer // while idle: gives it up
}

// get returns a connection: one that is kept, if fresh is false and there is one, or a new one.
// The caller holds a slot.
func (s *SMTP) get(ctx context.Context, fresh bool) (*pooledConn, error) {
	for !fresh {
		s.mu.Lock()
		n := len(s.idle)
		if n == 0 {
			s.mu.Unlock()
			break
		}
		l := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		if l.reap.Stop() {
			return l, nil
		}
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	c, err := smtpconn.Dial(ctx, s.dial)
	if err != nil {
		return nil, err
	}
	return &pooledConn{conn: c, born: time.Now()}, nil
}

// put keeps l for the next, or lets it go when it has served its time.
func (s *SMTP) put(l *pooledConn) {
	s.mu.Lock()
	if s.closed || s.worn(l) || len(s.idle) >= s.cfg.Connections {
		s.mu.Unlock()
		l.conn.Quit()
		return
	}
	defer s.mu.Unlock()
	l.reap = time.AfterFunc(idleTime, func() {
		s.mu.Lock()
		s.idle = slices.DeleteFunc(s.idle, func(o *pooledConn) bool { return o == l })
		s.mu.Unlock()
		l.conn.Quit()
	})
	l.kept = true
	s.idle = append(s.idle, l)
}

func (s *SMTP) worn(l *pooledConn) bool {
	return l.emails >= s.cfg.MaxEmails || time.Since(l.born) > s.cfg.MaxAge
}

// complain logs that nothing can be sent, but not for every message.
func (s *SMTP) complain(reason string) {
	s.mu.Lock()
	quiet := time.Since(s.loud) < loudEvery
	if !quiet {
		s.loud = time.Now()
	}
	s.mu.Unlock()
	if !quiet {
		s.log.Error("mail server rejects all mail; check the SMTP settings and the server", "server", s.dial.Addr, "reason", schoolbell.Redact(reason, schoolbell.Personal{}))
	}
}
