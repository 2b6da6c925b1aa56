package twilio_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/channeltest"
	"schoolbell/internal/channel/sms/twilio"
	"schoolbell/internal/fake"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const (
	account = "AC0123456789abcdef0123456789abcdef"
	secret  = "planted-auth-token"
	from    = "+15005550006"
	status  = "https://bell.example.org/v1/receipts?x=1"
)

// start returns a fake Twilio and a provider that sends through it. Both end with the test.
func start(t *testing.T, opts fake.TwilioOptions, change ...func(*twilio.Config)) (*fake.Twilio, *twilio.Twilio) {
	t.Helper()
	opts.AccountSID, opts.AuthToken = account, secret
	f, err := fake.NewTwilio(opts)
	if err != nil {
		t.Fatal(err)
	}
	channeltest.Start(t, f)
	cfg := twilio.Config{URL: f.URL(), AccountSID: account, AuthToken: secret, From: from, Callback: status}
	for _, c := range change {
		c(&cfg)
	}
	s, err := twilio.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return f, s
}

// fateOf reads the fate of a message from its number.
func fateOf(to string) channeltest.Fate {
	n, err := strconv.Atoi(strings.TrimPrefix(to, "+316")[:1])
	if err != nil {
		return channeltest.Accept
	}
	return channeltest.Fate(n)
}

func answer(fate channeltest.Fate) fake.TwilioAnswer {
	switch fate {
	case channeltest.Refuse:
		return fake.TwilioAnswer{Code: 21211, Text: "no such number"}
	case channeltest.Defer:
		return fake.TwilioAnswer{Code: 30001, Text: "Queue overflow"}
	case channeltest.LoseReply:
		return fake.TwilioAnswer{Reset: true, Unlisted: true}
	case channeltest.Throttle:
		return fake.TwilioAnswer{Status: 429, Code: 20429, Text: "Too Many Requests"}
	}
	return fake.TwilioAnswer{}
}

// tested is a provider as the suite uses it.
type tested struct {
	*twilio.Twilio
	schoolbell.Lane
}

func (s tested) Send(ctx context.Context, msgs []schoolbell.Message, done func(int, schoolbell.Result)) {
	s.Twilio.Lane(s.Lane).Send(ctx, msgs, done)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, func(t *testing.T) (channeltest.Sender, channeltest.Provider) {
		var mu sync.Mutex
		stall := func() {}
		f, s := start(t, fake.TwilioOptions{Answer: func(m fake.TwilioMessage) fake.TwilioAnswer {
			mu.Lock()
			wait := stall
			mu.Unlock()
			wait()
			return answer(fateOf(m.To))
		}})
		return tested{s, schoolbell.LaneNormal}, channeltest.Provider{
			Message: func(n int, fate channeltest.Fate) schoolbell.Message {
				return schoolbell.Message{ID: fmt.Sprintf("event.%d", n), Channel: schoolbell.ChannelSMS, To: fmt.Sprintf("+316%d%06d", fate, n), Text: schoolbell.Plain("Sports day is on Friday.")}
			},
			Accepted: func(m schoolbell.Message) int { return f.Accepted(m.ID) },
			Stall: func() (<-chan struct{}, func()) {
				begun, going := make(chan struct{}), make(chan struct{})
				begin, release := sync.OnceFunc(func() { close(begun) }), sync.OnceFunc(func() { close(going) })
				mu.Lock()
				stall = func() { begin(); <-going }
				mu.Unlock()
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

const number = "+31612345678"

func text(body string) schoolbell.Message {
	return schoolbell.Message{ID: "event.7", Channel: schoolbell.ChannelSMS, To: number, Text: schoolbell.Plain(body), CreatedAt: time.Now().Add(-time.Minute)}
}

// sendOne sends one message and returns its result.
func sendOne(s *twilio.Twilio, m schoolbell.Message) (result schoolbell.Result) {
	s.Lane(schoolbell.LaneNormal).Send(context.Background(), []schoolbell.Message{m}, func(_ int, r schoolbell.Result) { result = r })
	return result
}

func TestRequest(t *testing.T) {
	t.Parallel()
	t.Run("a message has its sender, callback and period", testRequestFields)
	t.Run("a messaging service chooses the sender", testRequestService)
	t.Run("an API key replaces the token", testRequestKey)
	t.Run("a long text is cut and ends with its link", testRequestLong)
	t.Run("the period ends with the event", testRequestValidity)
}

func testRequestFields(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.TwilioOptions{})
	r := sendOne(s, text("It’s on Friday."))
	sent := f.Messages()
	if len(sent) != 1 || r.Verdict != schoolbell.VerdictSent || r.ProviderID != sent[0].SID {
		t.Fatalf("%+v, sent %+v", r, sent)
	}
	m := sent[0]
	if m.To != number || m.From != from || m.Service != "" || m.Body != "It's on Friday." || m.Callback != status+"&d=event.7" || m.Token != "event.7" || m.Validity != 0 {
		t.Errorf("the message is %+v", m)
	}
}

func testRequestService(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.TwilioOptions{}, func(c *twilio.Config) { c.From, c.Callback = "MG0123456789abcdef0123456789abcdef", "" })
	if r := sendOne(s, text("Hello")); r.Verdict != schoolbell.VerdictSent {
		t.Fatalf("%+v", r)
	}
	if m := f.Messages()[0]; m.From != "" || m.Service != "MG0123456789abcdef0123456789abcdef" || m.Callback != "" || m.Status != "accepted" {
		t.Errorf("the message is %+v", m)
	}
}

func testRequestKey(t *testing.T) {
	t.Parallel()
	_, s := start(t, fake.TwilioOptions{KeySID: "SK1", KeySecret: "key-secret"}, func(c *twilio.Config) { c.AuthToken, c.KeySID, c.KeySecret = "", "SK1", "key-secret" })
	if r := sendOne(s, text("Hello")); r.Verdict != schoolbell.VerdictSent {
		t.Fatalf("%+v", r)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func testRequestLong(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.TwilioOptions{}, func(c *twilio.Config) { c.MaxSegments = 2 })
	m := text(strings.Repeat("long words ", 100))
	m.Link = "https://bell.example.org/m/0123"
	if r := sendOne(s, m); r.Verdict != schoolbell.VerdictSent {
		t.Fatalf("%+v", r)
	}
	if got := f.Messages()[0]; got.Segments != 2 || !strings.HasSuffix(got.Body, "long... "+m.Link) {
		t.Errorf("%d segments: %s", got.Segments, got.Body)
	}
}

func testRequestValidity(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.TwilioOptions{})
	for _, left := range []time.Duration{90 * time.Minute, 20 * time.Hour, -time.Second} {
		m := text("Hello")
		m.ExpiresAt = time.Now().Add(left)
		if r := sendOne(s, m); r.Verdict != schoolbell.VerdictSent {
			t.Fatalf("%+v", r)
		}
	}
	sent := f.Messages()
	if v := sent[0].Validity; v < 5000 || v > 5400 {
		t.Errorf("90 minutes before the end, the period is %d s", v)
	}
	if sent[1].Validity != 0 || sent[2].Validity != 1 {
		t.Errorf("the periods are %d s for 20 hours and %d s after the end", sent[1].Validity, sent[2].Validity)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]twilio.Config{
		"not a URL":                  {URL: "api.twilio.com"},
		"unencrypted over a network": {URL: "http://api.twilio.com"},
		"too many segments":          {MaxSegments: 11},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := twilio.New(cfg); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
				t.Errorf("%v", err)
			}
		})
	}
}
