package sendgrid_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/channeltest"
	"schoolbell/internal/channel/email/sendgrid"
	"schoolbell/internal/fake"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const key = "SG.k3y-of-the-test"

// account runs a fake until the test ends.
func account(t *testing.T, o fake.SendGridOptions) *fake.SendGrid {
	t.Helper()
	o.APIKey = key
	f, err := fake.NewSendGrid(o)
	if err != nil {
		t.Fatal(err)
	}
	channeltest.Start(t, f)
	return f
}

// sender is a provider and its sender of the normal lane.
type sender struct {
	*sendgrid.SendGrid
	sendgrid.LaneSender
}

func newSender(t *testing.T, f *fake.SendGrid, change ...func(*sendgrid.Config)) sender {
	t.Helper()
	cfg := sendgrid.Config{URL: f.URL(), APIKey: key, From: "Hill School <office@hill.example>", ReplyTo: "desk@hill.example", Timeout: 20 * time.Second}
	for _, c := range change {
		c(&cfg)
	}
	s, err := sendgrid.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return sender{s, s.Lane(schoolbell.LaneNormal)}
}

func send(s sender, msgs ...schoolbell.Message) []schoolbell.Result {
	var mu sync.Mutex
	out := make([]schoolbell.Result, len(msgs))
	s.Send(context.Background(), msgs, func(i int, r schoolbell.Result) {
		mu.Lock()
		defer mu.Unlock()
		out[i] = r
	})
	return out
}

// open is what the suite tests.
func open(t *testing.T, timeout time.Duration) (channeltest.Sender, channeltest.Fake, func(schoolbell.Message) int) {
	t.Helper()
	f := account(t, fake.SendGridOptions{})
	s := newSender(t, f, func(c *sendgrid.Config) { c.Timeout = timeout })
	return s, f, func(m schoolbell.Message) int { return f.Accepted(m.ID) }
}

func TestConformance(t *testing.T) { t.Parallel(); channeltest.RunEmail(t, open) }

func TestLostReplies(t *testing.T) { t.Parallel(); channeltest.LostReplies(t, open) }

func TestEmail(t *testing.T) {
	t.Parallel()
	f := account(t, fake.SendGridOptions{})
	m := channeltest.Email("ada@müller.example", 7)
	m.Unsubscribe = "https://bell.hill.example/unsubscribe/token"
	m.Calendar, m.CalendarMethod = schoolbell.Plain("BEGIN:VCALENDAR\r\nSUMMARY:Grüße\r\nEND:VCALENDAR\r\n"), "PUBLISH"
	r := send(newSender(t, f), m)[0]
	got := f.Emails()
	if r.Verdict != schoolbell.VerdictSent || r.ProviderID == "" || len(got) != 1 {
		t.Fatalf("%+v, %d emails", r, len(got))
	}
	e := got[0]
	if !strings.HasPrefix(e.ID, r.ProviderID) || e.To != "ada@xn--mller-kva.example" || e.From != "office@hill.example" || e.Subject != m.Subject || e.Text != m.Text.String() || e.HTML != m.HTML.String() || e.Token != m.ID {
		t.Errorf("%+v, email %+v", r, e)
	}
	if id := e.Header["Message-ID"]; len(id) != 1 || id[0] != "<"+m.ID+"@hill.example>" {
		t.Errorf("Message-ID %v", id)
	}
	if e.Calendar != m.Calendar.String() {
		t.Errorf("calendar %q", e.Calendar)
	}
	if e.Header.Get("List-Unsubscribe") != "<"+m.Unsubscribe+">" || e.Header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Errorf("header %v", e.Header)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	t.Run("equal messages share a request", testGroupsShare)
	t.Run("refused recipients do not keep the others", testGroupsRefused)
	t.Run("an uncertain request leaves all of it uncertain", testGroupsUncertain)
}

// equal returns messages that differ in nothing but the recipient.
func equal(n int, to func(i int) string) []schoolbell.Message {
	msgs := make([]schoolbell.Message, n)
	for i := range msgs {
		msgs[i] = channeltest.Email(to(i), i)
		msgs[i].Text = schoolbell.Plain("Hello")
	}
	return msgs
}

func testGroupsShare(t *testing.T) {
	t.Parallel()
	f := account(t, fake.SendGridOptions{})
	msgs := equal(2_500, func(i int) string { return fmt.Sprintf("p%d@example.org", i) })
	msgs = append(msgs, channeltest.Email("own@example.org", 9_999))
	for i, r := range send(newSender(t, f), msgs...) {
		if r.Verdict != schoolbell.VerdictSent || f.Accepted(msgs[i].ID) != 1 {
			t.Fatalf("message %d: %+v, accepted %d times", i, r, f.Accepted(msgs[i].ID))
		}
	}
	if n := f.Requests(); n != 4 {
		t.Errorf("%d requests, want 3 for 2,500 equal messages and one for the other", n)
	}
}

func testGroupsRefused(t *testing.T) {
	t.Parallel()
	f := account(t, fake.SendGridOptions{})
	to := func(i int) string {
		switch {
		case i%10 == 3:
			return fmt.Sprintf("reject.p%d@example.org", i)
		case i == 5:
			return "nobody"
		}
		return fmt.Sprintf("p%d@example.org", i)
	}
	msgs := equal(50, to)
	for i, r := range send(newSender(t, f), msgs...) {
		want, times := schoolbell.VerdictSent, 1
		if i%10 == 3 || i == 5 {
			want, times = schoolbell.VerdictGiveUp, 0
		}
		if n := f.Accepted(msgs[i].ID); r.Verdict != want || n != times {
			t.Errorf("message %d: %+v, accepted %d times; want %s", i, r, n, want)
		}
	}
}

func testGroupsUncertain(t *testing.T) {
	t.Parallel()
	f := account(t, fake.SendGridOptions{})
	msgs := equal(20, func(i int) string {
		if i == 7 {
			return "fail.p7@example.org"
		}
		return fmt.Sprintf("p%d@example.org", i)
	})
	for i, r := range send(newSender(t, f), msgs...) {
		if n := f.Accepted(msgs[i].ID); r.Verdict != schoolbell.VerdictUncertain || n != 1 {
			t.Errorf("message %d: %+v, accepted %d times", i, r, n)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const retry, slowDown, giveUp, uncertain = schoolbell.VerdictRetry, schoolbell.VerdictSlowDown, schoolbell.VerdictGiveUp, schoolbell.VerdictUncertain
	answer := func(status int, field, message string) fake.SendGridError {
		return fake.SendGridError{Status: status, Field: field, Message: message}
	}
	for _, c := range []struct {
		name    string
		answer  fake.SendGridError
		verdict schoolbell.Verdict
		down    bool
	}{
		{"bad address", answer(400, "personalizations.0.to.0.email", "Does not contain a valid address."), giveUp, false},
		{"bad request", answer(400, "content", "Bad Request"), giveUp, false},
		{"no such place", answer(400, "personalizations.7.to", "Bad Request"), giveUp, false},
		{"unknown key", answer(401, "", "The provided authorization grant is invalid"), slowDown, true},
		{"sender not verified", answer(403, "from", "The from address does not match a verified Sender Identity."), slowDown, true},
		{"wrong path", answer(404, "", "resource does not exist"), slowDown, true},
		{"redirect", answer(302, "", ""), slowDown, true},
		{"too large", answer(413, "", "too large"), giveUp, false},
		{"conflict", answer(409, "", "conflict"), retry, false},
		{"internal error", answer(500, "", "internal error"), uncertain, false},
		{"unavailable", answer(503, "", "unavailable"), uncertain, false},
		{"success of another kind", answer(200, "", "sandbox"), uncertain, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := account(t, fake.SendGridOptions{})
			m := channeltest.Email("ada@example.org", 1)
			f.Answer(m.To, c.answer)
			s := newSender(t, f)
			r := send(s, m)[0]
			if r.Verdict != c.verdict || r.Down != c.down || !strings.HasPrefix(r.Reason, "SendGrid: ") {
				t.Errorf("%+v, want %s, down %v", r, c.verdict, c.down)
			}
			if c.down && r.After != 5*time.Minute {
				t.Errorf("rests %v", r.After)
			}
			if err := s.Check(t.Context()); (err != nil) != c.down {
				t.Errorf("Check after it: %v", err)
			}
		})
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	s := newSender(t, account(t, fake.SendGridOptions{Rate: 1}))
	if r := send(s, channeltest.Email("ada@example.org", 1))[0]; r.Verdict != schoolbell.VerdictSent {
		t.Errorf("the first: %+v", r)
	}
	if r := send(s, channeltest.Email("ada@example.org", 2))[0]; r.Verdict != schoolbell.VerdictSlowDown || r.Down || r.After < time.Second || r.After > 2*time.Second {
		t.Errorf("the second: %+v, want a rest until X-RateLimit-Reset", r)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	t.Run("a revoked key", func(t *testing.T) {
		t.Parallel()
		var log bytes.Buffer
		f := account(t, fake.SendGridOptions{})
		f.Revoke(true)
		s := newSender(t, f, func(c *sendgrid.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		channeltest.Unavailable(t, s, "status 401")
		if r := send(s, channeltest.Email("ada@example.org", 1))[0]; r.Verdict != schoolbell.VerdictSlowDown || !r.Down {
			t.Errorf("%+v", r)
		}
		if text := log.String(); !strings.Contains(text, "level=ERROR") || strings.Contains(text, key) || strings.Contains(text, "ada@") {
			t.Errorf("log: %s", text)
		}
		f.Revoke(false)
		if r := send(s, channeltest.Email("ada@example.org", 2))[0]; r.Verdict != schoolbell.VerdictSent {
			t.Errorf("with the key: %+v", r)
		}
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("a key that may not send", func(t *testing.T) {
		t.Parallel()
		channeltest.Unavailable(t, newSender(t, account(t, fake.SendGridOptions{Scopes: []string{"stats.read"}})), "mail.send")
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*sendgrid.Config){
		"sendgrid_api_key": func(c *sendgrid.Config) { c.APIKey = "two words" },
		"sendgrid_url":     func(c *sendgrid.Config) { c.URL = "http://api.example.org" },
		"email_from":       func(c *sendgrid.Config) { c.From = "nobody" },
	} {
		cfg := sendgrid.Config{APIKey: key, From: "office@hill.example"}
		change(&cfg)
		_, err := sendgrid.New(cfg)
		if faults := schoolbell.FaultsOf(err); len(faults) != 1 || faults[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
