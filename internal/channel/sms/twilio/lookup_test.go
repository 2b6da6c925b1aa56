package twilio_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/sms/twilio"
	"schoolbell/internal/fake"
)

func TestLostReplies(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]fake.TwilioAnswer{
		"the connection ends without a reply": {Reset: true},
		"the reply is cut":                    {Cut: true},
		"the reply is an error":               {Fail: 500},
		"no reply comes in time":              {Hold: make(chan struct{})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := start(t, fake.TwilioOptions{Answer: func(fake.TwilioMessage) fake.TwilioAnswer { return lost }},
				func(c *twilio.Config) { c.Timeout = 2 * time.Second })
			r := sendOne(s, text("Hello"))
			if sent := f.Messages(); len(sent) != 1 || r.Verdict != schoolbell.VerdictSent || r.ProviderID != sent[0].SID || r.Resolved {
				t.Errorf("%+v, sent %+v", r, sent)
			}
		})
	}
	t.Run("another text to the number is not taken for it", func(t *testing.T) {
		t.Parallel()
		lose := atomic.Bool{}
		f, s := start(t, fake.TwilioOptions{Answer: func(fake.TwilioMessage) fake.TwilioAnswer {
			return fake.TwilioAnswer{Reset: lose.Load(), Unlisted: lose.Load()}
		}})
		if r := sendOne(s, text("Hello")); r.Verdict != schoolbell.VerdictSent {
			t.Fatalf("%+v", r)
		}
		lose.Store(true)
		if r := sendOne(s, text("Hello again")); r.Verdict != schoolbell.VerdictUncertain || len(f.Messages()) != 2 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("a message is found among many to the number", func(t *testing.T) {
		t.Parallel()
		f, s := start(t, fake.TwilioOptions{Reports: fake.Reports{Plan: func(string) []fake.Report { return []fake.Report{fake.ReportAccepted} }}})
		m := text("Hello 0")
		for n := range 65 {
			if r := sendOne(s, text(fmt.Sprintf("Hello %d", n))); r.Verdict != schoolbell.VerdictSent {
				t.Fatalf("%+v", r)
			}
		}
		m.Resend = true
		if r := sendOne(s, m); !r.Resolved || r.ProviderID != f.Messages()[0].SID {
			t.Errorf("%+v", r)
		}
	})
}

func TestResend(t *testing.T) {
	t.Parallel()
	again := text("Hello")
	again.Resend = true
	t.Run("a message that Twilio has is not sent again", func(t *testing.T) {
		t.Parallel()
		f, s := start(t, fake.TwilioOptions{})
		first := sendOne(s, text("Hello"))
		if r := sendOne(s, again); r.Verdict != schoolbell.VerdictSent || !r.Resolved || r.ProviderID != first.ProviderID || len(f.Messages()) != 1 {
			t.Errorf("%+v, %d sent", r, len(f.Messages()))
		}
	})
	t.Run("a message that Twilio does not have is sent", func(t *testing.T) {
		t.Parallel()
		f, s := start(t, fake.TwilioOptions{})
		if r := sendOne(s, again); r.Verdict != schoolbell.VerdictSent || r.Resolved || len(f.Messages()) != 1 {
			t.Errorf("%+v, %d sent", r, len(f.Messages()))
		}
	})
	t.Run("a message that Twilio has twice stays in doubt", func(t *testing.T) {
		t.Parallel()
		f, s := start(t, fake.TwilioOptions{})
		sendOne(s, text("Hello"))
		sendOne(s, text("Hello"))
		if r := sendOne(s, again); r.Verdict != schoolbell.VerdictSent || r.Resolved || len(f.Messages()) != 2 {
			t.Errorf("%+v, %d sent", r, len(f.Messages()))
		}
	})
	t.Run("an older message of the same text is another one", func(t *testing.T) {
		t.Parallel()
		f, s := start(t, fake.TwilioOptions{})
		sendOne(s, text("Hello"))
		m := again
		m.CreatedAt = time.Now().Add(time.Hour)
		if r := sendOne(s, m); r.Verdict != schoolbell.VerdictSent || r.Resolved || len(f.Messages()) != 2 {
			t.Errorf("%+v, %d sent", r, len(f.Messages()))
		}
	})
	for _, c := range []struct {
		name    string
		status  int // of every look-up
		verdict schoolbell.Verdict
		sent    int
	}{
		{"a look-up that fails delays the resend", 503, schoolbell.VerdictRetry, 0},
		{"a look-up that is throttled delays the resend", 429, schoolbell.VerdictSlowDown, 0},
		{"a key that may not read sends again", 403, schoolbell.VerdictSent, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, s := start(t, fake.TwilioOptions{})
			target, err := url.Parse(f.URL())
			if err != nil {
				t.Fatal(err)
			}
			proxy := httputil.NewSingleHostReverseProxy(target)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					http.Error(w, "no", c.status)
					return
				}
				proxy.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			_ = s
			s, err = twilio.New(twilio.Config{URL: server.URL, AccountSID: account, AuthToken: secret, From: from})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			if r := sendOne(s, again); r.Verdict != c.verdict || len(f.Messages()) != c.sent || c.sent == 0 && r.Reason == "" {
				t.Errorf("%+v, %d sent", r, len(f.Messages()))
			}
		})
	}
}
