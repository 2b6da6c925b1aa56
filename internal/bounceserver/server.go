// Package bounceserver is a small SMTP server (RFC 5321) for emails that come back. It takes nothing else: only emails
// with the empty sender of notifications, to addresses that say which message they are about.
package bounceserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/netutil"

	"schoolbell"
)

const (
	maxEmail       = 1 << 20 // bytes
	maxConnections = 20      // further ones wait
	maxPerTurn     = 1       // recipients of an email; senders repeat it for the others
	idleTimeout    = time.Minute
	takeTimeout    = 30 * time.Second
)

// Config says what a server takes.
type Config struct {
	Domain string      // in the greeting
	TLS    *tls.Config // offers STARTTLS; nil for no TLS

	// Known reports whether emails to an address are taken.
	Known func(address string) bool

	// Take takes an email to a known address. Its errors are [schoolbell.Error]: CodeForbidden and CodeInvalid refuse the
	// email for good, after any other one its sender tries again. It must not keep the email.
	Take func(ctx context.Context, address string, email []byte) error

	Logger *slog.Logger
}

// Server is such a server.
type Server struct {
	cfg  Config
	smtp *smtp.Server
}

// New returns a server.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg}
	s.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }))
	s.smtp.Domain = cfg.Domain
	s.smtp.TLSConfig = cfg.TLS
	s.smtp.MaxMessageBytes = maxEmail
	s.smtp.MaxRecipients = maxPerTurn
	s.smtp.EnableSMTPUTF8 = true // notifications about emails beyond ASCII
	s.smtp.ReadTimeout = idleTimeout
	s.smtp.WriteTimeout = idleTimeout
	s.smtp.ErrorLog = slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug)
	return s
}

// Serve answers on ln until ctx ends, then drops the connections: what was not confirmed by then, its sender sends again. It
// may be called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	conns := &listener{Listener: netutil.LimitListener(ln, maxConnections), conns: map[net.Conn]struct{}{}}
	served := make(chan error, 1)
	go func() { served <- s.smtp.Serve(conns) }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("receive bounces: %w", err), s.stop(conns))
	case <-ctx.Done():
		err := s.stop(conns)
		<-served // nil, as the server is stopped
		return err
	}
}

// stop ends the connections and waits for what they do.
func (s *Server) stop(conns *listener) error {
	conns.closeAll()
	if err := s.smtp.Shutdown(context.Background()); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop receiving bounces: %w", err)
	}
	return nil
}

// session is the state of one connection.
type session struct {
	server *Server
	to     string
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.to = "" }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if from != "" {
		return reply(550, smtp.EnhancedCode{5, 7, 1}, "Only notifications with an empty sender are taken here")
	}
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !s.server.cfg.Known(to) {
		return reply(550, smtp.EnhancedCode{5, 1, 1}, "No such address")
	}
	s.to = to
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	var email bytes.Buffer
	if _, err := email.ReadFrom(r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), takeTimeout)
	defer cancel()
	err := s.server.cfg.Take(ctx, s.to, email.Bytes())
	switch code := schoolbell.CodeOf(err); {
	case err == nil:
		return nil
	case code == schoolbell.CodeForbidden:
		return reply(550, smtp.EnhancedCode{5, 7, 1}, "The email is refused")
	case code == schoolbell.CodeInvalid:
		return reply(554, smtp.EnhancedCode{5, 6, 0}, "The email cannot be read")
	}
	s.server.cfg.Logger.Error("a bounce could not be recorded; its mail server sends it again", "error", err)
	return reply(451, smtp.EnhancedCode{4, 3, 0}, "The email cannot be recorded now")
}

func reply(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}
