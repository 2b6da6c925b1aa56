package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/netutil"
)

const (
	maxMessageBytes  = 32 << 20
	maxRecipients    = 1000
	maxConnections   = 500             // further ones wait
	maxIncomingBytes = 128 << 20       // of emails that are being read at the same time
	idleTimeout      = 5 * time.Minute // RFC 5321 §4.5.3.2.7
	writeTimeout     = time.Minute
)

// MailCatcherOptions says how a catcher differs from the plain one.
type MailCatcherOptions struct {
	Addr         string // to listen on; "127.0.0.1:0" when empty
	KeepBodies   int    // newest emails kept whole for viewing; 0 for none
	MaxAccounted int    // emails and recipients told apart; 1,000,000 when zero

	// Taken is called with each email before its sender learns that it was taken, one at a time. To and Raw are
	// valid until it returns. It must not call the catcher. Nil for none.
	Taken func(CaughtMail)

	TLS         *tls.Config // offers STARTTLS; nil for no TLS
	ImplicitTLS bool        // speaks TLS from the first byte; needs TLS
	Username    string      // asks for these credentials before mail is taken; empty for none
	Password    string

	Logger *slog.Logger // nil for silence
}

// MailCatcher is an SMTP server that takes every mail for every address and
// delivers none: it counts them, keeps the newest for viewing, and knows which
// recipients and Message-IDs it has seen. It is safe for concurrent use.
type MailCatcher struct {
	book     *mailLog
	faults   atomic.Pointer[Faults]
	opts     MailCatcherOptions
	listener *listener
	server   *smtp.Server
	incoming atomic.Int64 // bytes of emails that are being read
}

// NewMailCatcher starts to listen; connections are served once Run is called.
// The caller runs it, or closes it when it will not.
func NewMailCatcher(o MailCatcherOptions) (*MailCatcher, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.MaxAccounted == 0 {
		o.MaxAccounted = 1_000_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.ImplicitTLS && o.TLS == nil {
		return nil, errors.New("mail catcher: implicit TLS needs a TLS configuration")
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("mail catcher: %w", err)
	}
	c := &MailCatcher{book: newMailLog(o.KeepBodies, o.MaxAccounted, o.Taken), opts: o, listener: newListener(netutil.LimitListener(l, maxConnections), o)}
	c.server = smtp.NewServer(smtp.BackendFunc(c.newSession))
	c.server.Domain = "mail-catcher"
	c.server.MaxMessageBytes = maxMessageBytes
	c.server.MaxRecipients = maxRecipients
	c.server.EnableSMTPUTF8 = true
	c.server.ReadTimeout = idleTimeout
	c.server.WriteTimeout = writeTimeout
	c.server.ErrorLog = slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug)
	c.server.AllowInsecureAuth = o.TLS == nil // a catcher on loopback; with TLS it is as strict as the real ones
	if !o.ImplicitTLS {
		c.server.TLSConfig = o.TLS
	}
	return c, nil
}

// Addr returns the address the catcher listens on, "host:port".
func (c *MailCatcher) Addr() string { return c.listener.Addr().String() }

// Run serves until ctx ends, then closes every connection and returns nil once
// all have ended. It may be called once.
func (c *MailCatcher) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- c.server.Serve(c.listener) }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("mail catcher: %w", err), c.stop())
	case <-ctx.Done():
		return errors.Join(c.stop(), notClosed(<-served))
	}
}

// stop waits for the sessions after it has taken their connections away.
func (c *MailCatcher) stop() error {
	c.listener.closeAll()
	return notClosed(c.server.Shutdown(context.Background()))
}

// notClosed drops the error of using what we have closed ourselves.
func notClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Close frees the port of a catcher that was never run.
func (c *MailCatcher) Close() error { return c.listener.Close() }

// Accepted returns how many emails were taken.
func (c *MailCatcher) Accepted() int { return c.book.counts().accepted }

// Distinct returns how many different Message-IDs the emails taken bore. A mail
// without one counts as different from all others.
func (c *MailCatcher) Distinct() int { return c.book.counts().distinct }

// Complete reports whether every mail taken is accounted for in Distinct and
// Recipients: it is false once there were more than MaxAccounted.
func (c *MailCatcher) Complete() bool { return c.book.counts().complete }

// Recipients calls f for every address that mail was taken for, with how many
// emails, in no order. f must not call the catcher.
func (c *MailCatcher) Recipients(f func(addr string, n int)) { c.book.eachRecipient(f) }

// Messages returns up to limit of the emails kept, newest first, without Raw.
func (c *MailCatcher) Messages(limit int) []CaughtMail { return c.book.newest(limit) }

// Message returns the kept mail with this ID; false if there is none any more.
func (c *MailCatcher) Message(id string) (CaughtMail, bool) { return c.book.byID(id) }
