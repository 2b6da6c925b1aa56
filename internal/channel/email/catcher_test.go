package email

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/channel/channeltest"
	"schoolbell/internal/channel/email/returnpath"
	"schoolbell/internal/embedded"
)

// catcher runs a mail catcher until the test ends or stop is called.
func catcher(t testing.TB, o embedded.MailCatcherOptions) (c *embedded.MailCatcher, stop func()) {
	t.Helper()
	c, err := embedded.NewMailCatcher(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("catcher: %v", err)
		}
	})
	t.Cleanup(stop)
	return c, stop
}

// testSender is a provider and its sender of the normal lane.
type testSender struct {
	*SMTP
	LaneSender
}

// sender returns a sender for the server at addr.
func sender(t testing.TB, addr string, change ...func(*SMTPConfig)) testSender {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	cfg := SMTPConfig{Host: host, Port: n, From: "Hill School <office@hill.example>", Timeout: 20 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	s, err := NewSMTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return testSender{s, s.Lane(schoolbell.LaneNormal)}
}

func message(to string, n int) schoolbell.Message {
	return schoolbell.Message{
		ID: fmt.Sprintf("019a0000-0000-7000-8000-000000000001.%d", n), EventID: "019a0000-0000-7000-8000-000000000001",
		Channel: schoolbell.ChannelEmail, To: to, ToName: fmt.Sprintf("Réader %d", n), Subject: "Sports day moved to Friday",
		Text: schoolbell.Plain("Hello,\n\n.a dot\nGrüße\n"), HTML: schoolbell.Plain("<p>Hello,</p>\n<p>Grüße</p>\n"), Category: schoolbell.CategoryEvent, Locale: "en",
	}
}

// lane is a sender of either lane.
type lane interface {
	Send(ctx context.Context, msgs []schoolbell.Message, done func(i int, r schoolbell.Result))
}

// sendOne sends one message and returns its result.
func sendOne(t testing.TB, s testSender, m schoolbell.Message) schoolbell.Result {
	t.Helper()
	return sendAll(t, context.Background(), s, []schoolbell.Message{m})[0]
}

func sendAll(t testing.TB, ctx context.Context, s lane, msgs []schoolbell.Message) []schoolbell.Result {
	t.Helper()
	var mu sync.Mutex
	out, times := make([]schoolbell.Result, len(msgs)), make([]int, len(msgs))
	s.Send(ctx, msgs, func(i int, r schoolbell.Result) {
		mu.Lock()
		defer mu.Unlock()
		out[i] = r
		times[i]++
	})
	for i, n := range times {
		if n != 1 {
			t.Fatalf("message %d was reported %d times", i, n)
		}
	}
	return out
}

func TestSMTPConformance(t *testing.T) {
	t.Parallel()
	t.Run("unencrypted", func(t *testing.T) {
		t.Parallel()
		channeltest.Run(t, func(t *testing.T) (channeltest.Sender, channeltest.Provider) {
			return conformance(t, embedded.MailCatcherOptions{})
		})
	})
	t.Run("over TLS with credentials", func(t *testing.T) {
		t.Parallel()
		server, roots := certificates(t)
		o := embedded.MailCatcherOptions{TLS: server, Username: "bell", Password: "secret"}
		channeltest.Run(t, func(t *testing.T) (channeltest.Sender, channeltest.Provider) {
			return conformance(t, o, func(c *SMTPConfig) {
				c.TLS, c.RootCAs, c.Username, c.Password = "starttls", roots, "bell", "secret"
			})
		})
	})
}

func conformance(t *testing.T, o embedded.MailCatcherOptions, change ...func(*SMTPConfig)) (channeltest.Sender, channeltest.Provider) {
	c, stop := catcher(t, o)
	fate := func(to string) channeltest.Fate {
		_, rest, _ := strings.Cut(to, "-")
		n, _, _ := strings.Cut(rest, "@")
		f, err := strconv.Atoi(n)
		if err != nil {
			t.Errorf("unknown recipient %q", to)
		}
		return channeltest.Fate(f)
	}
	faults := embedded.Faults{
		Rcpt: func(to string) embedded.Reply {
			switch fate(to) {
			case channeltest.Refuse:
				return embedded.Reply{Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "no such user"}
			case channeltest.Throttle:
				return embedded.Reply{Code: 450, Enhanced: [3]int{4, 7, 28}, Text: "too many"}
			}
			return embedded.Reply{}
		},
		Data: func(to string) embedded.Reply {
			if fate(to) == channeltest.Defer {
				return embedded.Reply{Code: 451, Text: "try later"}
			}
			return embedded.Reply{}
		},
		Cut: func(to string) embedded.Cut {
			if fate(to) == channeltest.LoseReply {
				return embedded.CutAfterAccept
			}
			return embedded.CutNone
		},
	}
	c.SetFaults(&faults)
	return sender(t, c.Addr(), change...), channeltest.Provider{
		Message: func(n int, f channeltest.Fate) schoolbell.Message {
			return message(fmt.Sprintf("p%d-%d@example.org", n, f), n)
		},
		Accepted: func(m schoolbell.Message) int {
			count := 0
			c.Recipients(func(addr string, n int) {
				if addr == m.To {
					count = n
				}
			})
			return count
		},
		Stall: func() (<-chan struct{}, func()) {
			begun, going := make(chan struct{}), make(chan struct{})
			begin, release := sync.OnceFunc(func() { close(begun) }), sync.OnceFunc(func() { close(going) })
			slow := faults
			slow.Delay = func(string) time.Duration { begin(); <-going; return 0 }
			c.SetFaults(&slow)
			t.Cleanup(release)
			return begun, release
		},
		Stop: stop,
	}
}

// certificates makes a certificate for 127.0.0.1 and whom to trust for it.
func certificates(t testing.TB) (server *tls.Config, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

func TestSMTPSecurity(t *testing.T) {
	t.Parallel()
	server, roots := certificates(t)
	cases := []struct {
		name    string
		server  embedded.MailCatcherOptions
		change  func(*SMTPConfig)
		verdict schoolbell.Verdict
	}{
		{"STARTTLS with a trusted certificate", embedded.MailCatcherOptions{TLS: server},
			func(c *SMTPConfig) { c.TLS, c.RootCAs = "starttls", roots }, schoolbell.VerdictSent},
		{"implicit TLS with a trusted certificate", embedded.MailCatcherOptions{TLS: server, ImplicitTLS: true},
			func(c *SMTPConfig) { c.TLS, c.RootCAs = "implicit", roots }, schoolbell.VerdictSent},
		{"STARTTLS with a certificate nobody vouches for", embedded.MailCatcherOptions{TLS: server},
			func(c *SMTPConfig) { c.TLS = "starttls" }, schoolbell.VerdictSlowDown},
		{"STARTTLS with a certificate for another name", embedded.MailCatcherOptions{TLS: server},
			func(c *SMTPConfig) { c.Host, c.TLS, c.RootCAs = "localhost", "starttls", roots }, schoolbell.VerdictSlowDown},
		{"STARTTLS that is not offered", embedded.MailCatcherOptions{},
			func(c *SMTPConfig) { c.TLS = "starttls" }, schoolbell.VerdictSlowDown},
		{"no TLS, as is the default within the machine", embedded.MailCatcherOptions{TLS: server},
			func(*SMTPConfig) {}, schoolbell.VerdictSent},
		{"credentials over TLS", embedded.MailCatcherOptions{TLS: server, Username: "u", Password: "p"},
			func(c *SMTPConfig) { c.TLS, c.RootCAs, c.Username, c.Password = "starttls", roots, "u", "p" }, schoolbell.VerdictSent},
		{"credentials within the machine", embedded.MailCatcherOptions{Username: "u", Password: "p"},
			func(c *SMTPConfig) { c.Username, c.Password = "u", "p" }, schoolbell.VerdictSent},
		{"wrong credentials", embedded.MailCatcherOptions{Username: "u", Password: "p"},
			func(c *SMTPConfig) { c.Username, c.Password = "u", "wrong" }, schoolbell.VerdictSlowDown},
		{"credentials missing", embedded.MailCatcherOptions{Username: "u", Password: "p"},
			func(*SMTPConfig) {}, schoolbell.VerdictSlowDown},
		{"credentials that the server does not want", embedded.MailCatcherOptions{},
			func(c *SMTPConfig) { c.Username, c.Password = "u", "p" }, schoolbell.VerdictSlowDown},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c, _ := catcher(t, x.server)
			s := sender(t, c.Addr(), x.change)
			r := sendOne(t, s, message("ada@example.org", 1))
			if r.Verdict != x.verdict || (r.Verdict == schoolbell.VerdictSent) != (c.Accepted() == 1) {
				t.Errorf("%+v, accepted %d", r, c.Accepted())
			}
			if strings.Contains(r.Reason, "wrong") {
				t.Errorf("the reason tells the password: %s", r.Reason)
			}
		})
	}
}

func TestNewSMTP(t *testing.T) {
	t.Parallel()
	good := SMTPConfig{Host: "mail.example.org", From: "a@hill.example"}
	cases := []struct {
		name, field string
		change      func(*SMTPConfig)
	}{
		{"no host", "smtp_host", func(c *SMTPConfig) { c.Host = "" }},
		{"a line break in the host", "smtp_host", func(c *SMTPConfig) { c.Host = "a\r\nb" }},
		{"an unknown mode", "smtp_tls", func(c *SMTPConfig) { c.TLS = "maybe" }},
		{"unencrypted credentials over a network", "smtp_tls", func(c *SMTPConfig) { c.TLS, c.Username = "none", "u" }},
		{"no sender", "email_from", func(c *SMTPConfig) { c.From = "" }},
		{"a line break in the sender", "email_from", func(c *SMTPConfig) { c.From = "\"a\r\nBcc: x@y.example\" <a@hill.example>" }},
		{"a bad address for replies", "email_reply_to", func(c *SMTPConfig) { c.ReplyTo = "nobody" }},
	}
	for _, x := range cases {
		cfg := good
		x.change(&cfg)
		_, err := NewSMTP(cfg)
		var e *schoolbell.Error
		if !asError(err, &e) || e.Code != schoolbell.CodeInvalid || e.Field != x.field {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	if _, err := NewSMTP(good); err != nil {
		t.Error(err)
	}
}

func TestSMTPSend(t *testing.T) {
	t.Parallel()
	t.Run("worn connections are replaced", testSMTPSendWornConnection)
	t.Run("a non-ASCII address is reached", testSMTPSendNonASCII)
	t.Run("only a message over the size limit fails", testSMTPSendSizeLimit)
	t.Run("nothing is sent after Close", testSMTPSendAfterClose)
}

func testSMTPSendWornConnection(t *testing.T) {
	t.Parallel()
	c, _ := catcher(t, embedded.MailCatcherOptions{})
	for name, change := range map[string]func(*SMTPConfig){
		"by emails": func(c *SMTPConfig) { c.MaxEmails = 3 },
		"by age":    func(c *SMTPConfig) { c.MaxAge = time.Nanosecond },
	} {
		s := sender(t, c.Addr(), change, func(c *SMTPConfig) { c.Connections = 2 })
		msgs := make([]schoolbell.Message, 25)
		for i := range msgs {
			msgs[i] = message(fmt.Sprintf("p%d@example.org", i), i)
		}
		for i, r := range sendAll(t, context.Background(), s, msgs) {
			if r.Verdict != schoolbell.VerdictSent {
				t.Errorf("%s: message %d: %+v", name, i, r)
			}
		}
	}
	if c.Accepted() != 50 || c.Distinct() != 25 {
		t.Errorf("accepted %d, distinct %d", c.Accepted(), c.Distinct())
	}
}

func testSMTPSendNonASCII(t *testing.T) {
	t.Parallel()
	c, _ := catcher(t, embedded.MailCatcherOptions{KeepBodies: 1})
	if r := sendOne(t, sender(t, c.Addr()), message("jürgen@exämple.org", 1)); r.Verdict != schoolbell.VerdictSent {
		t.Fatalf("%+v", r)
	}
	m := c.Messages(1)[0]
	if len(m.To) != 1 || m.To[0] != "jürgen@xn--exmple-cua.org" || m.MessageID != "<019a0000-0000-7000-8000-000000000001.1@hill.example>" {
		t.Errorf("%+v", m)
	}
	whole, _ := c.Message(m.ID)
	if text, html, err := whole.Parts(); err != nil || !strings.Contains(text, "Grüße") || !strings.Contains(html, "<p>Grüße</p>") {
		t.Errorf("%q, %q, %v", text, html, err)
	}
}

func testSMTPSendSizeLimit(t *testing.T) {
	t.Parallel()
	srv := script(t, []string{"220 hi", "250-hi\r\n250-PIPELINING\r\n250 SIZE 1000", "250 ok", "250 ok", "354 go", "250 done"})
	s := sender(t, srv.addr, func(c *SMTPConfig) { c.Connections = 1 })
	big := message("big@example.org", 1)
	big.Text = schoolbell.Plain(strings.Repeat("long ", 1000))
	got := sendAll(t, context.Background(), s, []schoolbell.Message{big, message("small@example.org", 2)})
	if got[0].Verdict != schoolbell.VerdictGiveUp || got[1].Verdict != schoolbell.VerdictSent {
		t.Errorf("%+v", got)
	}
}

func testSMTPSendAfterClose(t *testing.T) {
	t.Parallel()
	c, _ := catcher(t, embedded.MailCatcherOptions{})
	s := sender(t, c.Addr())
	if r := sendOne(t, s, message("a@example.org", 1)); r.Verdict != schoolbell.VerdictSent {
		t.Fatalf("%+v", r)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	isOfNoUse(t, sendAll(t, context.Background(), s, threeMessages()))
	if c.Accepted() != 1 {
		t.Errorf("accepted %d", c.Accepted())
	}
}

func TestReturnPath(t *testing.T) {
	t.Parallel()
	c, _ := catcher(t, embedded.MailCatcherOptions{KeepBodies: 10})
	bounces := returnpath.New("bounces.hill.example", "3c1d8e7f6a5b4c3d2e1f0a9b")
	s := sender(t, c.Addr(), func(cfg *SMTPConfig) { cfg.Bounces = bounces })
	msgs := []schoolbell.Message{message("ada@example.org", 7), message("bob@example.org", 8), message("eve@example.org", 9)}
	msgs[2].ID = "test" // not of the pipeline
	s.Send(t.Context(), msgs, func(i int, r schoolbell.Result) {
		if r.Verdict != schoolbell.VerdictSent {
			t.Errorf("message %d: %+v", i, r)
		}
	})
	got := map[string]string{}
	for _, m := range c.Messages(10) {
		got[m.To[0]] = m.From
		if key, ok := bounces.Parse(m.From); ok {
			got[m.To[0]] = key.String()
		}
	}
	want := map[string]string{"ada@example.org": msgs[0].ID, "bob@example.org": msgs[1].ID, "eve@example.org": "office@hill.example"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
