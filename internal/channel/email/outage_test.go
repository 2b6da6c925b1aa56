package email

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/embedded"
	"schoolbell/internal/testenv"
)

func threeMessages() []schoolbell.Message {
	return []schoolbell.Message{message("a@example.org", 1), message("b@example.org", 2), message("c@example.org", 3)}
}

// isOfNoUse holds results to what a Send of messages is told that met a server
// that cannot be used: the first learns it, the others are spared.
func isOfNoUse(t *testing.T, got []schoolbell.Result) {
	t.Helper()
	for i, r := range got {
		want := schoolbell.VerdictUntried
		if i == 0 {
			want = schoolbell.VerdictSlowDown
		}
		if r.Verdict != want || i == 0 && r.Reason == "" {
			t.Errorf("message %d: %+v, want %s", i, r, want)
		}
	}
}

// silent returns the address of a server that takes connections and says nothing.
func silent(t *testing.T) (addr string) {
	t.Helper()
	release := make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { <-release; _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); close(release); wg.Wait() })
	return l.Addr().String()
}

func TestOutage(t *testing.T) {
	t.Parallel()
	t.Run("an unusable server is reported once per batch", testOutageReportedOnce)
	t.Run("workers of a batch share one failed connection", testOutageSharedFailure)
	t.Run("a server that stopped is reported once", testOutageServerStopped)
	t.Run("a lost connection counts against its own message only", testOutageConnectionLost)
	t.Run("a silent server causes a timeout", testOutageTimeout)
	t.Run("a server that needs a login is logged once", testOutageLoggedOnce)
}

func testOutageReportedOnce(t *testing.T) {
	t.Parallel()
	login := func(c *SMTPConfig) { c.Username, c.Password = "u", "p" }
	cases := []struct {
		name   string
		server []string // nil for none
		change func(*SMTPConfig)
	}{
		{"nobody listens", nil, nil},
		{"it is busy", []string{"421 4.3.2 busy"}, nil},
		{"it turns us away", []string{"554 not you"}, nil},
		{"it hangs up before the greeting", []string{""}, nil},
		{"it is no mail server", []string{"SSH-2.0-OpenSSH_9.9"}, nil},
		{"it refuses EHLO", []string{"220 hi", "550 no"}, nil},
		{"it hangs up at EHLO", []string{"220 hi", ""}, nil},
		{"it does not offer STARTTLS", dialog(), func(c *SMTPConfig) { c.TLS = "starttls" }},
		{"it refuses STARTTLS", []string{"220 hi", "250-hi\r\n250 STARTTLS", "502 no"}, func(c *SMTPConfig) { c.TLS = "starttls" }},
		{"it hangs up at STARTTLS", []string{"220 hi", "250-hi\r\n250 STARTTLS", "220 go", ""}, func(c *SMTPConfig) { c.TLS = "starttls" }},
		{"it rejects the credentials", []string{"220 hi", "250-hi\r\n250 AUTH PLAIN", "535 5.7.8 no"}, login},
		{"it rejects the credentials for now", []string{"220 hi", "250-hi\r\n250 AUTH PLAIN", "451 4.3.0 no"}, login},
		{"it knows no way to log in", dialog(), login},
		{"it wants credentials", dialog("530 5.7.0 log in", "503", "503"), nil},
		{"it rejects the From address", dialog("553 5.1.8 no", "503", "503"), nil},
		{"it rejects the From address for now", dialog("451 4.1.8 no", "503", "503"), nil},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			srv := script(t, x.server)
			addr := srv.addr
			if x.server == nil {
				addr = deserted(t)
			}
			s := sender(t, addr, func(c *SMTPConfig) {
				c.Connections = 1
				if x.change != nil {
					x.change(c)
				}
			})
			isOfNoUse(t, sendAll(t, context.Background(), s, threeMessages()))
		})
	}
}

// deserted returns an address where nobody listens.
func deserted(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// While all connections but one are in use by other batches, the workers of a
// batch come to that one in turn; the first that cannot connect speaks for all.
func testOutageSharedFailure(t *testing.T) {
	t.Parallel()
	no := []string{"554 not you"}
	srv := script(t, no, no, no)
	s := sender(t, srv.addr, func(c *SMTPConfig) { c.Connections = 4 })
	for range 3 {
		if !s.slots.TryTake(schoolbell.LaneNormal) {
			t.Fatal("no free connection")
		}
	}
	msgs := make([]schoolbell.Message, 3*perConnection)
	for i := range msgs {
		msgs[i] = message("ada@example.org", i)
	}
	isOfNoUse(t, sendAll(t, context.Background(), s, msgs))
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if n := len(srv.sessions); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func testOutageServerStopped(t *testing.T) {
	t.Parallel()
	c, stop := catcher(t, embedded.MailCatcherOptions{})
	s := sender(t, c.Addr(), func(c *SMTPConfig) { c.Connections = 1 })
	if r := sendOne(t, s, message("first@example.org", 1)); r.Verdict != schoolbell.VerdictSent {
		t.Fatalf("%+v", r)
	}
	stop()
	isOfNoUse(t, sendAll(t, context.Background(), s, threeMessages()))
	if c.Accepted() != 1 {
		t.Errorf("accepted %d", c.Accepted())
	}
}

// A connection lost in the middle of a message is charged to that message; that
// there is no other is not.
func testOutageConnectionLost(t *testing.T) {
	t.Parallel()
	srv := script(t, dialog("250 ok", ""))
	s := sender(t, srv.addr, func(c *SMTPConfig) { c.Connections = 1 })
	got := sendAll(t, context.Background(), s, threeMessages())
	if got[0].Verdict != schoolbell.VerdictDropped || got[0].Reason == "" {
		t.Errorf("message 0: %+v, want %s", got[0], schoolbell.VerdictDropped)
	}
	isOfNoUse(t, got[1:])
}

func testOutageTimeout(t *testing.T) {
	t.Parallel()
	addr := silent(t)
	s := sender(t, addr, func(c *SMTPConfig) { c.Timeout = 50 * time.Millisecond })
	isOfNoUse(t, sendAll(t, context.Background(), s, threeMessages()))
	patient := sender(t, addr)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if r := sendAll(t, ctx, patient, []schoolbell.Message{message("ada@example.org", 1)})[0]; r.Verdict != schoolbell.VerdictUntried {
		t.Errorf("%+v", r)
	}
	if err := s.Check(context.Background()); schoolbell.CodeOf(err) != schoolbell.CodeUnavailable {
		t.Errorf("Check: %v", err)
	}
}

func testOutageLoggedOnce(t *testing.T) {
	t.Parallel()
	const ok, no = "250 ok", "530 5.7.0 log in"
	srv := script(t, []string{"220 hi", "250 hi", no, ok, no})
	var log bytes.Buffer
	s := sender(t, srv.addr, func(c *SMTPConfig) {
		c.Connections, c.Logger = 1, slog.New(slog.NewTextHandler(&log, nil))
	})
	for range 2 {
		isOfNoUse(t, sendAll(t, context.Background(), s, threeMessages()))
	}
	if said, want := srv.said(0), "|MAIL FROM:<office@hill.example>|RSET|MAIL FROM:<office@hill.example>"; !strings.HasSuffix(said, want) {
		t.Errorf("the server heard %s", said)
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "530 5.7.0 log in") {
		t.Errorf("%d errors in the log:\n%s", n, &log)
	}
}

func TestSMTPCheck(t *testing.T) {
	t.Parallel()
	const ok = "250 2.0.0 ok"
	server := script(t, dialog(ok), dialog("221 bye"), dialog("221 bye")) // the first never answers RCPT
	s := sender(t, server.addr, func(c *SMTPConfig) { c.Connections = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		sendAll(t, ctx, s, []schoolbell.Message{message("u1@example.org", 1)})
	}()
	testenv.Eventually(t, 20*time.Second, func() bool { return strings.Contains(server.said(0), "MAIL FROM") }, "the mail is on its way")
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("a check while all connections are in use: %v", err)
	}
	if n := server.connections(); n != 1 {
		t.Errorf("%d connections are open, EMAIL_CONNECTIONS is 1", n)
	}
	cancel()
	<-sent
	if err := s.Check(t.Context()); err != nil || server.connections() != 2 {
		t.Errorf("a check with a free connection: %v, %d connections so far", err, server.connections())
	}
}

func (s *scripted) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}
