package bounceserver_test

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"schoolbell"
	"schoolbell/internal/bounceserver"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const known = "b+token@bounces.hill.example"

// taker is what takes the emails of a server.
type taker struct {
	mu     sync.Mutex
	emails []string
	err    error
}

func (k *taker) take(_ context.Context, address string, email []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.emails = append(k.emails, address+" "+string(email))
	}
	return k.err
}

func (k *taker) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

func (k *taker) taken() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.emails
}

// start starts a server, which stop ends.
func start(t *testing.T, k *taker, conf *tls.Config) (addr string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := bounceserver.New(bounceserver.Config{Domain: "bounces.hill.example", Known: func(a string) bool { return strings.EqualFold(a, known) }, Take: k.take,
		TLS: conf, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended: %v", err)
		}
	})
	t.Cleanup(stop)
	return ln.Addr().String(), stop
}

func dial(t *testing.T, addr string) *smtp.Client {
	t.Helper()
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// send sends an email and returns the code with which it is refused, or 0.
func send(t *testing.T, addr, from, to, text string) int {
	t.Helper()
	err := dial(t, addr).SendMail(from, []string{to}, strings.NewReader(text))
	if e, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return e.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

func TestServer(t *testing.T) {
	t.Parallel()
	k := &taker{}
	addr, _ := start(t, k, nil)
	const text = "Subject: Undelivered\r\n\r\n.dot\r\n"
	for _, c := range []struct {
		name, from, to, text string
		err                  error
		want                 int
	}{
		{"a bounce", "", known, text, nil, 0},
		{"a bounce in capitals", "", strings.ToUpper(known), text, nil, 0},
		{"email of a person", "eve@evil.example", known, text, nil, 550},
		{"another address", "", "office@bounces.hill.example", text, nil, 550},
		{"a large email", "", known, strings.Repeat("a line of text\r\n", 1<<16+1), nil, 552},
		{"email of somebody else", "", known, text, &schoolbell.Error{Code: schoolbell.CodeForbidden, Message: "no"}, 550},
		{"email that cannot be read", "", known, text, &schoolbell.Error{Code: schoolbell.CodeInvalid, Message: "no"}, 554},
		{"an unavailable ledger", "", known, text, &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "no"}, 451},
		{"an unknown failure", "", known, text, errors.New("no"), 451},
	} {
		t.Run(c.name, func(t *testing.T) {
			k.fail(c.err)
			if code := send(t, addr, c.from, c.to, c.text); code != c.want {
				t.Errorf("code %d, want %d", code, c.want)
			}
		})
	}
	if got := k.taken(); len(got) != 2 || got[0] != known+" "+text {
		t.Errorf("taken: %q", got)
	}
}

func TestServerTLS(t *testing.T) {
	t.Parallel()
	authority := testenv.NewAuthority(t)
	pair, err := tls.LoadX509KeyPair(authority.Issue("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	k := &taker{}
	addr, _ := start(t, k, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClientStartTLS(conn, &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SendMail("", []string{known}, strings.NewReader("Subject: Undelivered\r\n\r\nNo.\r\n")); err != nil || len(k.taken()) != 1 {
		t.Errorf("over TLS: %v, taken %q", err, k.taken())
	}
}

func TestServerStops(t *testing.T) {
	t.Parallel()
	addr, stop := start(t, &taker{}, nil)
	c := dial(t, addr)
	if err := c.Hello("mx.school.example"); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := c.Noop(); err == nil {
		t.Error("a connection goes on after the end")
	}
	if _, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		t.Error("the port is open after the end")
	}
}

func TestServerListener(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	s := bounceserver.New(bounceserver.Config{Known: func(string) bool { return false }, Logger: slog.New(slog.DiscardHandler)})
	if err := s.Serve(t.Context(), ln); err == nil {
		t.Error("no error for a listener that is closed")
	}
}
