package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"schoolbell/internal/embedded"
)

func startCatcher(t testing.TB, o embedded.MailCatcherOptions) *embedded.MailCatcher {
	t.Helper()
	c, err := embedded.NewMailCatcher(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return c
}

func mailText(id, subject, body string) []byte {
	return fmt.Appendf(nil, "From: a@example.org\r\nSubject: %s\r\nmessage-id: <%s@example.org>\r\n\r\n%s\r\n", subject, id, body)
}

func send(t *testing.T, c *embedded.MailCatcher, text []byte, to ...string) error {
	t.Helper()
	return smtp.SendMail(c.Addr(), nil, "a@example.org", to, text)
}

func TestMailCatcher(t *testing.T) {
	t.Parallel()
	t.Run("messages are counted and the newest kept", testMailCatcherCounts)
	t.Run("incomplete counts are reported as such", testMailCatcherIncomplete)
	t.Run("the extensions that the sender uses are offered", testMailCatcherExtensions)
	t.Run("pipelined commands are accepted", testMailCatcherPipelining)
	t.Run("faults are injected on request", testMailCatcherFaults)
	t.Run("credentials are required if configured", testMailCatcherCredentials)
	t.Run("a port in use is an error", testMailCatcherPortInUse)
}

func testMailCatcherCounts(t *testing.T) {
	t.Parallel()
	c := startCatcher(t, embedded.MailCatcherOptions{KeepBodies: 2})
	for _, id := range []string{"1", "2", "2", "3"} {
		if err := send(t, c, mailText(id, "=?utf-8?q?Sch=C3=B6ne?= "+id, "Hello\r\n.hidden dot\r\n"), "p"+id+"@example.org", "all@example.org"); err != nil {
			t.Fatal(err)
		}
	}
	if err := send(t, c, []byte("Subject: no id\r\n\r\nx\r\n"), "all@example.org"); err != nil {
		t.Fatal(err)
	}
	if c.Accepted() != 5 || c.Distinct() != 4 || !c.Complete() {
		t.Errorf("accepted %d, distinct %d, complete %v; want 5, 4, true", c.Accepted(), c.Distinct(), c.Complete())
	}
	got := map[string]int{}
	c.Recipients(func(addr string, n int) { got[addr] = n })
	if diff := cmp.Diff(map[string]int{"p1@example.org": 1, "p2@example.org": 2, "p3@example.org": 1, "all@example.org": 5}, got); diff != "" {
		t.Errorf("recipients (-want +got):\n%s", diff)
	}
	want := []embedded.CaughtMail{
		{ID: "5", From: "a@example.org", To: []string{"all@example.org"}, Subject: "no id"},
		{ID: "4", From: "a@example.org", To: []string{"p3@example.org", "all@example.org"}, Subject: "Schöne 3", MessageID: "<3@example.org>"},
	}
	if diff := cmp.Diff(want, c.Messages(10), cmpopts.IgnoreFields(embedded.CaughtMail{}, "At", "Size")); diff != "" {
		t.Errorf("newest emails (-want +got):\n%s", diff)
	}
	m, ok := c.Message("4")
	if !ok || m.Size != len(m.Raw) || !strings.Contains(string(m.Raw), "\r\n.hidden dot\r\n") {
		t.Errorf("mail 4 is %v, %q", ok, m.Raw)
	}
	if _, ok := c.Message("1"); ok {
		t.Error("mail 1 is still kept")
	}
	if n := len(c.Messages(1)); n != 1 {
		t.Errorf("asked for one mail, got %d", n)
	}
}

func testMailCatcherIncomplete(t *testing.T) {
	t.Parallel()
	c := startCatcher(t, embedded.MailCatcherOptions{MaxAccounted: 2})
	for i := range 3 {
		if c.Complete() != (i < 3) {
			t.Errorf("incomplete after %d emails", i)
		}
		if err := send(t, c, mailText(fmt.Sprint(i), "s", "b"), fmt.Sprintf("p%d@example.org", i)); err != nil {
			t.Fatal(err)
		}
	}
	if c.Accepted() != 3 || c.Distinct() != 2 || c.Complete() {
		t.Errorf("accepted %d, distinct %d, complete %v", c.Accepted(), c.Distinct(), c.Complete())
	}
}

func testMailCatcherExtensions(t *testing.T) {
	t.Parallel()
	c := startCatcher(t, embedded.MailCatcherOptions{})
	cl, err := smtp.Dial(c.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, ext := range []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE"} {
		if ok, _ := cl.Extension(ext); !ok {
			t.Errorf("%s is not offered", ext)
		}
	}
}

func testMailCatcherPipelining(t *testing.T) {
	t.Parallel()
	c := startCatcher(t, embedded.MailCatcherOptions{})
	nc, err := net.Dial("tcp", c.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	const emails = 50
	go func() {
		_, _ = io.WriteString(nc, "EHLO me\r\n")
		for i := range emails {
			_, _ = fmt.Fprintf(nc, "MAIL FROM:<a@example.org>\r\nRCPT TO:<p%d@example.org>\r\nDATA\r\n%s.\r\n", i, mailText(fmt.Sprint(i), "s", "b"))
		}
		_, _ = io.WriteString(nc, "QUIT\r\n")
	}()
	all, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(all), "OK: queued"); n != emails || c.Accepted() != emails || c.Distinct() != emails {
		t.Errorf("%d replies, accepted %d, distinct %d; want %d each", n, c.Accepted(), c.Distinct(), emails)
	}
}

func testMailCatcherFaults(t *testing.T) {
	t.Parallel()
	c := startCatcher(t, embedded.MailCatcherOptions{})
	c.SetFaults(&embedded.Faults{
		Mail: func(from string) embedded.Reply {
			if from == "bad@example.org" {
				return embedded.Reply{Code: 553, Text: "no such sender"}
			}
			return embedded.Reply{}
		},
		Rcpt: func(to string) embedded.Reply {
			if strings.HasPrefix(to, "gone") {
				return embedded.Reply{Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "no such user"}
			}
			return embedded.Reply{}
		},
		Data: func(to string) embedded.Reply {
			if strings.HasPrefix(to, "busy") {
				return embedded.Reply{Code: 451, Text: "later"}
			}
			return embedded.Reply{}
		},
		Cut: func(to string) embedded.Cut {
			return map[string]embedded.Cut{"r@example.org": embedded.CutAtRcpt, "b@example.org": embedded.CutBeforeAccept, "a@example.org": embedded.CutAfterAccept}[to]
		},
	})
	cases := []struct {
		name, from, to string
		code, accepted int // code 0: the connection breaks
	}{
		{"refuses a sender", "bad@example.org", "x@example.org", 553, 0},
		{"refuses a recipient", "me@example.org", "gone@example.org", 550, 0},
		{"defers after the final dot", "me@example.org", "busy@example.org", 451, 0},
		{"cuts at RCPT", "me@example.org", "r@example.org", 0, 0},
		{"cuts after the final dot, mail lost", "me@example.org", "b@example.org", 0, 0},
		{"cuts after the final dot, mail taken", "me@example.org", "a@example.org", 0, 1},
		{"takes the others", "me@example.org", "x@example.org", 250, 1},
	}
	for _, x := range cases {
		before := c.Accepted()
		err := smtp.SendMail(c.Addr(), nil, x.from, []string{x.to}, mailText("1", "s", "b"))
		code := 0
		if reply := (*textproto.Error)(nil); errors.As(err, &reply) {
			code = reply.Code
		} else if err == nil {
			code = 250
		}
		if code != x.code || c.Accepted()-before != x.accepted {
			t.Errorf("%s: reply %d (%v), accepted %d; want %d, %d", x.name, code, err, c.Accepted()-before, x.code, x.accepted)
		}
	}
}

func testMailCatcherCredentials(t *testing.T) {
	t.Parallel()
	c := startCatcher(t, embedded.MailCatcherOptions{Username: "u", Password: "p"})
	host, _, _ := net.SplitHostPort(c.Addr())
	for _, x := range []struct {
		auth smtp.Auth
		ok   bool
	}{
		{nil, false},
		{smtp.PlainAuth("", "u", "wrong", host), false},
		{smtp.PlainAuth("", "u", "p", host), true},
	} {
		err := smtp.SendMail(c.Addr(), x.auth, "a@example.org", []string{"b@example.org"}, mailText("1", "s", "b"))
		if (err == nil) != x.ok {
			t.Errorf("with %v: %v", x.auth, err)
		}
	}
	if c.Accepted() != 1 {
		t.Errorf("accepted %d, want 1", c.Accepted())
	}
}

func testMailCatcherPortInUse(t *testing.T) {
	t.Parallel()
	c := startCatcher(t, embedded.MailCatcherOptions{})
	if _, err := embedded.NewMailCatcher(embedded.MailCatcherOptions{Addr: c.Addr()}); err == nil {
		t.Error("two catchers on one port")
	}
	if _, err := embedded.NewMailCatcher(embedded.MailCatcherOptions{ImplicitTLS: true}); err == nil {
		t.Error("implicit TLS without a certificate")
	}
}

func TestCaughtMailParts(t *testing.T) {
	t.Parallel()
	const raw = "Content-Type: multipart/alternative; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\n=C3=9Fe\r\n" +
		"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n--b--\r\n"
	cases := []struct{ name, raw, text, html string }{
		{"both parts of an alternative", raw, "Grüße", "<b>hi</b>"},
		{"a plain mail", "Subject: s\r\n\r\nhello", "hello", ""},
		{"only HTML", "Content-Type: text/html\r\n\r\n<p>", "", "<p>"},
	}
	for _, x := range cases {
		text, html, err := embedded.CaughtMail{Raw: []byte(x.raw)}.Parts()
		if err != nil || text != x.text || html != x.html {
			t.Errorf("%s: %q, %q, %v", x.name, text, html, err)
		}
	}
	if _, _, err := (embedded.CaughtMail{Raw: []byte("no header")}).Parts(); err == nil {
		t.Error("a mail without a header has parts")
	}
}

func FuzzCaughtMailParts(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"))
	f.Add([]byte("Content-Transfer-Encoding: base64\r\n\r\n===="))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _, _ = embedded.CaughtMail{Raw: raw}.Parts() // must end, without a panic
	})
}

func BenchmarkMailCatcher(b *testing.B) {
	c := startCatcher(b, embedded.MailCatcherOptions{})
	const conns = 10
	body := strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 90)
	var wg sync.WaitGroup
	for n := range conns {
		nc, err := net.Dial("tcp", c.Addr())
		if err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			_, _ = io.WriteString(nc, "EHLO me\r\n")
			for i := n; i < b.N; i += conns {
				_, _ = fmt.Fprintf(nc, "MAIL FROM:<a@example.org>\r\nRCPT TO:<p%d@example.org>\r\nDATA\r\n%s.\r\n", i, mailText(fmt.Sprint(i), "s", body))
			}
			_, _ = io.WriteString(nc, "QUIT\r\n")
		})
		wg.Go(func() {
			defer nc.Close()
			_, _ = io.Copy(io.Discard, nc) // to the end that QUIT makes
		})
	}
	wg.Wait()
	b.ReportMetric(float64(c.Accepted())/b.Elapsed().Seconds(), "emails/s")
	if c.Accepted() != b.N {
		b.Errorf("accepted %d of %d", c.Accepted(), b.N)
	}
}
