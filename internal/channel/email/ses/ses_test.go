package ses_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/channeltest"
	"schoolbell/internal/channel/email/ses"
	"schoolbell/internal/fake"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const secret = "s3cr3t-of-the-test"

// account runs a fake until the test ends.
func account(t *testing.T, o fake.SESOptions) *fake.SES {
	t.Helper()
	o.SecretAccessKey = secret
	f, err := fake.NewSES(o)
	if err != nil {
		t.Fatal(err)
	}
	channeltest.Start(t, f)
	return f
}

// sender is a provider and its sender of the normal lane.
type sender struct {
	*ses.SES
	ses.LaneSender
}

func newSender(t *testing.T, f *fake.SES, change ...func(*ses.Config)) sender {
	t.Helper()
	cfg := ses.Config{Endpoint: f.URL(), Region: "eu-west-1", AccessKeyID: "AKIAFAKE", SecretAccessKey: secret, From: "Hill School <office@hill.example>", Timeout: 20 * time.Second}
	for _, c := range change {
		c(&cfg)
	}
	s, err := ses.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return sender{s, s.Lane(schoolbell.LaneNormal)}
}

func send(s interface {
	Send(context.Context, []schoolbell.Message, func(int, schoolbell.Result))
}, m schoolbell.Message) (out schoolbell.Result) {
	s.Send(context.Background(), []schoolbell.Message{m}, func(_ int, r schoolbell.Result) { out = r })
	return out
}

func accepted(t *testing.T, f *fake.SES, m schoolbell.Message) int {
	t.Helper()
	key, err := schoolbell.ParseMessageKey(m.ID)
	if err != nil {
		t.Fatal(err)
	}
	return f.Accepted(key.Tag())
}

// open is what the suite tests.
func open(t *testing.T, timeout time.Duration) (channeltest.Sender, channeltest.Fake, func(schoolbell.Message) int) {
	t.Helper()
	f := account(t, fake.SESOptions{})
	return newSender(t, f, func(c *ses.Config) { c.Timeout = timeout }), f, func(m schoolbell.Message) int { return accepted(t, f, m) }
}

func TestConformance(t *testing.T) { t.Parallel(); channeltest.RunEmail(t, open) }

func TestLostReplies(t *testing.T) { t.Parallel(); channeltest.LostReplies(t, open) }

func TestEmail(t *testing.T) {
	t.Parallel()
	f := account(t, fake.SESOptions{ConfigurationSets: []string{"bell"}, SessionToken: "temporary"})
	s := newSender(t, f, func(c *ses.Config) {
		c.ConfigurationSet, c.SessionToken, c.ReplyTo = "bell", "temporary", "desk@hill.example"
	})
	m := channeltest.Email("ada@müller.example", 7)
	m.Unsubscribe = "https://bell.hill.example/unsubscribe/token"
	m.Calendar, m.CalendarMethod = schoolbell.Plain("BEGIN:VCALENDAR\r\nSUMMARY:Grüße\r\nEND:VCALENDAR\r\n"), "PUBLISH"
	r := send(s, m)
	got := f.Emails()
	if r.Verdict != schoolbell.VerdictSent || len(got) != 1 {
		t.Fatalf("%+v, %d emails", r, len(got))
	}
	e := got[0]
	if r.ProviderID != e.ID || e.To != "ada@xn--mller-kva.example" || e.From != "office@hill.example" || e.Subject != m.Subject {
		t.Errorf("%+v, email %+v", r, e)
	}
	if e.Text != strings.ReplaceAll(m.Text.String(), "\n", "\r\n") || e.HTML != strings.ReplaceAll(m.HTML.String(), "\n", "\r\n") || e.Header.Get("Reply-To") != "desk@hill.example" {
		t.Errorf("text %q, HTML %q, header %v", e.Text, e.HTML, e.Header)
	}
	if e.Calendar != m.Calendar.String() {
		t.Errorf("calendar %q", e.Calendar)
	}
	if e.Header.Get("List-Unsubscribe") != "<"+m.Unsubscribe+">" || e.Header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Errorf("header %v", e.Header)
	}
	if id := e.Header.Get("Message-Id"); id != "<"+e.ID+"@eu-west-1.amazonses.com>" {
		t.Errorf("Message-ID %s", id)
	}
	if key, err := schoolbell.ParseMessageKey(e.Token); err != nil || key.String() != m.ID {
		t.Errorf("the tag %q names message %v (%v), want %q", e.Token, key, err, m.ID)
	}
	m.ID = "no-message"
	if r := send(s, m); r.Verdict != schoolbell.VerdictGiveUp {
		t.Errorf("a message whose id cannot be a tag: %+v", r)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	good := ses.Config{Region: "eu-west-1", AccessKeyID: "AKIA", SecretAccessKey: secret, From: "office@hill.example"}
	if _, err := ses.New(good); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*ses.Config){
		"aws_region":            func(c *ses.Config) { c.Region = "" },
		"aws_secret_access_key": func(c *ses.Config) { c.SecretAccessKey = "" },
		"ses_endpoint":          func(c *ses.Config) { c.Endpoint = "http://email.example.org" },
		"email_from":            func(c *ses.Config) { c.From = "zoë@hill.example" },
	} {
		cfg := good
		change(&cfg)
		_, err := ses.New(cfg)
		if faults := schoolbell.FaultsOf(err); len(faults) != 1 || faults[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
