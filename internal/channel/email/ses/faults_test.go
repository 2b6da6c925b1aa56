package ses_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/channeltest"
	"schoolbell/internal/channel/email/ses"
	"schoolbell/internal/fake"
)

const (
	sent      = schoolbell.VerdictSent
	retry     = schoolbell.VerdictRetry
	slowDown  = schoolbell.VerdictSlowDown
	giveUp    = schoolbell.VerdictGiveUp
	uncertain = schoolbell.VerdictUncertain
)

func TestFaults(t *testing.T) {
	t.Parallel()
	answer := func(status int, code, message string) fake.SESError {
		return fake.SESError{Status: status, Code: code, Message: message}
	}
	for _, c := range []struct {
		name    string
		answer  fake.SESError
		verdict schoolbell.Verdict
		down    bool
		after   time.Duration
	}{
		{"too many in a second", answer(429, "TooManyRequestsException", "Maximum sending rate exceeded"), slowDown, false, time.Second},
		{"throttled with status 400", answer(400, "ThrottlingException", "Maximum sending rate exceeded."), slowDown, false, time.Second},
		{"code with an address behind it", answer(400, "ThrottlingException:http://internal.amazon.com/x/", "Rate exceeded"), slowDown, false, time.Second},
		{"daily quota used up", answer(429, "TooManyRequestsException", "Daily message quota exceeded"), slowDown, true, 10 * time.Minute},
		{"daily quota as a limit", answer(400, "LimitExceededException", "Daily message quota exceeded."), slowDown, true, 10 * time.Minute},
		{"internal failure", answer(500, "InternalServerErrorException", "Internal failure"), uncertain, false, 0},
		{"unavailable", answer(503, "ServiceUnavailable", ""), uncertain, false, 0},
		{"gateway timeout", answer(504, "", ""), uncertain, false, 0},
		{"message rejected", answer(400, "MessageRejected", "Email content is not allowed"), giveUp, false, 0},
		{"recipient not verified in the sandbox", answer(400, "MessageRejected", "Email address is not verified. The following identities failed the check in region EU-WEST-1: ada@example.org"), giveUp, false, 0},
		{"sender not verified", answer(400, "MessageRejected", "Email address is not verified. The following identities failed the check in region EU-WEST-1: office@hill.example"), slowDown, true, 5 * time.Minute},
		{"domain not verified", answer(400, "MessageRejected", "Email address is not verified. The following identities failed the check in region EU-WEST-1: ada@example.org, hill.example"), slowDown, true, 5 * time.Minute},
		{"bad request", answer(400, "BadRequestException", "Missing final '@domain'"), giveUp, false, 0},
		{"too large", answer(413, "", ""), giveUp, false, 0},
		{"bounce domain not verified", answer(400, "MailFromDomainNotVerifiedException", "not verified"), slowDown, true, 5 * time.Minute},
		{"unknown configuration set", answer(404, "NotFoundException", "Configuration set <bell> does not exist."), slowDown, true, 5 * time.Minute},
		{"not allowed to send", answer(403, "AccessDeniedException", "not authorized to perform: ses:SendEmail"), slowDown, true, 5 * time.Minute},
		{"expired credentials", answer(400, "ExpiredTokenException", "The security token is expired"), slowDown, true, 5 * time.Minute},
		{"sending paused", answer(400, "SendingPausedException", "Email sending is disabled"), slowDown, true, 5 * time.Minute},
		{"account suspended", answer(400, "AccountSuspendedException", "suspended"), slowDown, true, 5 * time.Minute},
		{"redirect", answer(307, "", ""), slowDown, true, 5 * time.Minute},
		{"conflict", answer(409, "ConflictException", "Another request is in progress"), retry, false, 0},
		{"unknown code", answer(400, "NewException", "something new"), retry, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := account(t, fake.SESOptions{})
			m := channeltest.Email("ada@example.org", 1)
			f.Answer(m.To, c.answer)
			s := newSender(t, f)
			r := send(s, m)
			if r.Verdict != c.verdict || r.Down != c.down || r.After != c.after || !strings.HasPrefix(r.Reason, "SES: ") {
				t.Errorf("%+v, want %s, down %v, after %v", r, c.verdict, c.down, c.after)
			}
			if n := accepted(t, f, m); n != 0 {
				t.Errorf("accepted %d times", n)
			}
			if err := s.Check(t.Context()); (err != nil) != c.down {
				t.Errorf("Check after it: %v", err)
			}
		})
	}
}

func TestRecipients(t *testing.T) {
	t.Parallel()
	f := account(t, fake.SESOptions{})
	s := newSender(t, f)
	if r := send(s, channeltest.Email("zoë@example.org", 1)); r.Verdict != giveUp || !strings.Contains(r.Reason, "SMTPUTF8") {
		t.Errorf("local part beyond ASCII: %+v", r)
	}
	if r := send(s, channeltest.Email("nobody", 1)); r.Verdict != giveUp {
		t.Errorf("no address: %+v", r)
	}
	if n, _ := f.Total(); n != 0 {
		t.Errorf("%d emails went out", n)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	t.Run("a wrong secret", func(t *testing.T) {
		t.Parallel()
		var log bytes.Buffer
		f := account(t, fake.SESOptions{})
		s := newSender(t, f, func(c *ses.Config) {
			c.SecretAccessKey, c.Logger = "another-secret", slog.New(slog.NewTextHandler(&log, nil))
		})
		channeltest.Unavailable(t, s, "InvalidSignatureException")
		if r := send(s, channeltest.Email("ada@example.org", 1)); r.Verdict != slowDown || !r.Down {
			t.Errorf("%+v", r)
		}
		if text := log.String(); !strings.Contains(text, "level=ERROR") || strings.Contains(text, "another-secret") || strings.Contains(text, "ada@") {
			t.Errorf("log: %s", text)
		}
	})
	t.Run("a paused account", func(t *testing.T) {
		t.Parallel()
		f := account(t, fake.SESOptions{Paused: true})
		s := newSender(t, f)
		channeltest.Unavailable(t, s, "paused")
		if r := send(s, channeltest.Email("ada@example.org", 1)); r.Verdict != slowDown || !r.Down {
			t.Errorf("%+v", r)
		}
	})
	t.Run("a used up quota", func(t *testing.T) {
		t.Parallel()
		f := account(t, fake.SESOptions{Daily: 1})
		s := newSender(t, f)
		if r := send(s, channeltest.Email("ada@example.org", 1)); r.Verdict != sent {
			t.Errorf("the first: %+v", r)
		}
		channeltest.Unavailable(t, s, "quota of 1 emails")
		if r := send(s, channeltest.Email("ada@example.org", 2)); r.Verdict != slowDown || !r.Down {
			t.Errorf("the second: %+v", r)
		}
	})
	t.Run("an email that is taken ends the alarm", func(t *testing.T) {
		t.Parallel()
		f := account(t, fake.SESOptions{})
		s := newSender(t, f)
		if r := send(s, channeltest.Email("stop.ada@example.org", 1)); !r.Down {
			t.Fatalf("%+v", r)
		}
		channeltest.Unavailable(t, s, "MailFromDomainNotVerified")
		if r := send(s, channeltest.Email("ada@example.org", 2)); r.Verdict != sent {
			t.Fatalf("%+v", r)
		}
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestQuota(t *testing.T) {
	t.Parallel()
	f := account(t, fake.SESOptions{Rate: 14, Daily: 50_000, Sandbox: true})
	s := newSender(t, f)
	if rate, daily := s.Quota(t.Context()); rate != 14 || daily != 50_000 {
		t.Errorf("%g a second, %d a day", rate, daily)
	}
	if a, err := s.Account(t.Context()); err != nil || !a.Sandbox || a.Paused || a.Enforcement != "HEALTHY" {
		t.Errorf("%+v, %v", a, err)
	}
	// Other programs may ask at the same time: SES allows one call a second.
	if err := newSender(t, f).Check(t.Context()); err != nil {
		t.Errorf("a second program: %v", err)
	}
	unlimited := newSender(t, account(t, fake.SESOptions{}))
	if _, daily := unlimited.Quota(t.Context()); daily != 0 {
		t.Errorf("%d a day, want no limit", daily)
	}
}

// The fake rejects what is beyond the rate, and says so as SES does.
func TestRate(t *testing.T) {
	t.Parallel()
	s := newSender(t, account(t, fake.SESOptions{Rate: 1}))
	if r := send(s, channeltest.Email("ada@example.org", 1)); r.Verdict != sent {
		t.Errorf("the first: %+v", r)
	}
	if r := send(s, channeltest.Email("ada@example.org", 2)); r.Verdict != slowDown || r.Down || !strings.Contains(r.Reason, "Maximum sending rate exceeded") {
		t.Errorf("the second: %+v", r)
	}
}

// A request that somebody has changed on the way is not accepted.
func TestSignature(t *testing.T) {
	t.Parallel()
	f := account(t, fake.SESOptions{})
	res, err := http.Post(f.URL()+"/v2/email/outbound-emails", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if res.StatusCode != http.StatusForbidden || res.Header.Get("X-Amzn-ErrorType") != "MissingAuthenticationTokenException" {
		t.Errorf("status %d, %v", res.StatusCode, res.Header)
	}
	if r := send(newSender(t, f, func(c *ses.Config) { c.Region = "us-east-1" }), channeltest.Email("ada@example.org", 1)); !r.Down || !strings.Contains(r.Reason, "InvalidSignature") {
		t.Errorf("another region: %+v", r)
	}
}
