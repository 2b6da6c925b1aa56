package email

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
)

func asError(err error, target **schoolbell.Error) bool { return errors.As(err, target) }

// scripted is an SMTP server that says exactly what its script says: for each
// connection a list of replies, in order; after the last it closes. "" closes at
// once, a reply of several lines is written as it is. Text after 354 is read to its dot.
type scripted struct {
	addr string

	mu       sync.Mutex
	sessions [][]string // what clients said, per connection
}

func script(t *testing.T, connections ...[]string) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i, replies := range connections {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.sessions = append(s.sessions, nil)
			s.mu.Unlock()
			wg.Go(func() { s.serve(i, conn, replies) })
		}
		_ = l.Close()
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return s
}

func (s *scripted) serve(i int, conn net.Conn, replies []string) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReader(conn)
	for n, reply := range replies {
		if n > 0 {
			text := strings.HasPrefix(replies[n-1], "354")
			if !s.hear(i, r, text) {
				return
			}
		}
		if reply == "" {
			return
		}
		if _, err := io.WriteString(conn, reply+"\r\n"); err != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, r) // until the client goes, so that no reply is lost to a reset
}

// hear reads one command, or a text to its final dot.
func (s *scripted) hear(i int, r *bufio.Reader, text bool) bool {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		line = strings.TrimRight(line, "\r\n")
		if !text || line == "." {
			s.mu.Lock()
			s.sessions[i] = append(s.sessions[i], line)
			s.mu.Unlock()
			return true
		}
	}
}

func (s *scripted) said(i int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= len(s.sessions) {
		return ""
	}
	return strings.Join(s.sessions[i], "|")
}

const ehlo = "250-hi\r\n250-ENHANCEDSTATUSCODES\r\n250 PIPELINING"

func dialog(replies ...string) []string { return append([]string{"220 hi", ehlo}, replies...) }

func TestSMTPVerdicts(t *testing.T) {
	t.Parallel()
	const ok = "250 2.0.0 ok"
	cases := []struct {
		name    string
		servers [][]string
		verdict schoolbell.Verdict
		id      string
	}{
		{"taken by Postfix", [][]string{dialog(ok, ok, "354 go", "250 2.0.0 Ok: queued as 4XyZ12345")}, schoolbell.VerdictSent, "4XyZ12345"},
		{"taken by Exim", [][]string{dialog(ok, ok, "354 go", "250 OK id=1qXxYy-0001Ab-2C")}, schoolbell.VerdictSent, "1qXxYy-0001Ab-2C"},
		{"taken by SES", [][]string{dialog(ok, ok, "354 go", "250 Ok 0100018c-abc-000000")}, schoolbell.VerdictSent, "0100018c-abc-000000"},
		{"taken with other words", [][]string{dialog(ok, ok, "354 go", "250 2.6.0 thanks")}, schoolbell.VerdictSent, "thanks"},
		{"taken without words", [][]string{dialog(ok, "251 forwarded", "354 go", "250")}, schoolbell.VerdictSent, ""},
		{"no such user", [][]string{dialog(ok, "550 5.1.1 unknown", "503 no")}, schoolbell.VerdictGiveUp, ""},
		{"no such user, and 354 nevertheless", [][]string{dialog(ok, "550 5.1.1 unknown", "354 go", "554 nobody")}, schoolbell.VerdictGiveUp, ""},
		{"mailbox busy", [][]string{dialog(ok, "450 4.2.1 busy", "503 no")}, schoolbell.VerdictRetry, ""},
		{"text refused for good", [][]string{dialog(ok, ok, "354 go", "554 5.7.1 spam")}, schoolbell.VerdictGiveUp, ""},
		{"text refused for now", [][]string{dialog(ok, ok, "354 go", "451 4.7.1 greylisted")}, schoolbell.VerdictRetry, ""},
		{"DATA refused", [][]string{dialog(ok, ok, "451 no room")}, schoolbell.VerdictRetry, ""},
		{"throttled after the text", [][]string{dialog(ok, ok, "354 go", "421 4.7.0 too fast")}, schoolbell.VerdictSlowDown, ""},
		{"throttled by SES", [][]string{dialog(ok, ok, "354 go", "454 Throttling failure: Maximum sending rate exceeded")}, schoolbell.VerdictSlowDown, ""},
		{"throttled by code", [][]string{dialog(ok, "450 4.7.28 rate limit", "503 no")}, schoolbell.VerdictSlowDown, ""},
		{"server busy at the greeting", [][]string{{"421 4.3.2 busy"}}, schoolbell.VerdictSlowDown, ""},
		{"421 to MAIL on a new connection", [][]string{dialog("421 4.3.2 busy", "")}, schoolbell.VerdictSlowDown, ""},
		{"turned away at the greeting", [][]string{{"554 not you"}}, schoolbell.VerdictSlowDown, ""},
		{"EHLO refused", [][]string{{"220 hi", "550 no"}}, schoolbell.VerdictSlowDown, ""},
		{"sender refused", [][]string{dialog("553 5.7.1 not your address", "503", "503")}, schoolbell.VerdictSlowDown, ""},
		{"sender refused for now", [][]string{dialog("450 4.1.8 domain not found", "503", "503")}, schoolbell.VerdictSlowDown, ""},
		{"no room for any mail", [][]string{dialog("452 4.3.1 disk full", "503", "503")}, schoolbell.VerdictSlowDown, ""},
		{"login wanted", [][]string{dialog("530 5.7.0 log in", "503", "503")}, schoolbell.VerdictSlowDown, ""},
		{"login wanted at the recipient", [][]string{dialog(ok, "530 5.7.0 log in", "503")}, schoolbell.VerdictSlowDown, ""},
		{"SMTPUTF8 refused for good", [][]string{dialog("555 5.5.4 unknown parameter", "503", "503")}, schoolbell.VerdictGiveUp, ""},
		{"SMTPUTF8 refused by its status", [][]string{dialog("553 5.6.7 not beyond ASCII", "503", "503")}, schoolbell.VerdictGiveUp, ""},
		{"SMTPUTF8 refused for now", [][]string{dialog("455 4.5.4 not now", "503", "503")}, schoolbell.VerdictRetry, ""},
		{"mail too big by the server's word", [][]string{dialog("552 5.3.4 too big", "503", "503")}, schoolbell.VerdictGiveUp, ""},
		{"closed after the final dot", [][]string{dialog(ok, ok, "354 go", "")}, schoolbell.VerdictUncertain, ""},
		{"garbled after the final dot", [][]string{dialog(ok, ok, "354 go", "what?")}, schoolbell.VerdictUncertain, ""},
		{"closed before the text", [][]string{dialog(ok, "")}, schoolbell.VerdictDropped, ""},
		{"garbled before the text", [][]string{dialog("huh")}, schoolbell.VerdictDropped, ""},
		{"not an SMTP server", [][]string{{"SSH-2.0-OpenSSH_9.9"}}, schoolbell.VerdictSlowDown, ""},
		{"codes that differ within a reply", [][]string{{"220-hi\r\n221 ho"}}, schoolbell.VerdictSlowDown, ""},
		{"a reply that never ends", [][]string{{strings.Repeat("220-hi\r\n", 200)}}, schoolbell.VerdictSlowDown, ""},
		{"a server without extensions", [][]string{{"220 hi", "250 hi", ok, ok, "354 go", "250 ok fine"}}, schoolbell.VerdictSent, "ok fine"},
		{"a refusal without extensions", [][]string{{"220 hi", "250 hi", ok, "550 no"}}, schoolbell.VerdictGiveUp, ""},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			srv := script(t, x.servers...)
			r := sendOne(t, sender(t, srv.addr), message("ada@example.org", 1))
			if r.Verdict != x.verdict || r.ProviderID != x.id || (r.Verdict != schoolbell.VerdictSent) != (r.Reason != "") {
				t.Errorf("%+v, want %s with id %q", r, x.verdict, x.id)
			}
			if strings.ContainsAny(r.Reason, "\r\n") {
				t.Errorf("reason %q has more than one line", r.Reason)
			}
		})
	}
}

func TestSMTPSession(t *testing.T) {
	t.Parallel()
	t.Run("a closed idle connection is replaced", testSMTPSessionIdleClosed)
	t.Run("a connection lost before its first use is replaced", testSMTPSessionUnusedLost)
	t.Run("the next message is sent after a lost reply", testSMTPSessionLostReply)
	t.Run("a rejected recipient is followed by RSET", testSMTPSessionReset)
}

func testSMTPSessionIdleClosed(t *testing.T) {
	t.Parallel()
	const ok = "250 ok"
	for name, goodbye := range map[string]string{"closed in silence": "", "closed with 421": "421 idle too long"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := script(t, dialog(ok, ok, "354 go", "250 first", goodbye, ""), dialog(ok, ok, "354 go", "250 second"))
			s := sender(t, srv.addr)
			for i, want := range []string{"first", "second"} {
				if r := sendOne(t, s, message("ada@example.org", i)); r.Verdict != schoolbell.VerdictSent || r.ProviderID != want {
					t.Errorf("message %d: %+v", i, r)
				}
			}
		})
	}
}

func testSMTPSessionUnusedLost(t *testing.T) {
	t.Parallel()
	srv := script(t, dialog(""), dialog("250 ok", "250 ok", "354 go", "250 done"))
	s := sender(t, srv.addr)
	bad := message("ada@example.org", 1)
	bad.Subject = "two\nlines"
	if r := sendOne(t, s, bad); r.Verdict != schoolbell.VerdictGiveUp {
		t.Errorf("the message that can be no mail: %+v", r)
	}
	if r := sendOne(t, s, message("ada@example.org", 2)); r.Verdict != schoolbell.VerdictSent || r.ProviderID != "done" {
		t.Errorf("the good message: %+v", r)
	}
}

func testSMTPSessionLostReply(t *testing.T) {
	t.Parallel()
	const ok = "250 ok"
	srv := script(t, dialog(ok, ok, "354 go", ""), dialog(ok, ok, "354 go", "250 second"))
	got := sendAll(t, context.Background(), sender(t, srv.addr), []schoolbell.Message{message("a@example.org", 1), message("b@example.org", 2)})
	if got[0].Verdict != schoolbell.VerdictUncertain || got[1].Verdict != schoolbell.VerdictSent {
		t.Errorf("%+v", got)
	}
	if said := srv.said(1); !strings.Contains(said, "RCPT TO:<b@example.org>") || strings.Contains(said, "a@example.org") {
		t.Errorf("the second connection heard %s", said)
	}
}

func testSMTPSessionReset(t *testing.T) {
	t.Parallel()
	const ok = "250 ok"
	srv := script(t, dialog(ok, "550 5.1.1 no", "503 no", ok, ok, ok, "354 go", "250 done"))
	got := sendAll(t, context.Background(), sender(t, srv.addr), []schoolbell.Message{message("a@example.org", 1), message("b@example.org", 2)})
	if got[0].Verdict != schoolbell.VerdictGiveUp || got[1].Verdict != schoolbell.VerdictSent {
		t.Errorf("%+v", got)
	}
	want := "MAIL FROM:<office@hill.example>|RCPT TO:<a@example.org>|DATA|RSET|MAIL FROM:<office@hill.example>|RCPT TO:<b@example.org>|DATA|."
	if said := srv.said(0); !strings.HasSuffix(said, want) {
		t.Errorf("the server heard %s", said)
	}
}

func TestInvalidMessage(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change func(*schoolbell.Message)
	}{
		{"a line break in the subject", func(m *schoolbell.Message) { m.Subject = "a\r\nBcc: x@y.example" }},
		{"a line break in the name", func(m *schoolbell.Message) { m.ToName = "a\nBcc: x@y.example" }},
		{"a line break in the address", func(m *schoolbell.Message) { m.To = "a@b.example>\r\nRCPT TO:<x@y.example" }},
		{"a line break in the id", func(m *schoolbell.Message) { m.ID = "1>\r\nBcc: x@y.example" }},
		{"a line break in the event id", func(m *schoolbell.Message) { m.EventID = "1\r\nBcc: x@y.example" }},
		{"a line break in the locale", func(m *schoolbell.Message) { m.Locale = "en\r\nBcc: x@y.example" }},
		{"broken text in the subject", func(m *schoolbell.Message) { m.Subject = "\xff" }},
		{"an address with a name", func(m *schoolbell.Message) { m.To = "Ada <a@b.example>" }},
		{"no address", func(m *schoolbell.Message) { m.To = "" }},
		{"nothing to say", func(m *schoolbell.Message) { m.Text, m.HTML = schoolbell.Content{}, schoolbell.Content{} }},
		{"an address beyond ASCII for a server within it", func(m *schoolbell.Message) { m.To = "jürgen@example.org" }},
		{"the same at a domain beyond ASCII", func(m *schoolbell.Message) { m.To = "jürgen@müller.example" }},
		{"a domain that no name server could know", func(m *schoolbell.Message) { m.To = "ada@mü-.example" }},
		{"a domain too long in ASCII", func(m *schoolbell.Message) { m.To = "ada@" + strings.Repeat("ü", 60) + ".example" }},
	}
	srv := script(t, dialog("250 ok", "250 ok", "354 go", "250 done"))
	s := sender(t, srv.addr, func(c *SMTPConfig) { c.Connections = 1 })
	msgs := make([]schoolbell.Message, len(cases)+1)
	for i, x := range cases {
		msgs[i] = message("ada@example.org", i)
		x.change(&msgs[i])
	}
	msgs[len(cases)] = message("good@example.org", 99)
	got := sendAll(t, context.Background(), s, msgs)
	for i, x := range cases {
		if got[i].Verdict != schoolbell.VerdictGiveUp || got[i].Reason == "" {
			t.Errorf("%s: %+v", x.name, got[i])
		}
	}
	if r := got[len(cases)]; r.Verdict != schoolbell.VerdictSent {
		t.Errorf("the good message: %+v", r)
	}
	if said := srv.said(0); strings.Count(said, "RCPT") != 1 || strings.Contains(said, "y.example") {
		t.Errorf("the server heard %s", said)
	}
}

func TestAuthMechanism(t *testing.T) {
	t.Parallel()
	const ok = "250 ok"
	cases := []struct{ name, offer, heard string }{
		{"PLAIN", "250 AUTH CRAM-MD5 PLAIN", "AUTH PLAIN AHUAcA=="},
		{"LOGIN", "250 AUTH LOGIN", "AUTH LOGIN|dQ==|cA=="},
	}
	for _, x := range cases {
		replies := []string{"220 hi", "250-hi\r\n250-PIPELINING\r\n" + x.offer}
		if x.name == "LOGIN" {
			replies = append(replies, "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6")
		}
		srv := script(t, append(replies, "235 welcome", ok, ok, "354 go", "250 done"))
		s := sender(t, srv.addr, func(c *SMTPConfig) { c.Username, c.Password = "u", "p" })
		if r := sendOne(t, s, message("ada@example.org", 1)); r.Verdict != schoolbell.VerdictSent {
			t.Errorf("%s: %+v", x.name, r)
		}
		if said := srv.said(0); !strings.Contains(said, "|"+x.heard+"|MAIL") {
			t.Errorf("%s: the server heard %s", x.name, said)
		}
	}
}
