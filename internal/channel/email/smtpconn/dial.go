package smtpconn

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
)

// Options say how to connect.
type Options struct {
	Addr     string // "host:port"
	Security Security
	TLS      *tls.Config // with ServerName; used by StartTLS and Implicit
	Hello    string      // our name for EHLO
	Username string      // credentials; none are sent when empty
	Password string
	Dial     time.Duration // longest wait for the connection
	Answer   time.Duration // longest wait for any single answer, and for any write
}

// Stage names what a conversation was at.
type Stage string

const (
	StageDial  Stage = "connect"
	StageGreet Stage = "greeting"
	StageTLS   Stage = "STARTTLS"
	StageHello Stage = "EHLO"
	StageAuth  Stage = "AUTH"
	StageMail  Stage = "MAIL"
	StageRcpt  Stage = "RCPT"
	StageData  Stage = "DATA"
	StageText  Stage = "text"  // while the mail itself was written; its end did not leave
	StageFinal Stage = "reply" // after the mail's end left
)

// Error is a conversation that ended badly. Reply is set when the server said
// no, otherwise Err says what broke.
type Error struct {
	Stage Stage
	Reply *Reply
	Err   error
}

func (e *Error) Error() string {
	if e.Reply != nil {
		return fmt.Sprintf("%s: %s", e.Stage, e.Reply)
	}
	return fmt.Sprintf("%s: %v", e.Stage, e.Err)
}

// Unwrap returns what broke.
func (e *Error) Unwrap() error { return e.Err }

// Conn is one connection, ready for emails. It is for one goroutine at a time;
// Limit alone may be called by others.
type Conn struct {
	Pipelining bool
	UTF8       bool  // the server takes SMTPUTF8
	MaxSize    int64 // of a mail; 0 for unknown or no limit

	opts Options
	nc   net.Conn
	r    *bufio.Reader
	out  []byte // written but not sent
	auth []string
	tls  bool // STARTTLS is offered

	mu    sync.Mutex
	limit time.Time // no deadline is later; zero for none
}

// Dial connects, protects the connection, greets and logs in. Failures are *Error.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	dialCtx, cancel := context.WithTimeout(ctx, o.Dial)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(dialCtx, "tcp", o.Addr)
	if err != nil {
		return nil, &Error{Stage: StageDial, Err: err}
	}
	c := &Conn{opts: o, nc: nc}
	defer context.AfterFunc(ctx, func() { c.Limit(time.Now()) })()
	err = c.open()
	if ctx.Err() != nil {
		err = &Error{Stage: StageDial, Err: context.Cause(ctx)}
	}
	if err != nil {
		_ = c.nc.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) open() error {
	if c.opts.Security == Implicit {
		if err := c.protect(); err != nil {
			return err
		}
	} else {
		c.r = bufio.NewReader(c.nc)
	}
	if _, err := c.expect(StageGreet, 220); err != nil {
		return err
	}
	if err := c.hello(); err != nil {
		return err
	}
	if c.opts.Security == StartTLS {
		if err := c.startTLS(); err != nil {
			return err
		}
	}
	if c.opts.Username == "" {
		return nil
	}
	return c.login()
}

func (c *Conn) protect() error {
	c.wait(c.opts.Answer)
	t := tls.Client(c.nc, c.opts.TLS)
	if err := t.Handshake(); err != nil {
		return &Error{Stage: StageTLS, Err: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nc, c.r = t, bufio.NewReader(t)
	return nil
}

func (c *Conn) startTLS() error {
	if !c.tls {
		return &Error{Stage: StageTLS, Err: errors.New("the server does not offer STARTTLS, which is required")}
	}
	if _, err := c.command(StageTLS, 220, "STARTTLS"); err != nil {
		return err
	}
	if c.r.Buffered() > 0 { // somebody slips in words that TLS does not cover
		return &Error{Stage: StageTLS, Err: errGarbled}
	}
	if err := c.protect(); err != nil {
		return err
	}
	return c.hello() // what was offered before does not count, RFC 3207 §4.2
}

func (c *Conn) hello() error {
	r, err := c.command(StageHello, 250, "EHLO "+c.opts.Hello)
	if err != nil {
		return err
	}
	c.Pipelining, c.UTF8, c.MaxSize, c.auth, c.tls = false, false, 0, nil, false
	lines := strings.Split(r.Text, "\n")
	for _, line := range lines[1:] {
		words := strings.Fields(strings.ToUpper(line))
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "PIPELINING":
			c.Pipelining = true
		case "SMTPUTF8":
			c.UTF8 = true
		case "STARTTLS":
			c.tls = true
		case "AUTH":
			c.auth = words[1:]
		case "SIZE":
			if len(words) > 1 {
				c.MaxSize, _ = strconv.ParseInt(words[1], 10, 64) // what is no number is no limit
			}
		}
	}
	return nil
}

// login sends the credentials, over TLS or within this machine only.
func (c *Conn) login() error {
	if _, ok := c.nc.(*tls.Conn); !ok && !onLoopback(c.nc.RemoteAddr()) {
		return &Error{Stage: StageAuth, Err: errors.New("credentials are not sent unencrypted over a network")}
	}
	mech, err := c.mechanism()
	if err != nil {
		return err
	}
	name, initial, err := mech.Start()
	if err != nil {
		return &Error{Stage: StageAuth, Err: err}
	}
	line := "AUTH " + name
	if initial != nil {
		line += " " + base64.StdEncoding.EncodeToString(initial)
	}
	for {
		c.out = append(append(c.out, line...), "\r\n"...)
		r, err := c.exchange(StageAuth)
		switch {
		case err != nil:
			return err
		case r.Code == 235:
			return nil
		case r.Code != 334:
			return &Error{Stage: StageAuth, Reply: &r}
		}
		challenge, err := base64.StdEncoding.DecodeString(r.Text)
		if err != nil {
			return &Error{Stage: StageAuth, Err: errGarbled}
		}
		answer, err := mech.Next(challenge)
		if err != nil {
			return &Error{Stage: StageAuth, Err: err}
		}
		line = base64.StdEncoding.EncodeToString(answer)
	}
}

func (c *Conn) mechanism() (sasl.Client, error) {
	for _, m := range c.auth {
		switch m {
		case sasl.Plain:
			return sasl.NewPlainClient("", c.opts.Username, c.opts.Password), nil
		case sasl.Login:
			return &loginClient{answers: []string{c.opts.Username, c.opts.Password}}, nil
		}
	}
	return nil, &Error{Stage: StageAuth, Err: fmt.Errorf("the server offers AUTH %q; PLAIN or LOGIN is required", strings.Join(c.auth, " "))}
}

// loginClient answers AUTH LOGIN question by question. The library's sends the
// user name unasked, which not every server takes.
type loginClient struct{ answers []string }

func (l *loginClient) Start() (mech string, initial []byte, err error) { return sasl.Login, nil, nil }

func (l *loginClient) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(answer), nil
}
