package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/email/returnpath"
	"schoolbell/internal/channel/email/signing"
	"schoolbell/internal/channel/email/smtpconn"
	"schoolbell/internal/channel/slots"
)

// SMTPConfig says which server takes the mail and how. Zero values mean the
// defaults named.
type SMTPConfig struct {
	Host     string
	Port     int // 587, or 465 with TLS implicit, or 25 with TLS none
	Username string
	Password string
	TLS      string         // "starttls", "implicit" or "none"; starttls, or none on loopback
	RootCAs  *x509.CertPool // who vouches for the server; the system's when nil

	From    string // as in "Hill School <office@hill.example>"
	ReplyTo string // optional, as From
	Hello   string // our name for EHLO; the host's name

	Signer  *signing.Signer       // signs each email with DKIM; nil for no signatures
	Bounces *returnpath.Addresses // envelope senders, by which bounces name their message; nil for From

	Connections int           // kept open at most; 20
	UrgentShare int           // percent of Connections that only urgent email uses
	Timeout     time.Duration // longest wait for any single answer; 30 s
	MaxAge      time.Duration // a connection is not used for longer; 5 min
	MaxEmails   int           // a connection is not used for more; 1000

	Logger *slog.Logger // nil for silence
}

const (
	dialTimeout = 10 * time.Second
	idleTime    = 30 * time.Second // then an unused connection is given up
	stopGrace   = 5 * time.Second  // for answers to emails already handed over when the caller stops
	loudEvery   = time.Minute      // how often a broken setup is logged
)

// NewSMTP returns a provider over the server cfg names, without connecting to it. It refuses
// settings that contradict each other or would send unencrypted credentials over a network.
// The caller closes it.
func NewSMTP(cfg SMTPConfig) (*SMTP, error) {
	if cfg.Host == "" || strings.ContainsAny(cfg.Host, " \r\n") {
		return nil, schoolbell.Invalid("smtp_host", "must be a host name")
	}
	security, err := chooseSecurity(&cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Username != "" && security == smtpconn.Plain && !schoolbell.Loopback(cfg.Host) {
		return nil, schoolbell.Invalid("smtp_tls", "credentials are not sent unencrypted over a network; use starttls or implicit")
	}
	composer, err := NewComposer(cfg.From, cfg.ReplyTo)
	if err != nil {
		return nil, err
	}
	setDefaults(&cfg)
	s := &SMTP{
		cfg:      cfg,
		composer: composer,
		log:      cfg.Logger,
		slots:    slots.New(cfg.Connections, cfg.UrgentShare),
		dial: smtpconn.Options{
			Addr:     net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)),
			Security: security,
			TLS:      &tls.Config{ServerName: cfg.Host, RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
			Hello:    cfg.Hello,
			Username: cfg.Username,
			Password: cfg.Password,
			Dial:     min(cfg.Timeout, dialTimeout),
			Answer:   cfg.Timeout,
		},
	}
	return s, nil
}

// chooseSecurity fills in the mode and the port, and returns what the mode names.
func chooseSecurity(cfg *SMTPConfig) (smtpconn.Security, error) {
	cfg.TLS, cfg.Port = smtpconn.WithDefaults(cfg.Host, cfg.TLS, cfg.Port)
	security, ok := smtpconn.ParseMode(cfg.TLS)
	if !ok {
		return 0, schoolbell.Invalid("smtp_tls", "must be starttls, implicit or none")
	}
	return security, nil
}

func setDefaults(cfg *SMTPConfig) {
	if cfg.Connections <= 0 {
		cfg.Connections = 20
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.MaxAge <= 0 {
		cfg.MaxAge = 5 * time.Minute
	}
	if cfg.MaxEmails <= 0 {
		cfg.MaxEmails = 1000
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Hello == "" {
		cfg.Hello, _ = os.Hostname() // an unknown name is like an unusable one
	}
	if !helloPattern.MatchString(cfg.Hello) {
		cfg.Hello = "localhost"
	}
}

var helloPattern = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])$`)

// Sender returns the bare address that emails are from, its domain in ASCII.
func (s *SMTP) Sender() string { return s.composer.Sender() }

// Check connects, protects the connection, greets, logs in and quits. Its connection
// is one of those that may be open; while all are sending, it relies on them.
func (s *SMTP) Check(ctx context.Context) error {
	if !s.slots.TryTake(schoolbell.LaneUrgent) {
		return nil
	}
	defer s.slots.Put(schoolbell.LaneUrgent)
	c, err := smtpconn.Dial(ctx, s.dial)
	if err != nil {
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the mail server " + s.dial.Addr + " rejects all mail", Err: redacted{err}}
	}
	c.Quit()
	return nil
}

// redacted is an error that may quote a mail server, without the addresses and phone
// numbers in its words.
type redacted struct{ err error }

func (e redacted) Error() string { return schoolbell.Redact(e.err.Error(), schoolbell.Personal{}) }
func (e redacted) Unwrap() error { return e.err }

// Close drops the connections that are not in use; those in use are dropped when their mail is done.
func (s *SMTP) Close() error {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	for _, l := range idle {
		if l.reap.Stop() {
			l.conn.Quit()
		}
	}
	return nil
}

var errClosed = errors.New("the provider is closed")
