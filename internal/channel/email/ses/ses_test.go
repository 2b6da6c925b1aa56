package ses_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
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
	ended := make(chan error, 1)
	go func() { ended <- f.Run(context.Background()) }()
	t.Cleanup(func() {
		_ = f.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
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

func message(to string, n int) schoolbell.Message {
	return schoolbell.Message{
		ID: fmt.Sprintf("019a0000-0000-7000-8000-000000000001.%d", n), EventID: "019a0000-0000-7000-8000-000000000001",
		Channel: schoolbell.ChannelEmail, To: to, ToName: fmt.Sprintf("Réader %d", n), Subject: "Sports day moved to Friday – bring water",
		Text: "Hello,\n\n.a dot\nGrüße\n", HTML: "<p>Hello,</p>\n<p>Grüße</p>\n", Category: schoolbell.CategoryEvent, Locale: "en",
	}
}

func send(s interface {
	Send(context.Context, []schoolbell.Message, func(int, schoolbell.Result))
}, m schoolbell.Message) (out schoolbell.Result) {
	s.Send(context.Background(), []schoolbell.Message{m}, func(_ int, r schoolbell.Result) { out = r })
	return out
}

func accepted(t *testing.T, f *fake.SES, m schoolbell.Message) int {
	t.Helper()
	tag, err := ses.Tag(m.ID)
	if err != nil {
		t.Fatal(err)
	}
	return f.Accepted(tag)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	acts := map[channeltest.Fate]fake.Act{channeltest.Accept: fake.Accept, channeltest.Refuse: fake.Reject, channeltest.Defer: fake.Defer,
		channeltest.LoseReply: fake.Reset, channeltest.Throttle: fake.Throttle}
	channeltest.Run(t, func(t *testing.T) (channeltest.Sender, channeltest.Provider) {
		f := account(t, fake.SESOptions{})
		s := newSender(t, f)
		return s, channeltest.Provider{
			Message: func(n int, fate channeltest.Fate) schoolbell.Message {
				return message(fmt.Sprintf("%s.p%d@example.org", acts[fate], n), n)
			},
			Accepted: func(m schoolbell.Message) int { return accepted(t, f, m) },
			Stall: func() (<-chan struct{}, func()) {
				begun, going := make(chan struct{}), make(chan struct{})
				begin, release := sync.OnceFunc(func() { close(begun) }), sync.OnceFunc(func() { close(going) })
				f.SetScript(func(to string) fake.Act { begin(); <-going; return fake.ByRecipient(to) })
				t.Cleanup(release)
				return begun, release
			},
			Stop: func() {
				_ = f.Close()
				_ = s.Close() // what is written to a connection before its end is noticed has an uncertain result
			},
		}
	})
}

func TestEmail(t *testing.T) {
	t.Parallel()
	f := account(t, fake.SESOptions{ConfigurationSets: []string{"bell"}, SessionToken: "temporary"})
	s := newSender(t, f, func(c *ses.Config) {
		c.ConfigurationSet, c.SessionToken, c.ReplyTo = "bell", "temporary", "desk@hill.example"
	})
	m := message("ada@müller.example", 7)
	r := send(s, m)
	got := f.Emails()
	if r.Verdict != schoolbell.VerdictSent || len(got) != 1 {
		t.Fatalf("%+v, %d emails", r, len(got))
	}
	e := got[0]
	if r.ProviderID != e.ID || e.To != "ada@xn--mller-kva.example" || e.From != "office@hill.example" || e.Subject != m.Subject {
		t.Errorf("%+v, email %+v", r, e)
	}
	if e.Text != strings.ReplaceAll(m.Text, "\n", "\r\n") || e.HTML != strings.ReplaceAll(m.HTML, "\n", "\r\n") || e.Header.Get("Reply-To") != "desk@hill.example" {
		t.Errorf("text %q, HTML %q, header %v", e.Text, e.HTML, e.Header)
	}
	if id := e.Header.Get("Message-Id"); id != "<"+e.ID+"@eu-west-1.amazonses.com>" {
		t.Errorf("Message-ID %s", id)
	}
	if id, ok := ses.MessageID(e.Token); !ok || id != m.ID {
		t.Errorf("the tag %q names message %q, want %q", e.Token, id, m.ID)
	}
}

func TestTag(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"019a0000-0000-7000-8000-000000000001.12.w2.1": "019a0000-0000-7000-8000-000000000001_2e12_2ew2_2e1",
		"a_b~c": "a_5fb_7ec",
	} {
		tag, err := ses.Tag(id)
		if err != nil || tag != want {
			t.Errorf("tag of %q is %q (%v), want %q", id, tag, err, want)
		}
		if back, ok := ses.MessageID(tag); !ok || back != id {
			t.Errorf("%q names %q", tag, back)
		}
	}
	if _, err := ses.Tag(strings.Repeat(".", 100)); err == nil {
		t.Error("a tag of 300 characters is accepted")
	}
	for _, tag := range []string{"", "a_", "a_2", "a_zz", "a_61", "a.b"} {
		if id, ok := ses.MessageID(tag); ok {
			t.Errorf("%q, which is no tag of ours, names %q", tag, id)
		}
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
