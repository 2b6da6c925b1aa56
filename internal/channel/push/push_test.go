package push

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
	"schoolbell/internal/channel/channeltest"
	"schoolbell/internal/channel/push/vapid"
	"schoolbell/internal/fake"
	"schoolbell/internal/publicdial"
	"schoolbell/internal/testenv"
)

const subject = "mailto:office@hill.example"

// service starts a push service that ends with the test.
func service(t testing.TB, o fake.PushOptions) *fake.Push {
	t.Helper()
	p, err := fake.NewPush(o)
	if err != nil {
		t.Fatal(err)
	}
	channeltest.Start(t, p)
	return p
}

// browser subscribes a browser at a push service.
func browser(t testing.TB, p *fake.Push) schoolbell.PushSubscription {
	t.Helper()
	s, err := p.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testSender is a provider, its sender of the normal lane and its log.
type testSender struct {
	*Push
	calls.LaneSender
	log *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// sender returns a sender that may use loopback.
func sender(t testing.TB, change ...func(*Config)) testSender {
	t.Helper()
	key, err := vapid.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	cfg := Config{Key: key, Subject: subject, Services: Services{"127.0.0.1"}, Guard: publicdial.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}),
		Connections: 20, Timeout: 20 * time.Second, Logger: slog.New(slog.NewTextHandler(log, nil))}
	for _, f := range change {
		f(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return testSender{p, p.Lane(schoolbell.LaneNormal), log}
}

func message(to schoolbell.PushSubscription, n int) schoolbell.Message {
	id := fmt.Sprintf("019a0000-0000-7000-8000-%012d", n)
	return schoolbell.Message{ID: id + ".1", EventID: id, Channel: schoolbell.ChannelPush, To: to.Address(), Subject: "Sports day moved to Friday",
		Text: schoolbell.Plain("Fri 4 Dec · Bring a hat"), Link: "https://bell.example/events/" + id, Category: schoolbell.CategoryEvent, Lane: schoolbell.LaneNormal, Locale: "en"}
}

func sendAll(t testing.TB, s testSender, msgs ...schoolbell.Message) []schoolbell.Result {
	t.Helper()
	var mu sync.Mutex
	out := make([]schoolbell.Result, len(msgs))
	s.Send(context.Background(), msgs, func(i int, r schoolbell.Result) {
		mu.Lock()
		defer mu.Unlock()
		out[i] = r
	})
	return out
}

func TestSuite(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, func(t *testing.T) (channeltest.Sender, channeltest.Provider) {
		var mu sync.Mutex
		var hold chan struct{}
		var begin func()
		answers := map[string]fake.PushAnswer{
			strconv.Itoa(int(channeltest.Refuse)):    {Status: 413, Reason: "PayloadTooLarge"},
			strconv.Itoa(int(channeltest.Defer)):     {Status: 500},
			strconv.Itoa(int(channeltest.LoseReply)): {Reset: true},
			strconv.Itoa(int(channeltest.Throttle)):  {Status: 429, Reason: "TooManyRequests"},
		}
		p := service(t, fake.PushOptions{Answer: func(m fake.PushMessage) fake.PushAnswer {
			mu.Lock()
			held, began := hold, begin
			mu.Unlock()
			if held != nil {
				began()
				<-held
			}
			return answers[m.Title]
		}})
		to := browser(t, p)
		host := strings.TrimPrefix(p.URL(), "http://")
		s := sender(t, func(c *Config) { c.Services = Services{host} })
		return s, channeltest.Provider{
			Message: func(n int, fate channeltest.Fate) schoolbell.Message {
				m := message(to, n)
				m.Subject = strconv.Itoa(int(fate))
				return m
			},
			Accepted: func(m schoolbell.Message) int { return p.Accepted(m.EventID) },
			Stall: func() (<-chan struct{}, func()) {
				begun, released := make(chan struct{}), make(chan struct{})
				mu.Lock()
				defer mu.Unlock()
				hold, begin = released, sync.OnceFunc(func() { close(begun) })
				return begun, sync.OnceFunc(func() { close(released) })
			},
			Stop: func() {
				_ = p.Close()
				_ = s.Close() // what is written to a connection before its end is noticed must be repeated
			},
			LostReply: schoolbell.VerdictRetry,
		}
	})
}

func TestRequest(t *testing.T) {
	t.Parallel()
	p := service(t, fake.PushOptions{})
	s := sender(t)
	to := browser(t, p)
	now := time.Now()
	s.now = func() time.Time { return now }
	for name, c := range map[string]struct {
		change  func(m *schoolbell.Message)
		ttl     int
		urgency string
	}{
		"an event that never expires": {func(*schoolbell.Message) {}, 72 * 60 * 60, "normal"},
		"an event that expires":       {func(m *schoolbell.Message) { m.ExpiresAt = now.Add(90 * time.Second) }, 90, "normal"},
		"a far end":                   {func(m *schoolbell.Message) { m.ExpiresAt = now.Add(1000 * time.Hour) }, 28 * 24 * 60 * 60, "normal"},
		"an end just now":             {func(m *schoolbell.Message) { m.ExpiresAt = now.Add(-time.Millisecond) }, 0, "normal"},
		"an urgent event":             {func(m *schoolbell.Message) { m.Lane = schoolbell.LaneUrgent }, 72 * 60 * 60, "high"},
		"a digest":                    {func(m *schoolbell.Message) { m.Category = schoolbell.CategoryDigest }, 72 * 60 * 60, "low"},
	} {
		m := message(to, 1)
		c.change(&m)
		if r := sendAll(t, s, m)[0]; r.Verdict != schoolbell.VerdictSent {
			t.Fatalf("%s: %+v", name, r)
		}
		got := p.Messages()[len(p.Messages())-1]
		if got.TTL != c.ttl || got.Urgency != c.urgency || got.Topic != "019a0000000070008000000000000001" || got.Subject != subject {
			t.Errorf("%s: %+v", name, got)
		}
		if got.Title != m.Subject || got.Body != m.Text.String() || got.URL != m.Link || got.EventID != m.EventID || got.Tag != got.Topic {
			t.Errorf("%s: the browser got %s", name, got.Text)
		}
	}
	if waiting := p.Fetch(to); len(waiting) != 1 {
		t.Errorf("a browser that was off gets %d messages of one event, want 1", len(waiting))
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  fake.PushAnswer
		want    schoolbell.Verdict
		address schoolbell.AddressState
		after   time.Duration
		reason  string
	}{
		"201":                           {fake.PushAnswer{}, schoolbell.VerdictSent, "", 0, ""},
		"200":                           {fake.PushAnswer{Status: 200}, schoolbell.VerdictSent, "", 0, ""},
		"202":                           {fake.PushAnswer{Status: 202}, schoolbell.VerdictSent, "", 0, ""},
		"404":                           {fake.PushAnswer{Status: 404}, schoolbell.VerdictGiveUp, schoolbell.AddressBounced, 0, "the push service replied 404: it does not know the device any more"},
		"410":                           {fake.PushAnswer{Status: 410, Reason: "Unregistered"}, schoolbell.VerdictGiveUp, schoolbell.AddressBounced, 0, "the push service replied 410 (Unregistered): it does not know the device any more"},
		"301":                           {fake.PushAnswer{Status: 301}, schoolbell.VerdictGiveUp, schoolbell.AddressBounced, 0, "the push service replied 301: it does not know the device any more"},
		"302":                           {fake.PushAnswer{Status: 302}, schoolbell.VerdictGiveUp, "", 0, "the push service replied 302"},
		"400":                           {fake.PushAnswer{Status: 400, Reason: "BadWebPushTopic"}, schoolbell.VerdictGiveUp, "", 0, "the push service replied 400 (BadWebPushTopic)"},
		"413":                           {fake.PushAnswer{Status: 413}, schoolbell.VerdictGiveUp, "", 0, "the push service replied 413"},
		"401":                           {fake.PushAnswer{Status: 401}, schoolbell.VerdictSlowDown, "", longRest, "the push service replied 401"},
		"403":                           {fake.PushAnswer{Status: 403, Reason: "BadJwtToken"}, schoolbell.VerdictSlowDown, "", longRest, "the push service replied 403 (BadJwtToken)"},
		"429":                           {fake.PushAnswer{Status: 429, RetryAfter: "17"}, schoolbell.VerdictSlowDown, "", 17 * time.Second, "the push service replied 429"},
		"429 without a time":            {fake.PushAnswer{Status: 429}, schoolbell.VerdictSlowDown, "", 0, "the push service replied 429"},
		"406 of Windows":                {fake.PushAnswer{Status: 406}, schoolbell.VerdictSlowDown, "", 0, "the push service replied 406"},
		"503 with a time":               {fake.PushAnswer{Status: 503, RetryAfter: "5"}, schoolbell.VerdictSlowDown, "", 5 * time.Second, "the push service replied 503"},
		"503":                           {fake.PushAnswer{Status: 503}, schoolbell.VerdictRetry, "", 0, "the push service replied 503"},
		"500":                           {fake.PushAnswer{Status: 500}, schoolbell.VerdictRetry, "", 0, "the push service replied 500"},
		"408":                           {fake.PushAnswer{Status: 408}, schoolbell.VerdictRetry, "", 0, "the push service replied 408"},
		"a lost reply":                  {fake.PushAnswer{Reset: true}, schoolbell.VerdictRetry, "", 0, "the reply of the push service was lost: EOF"},
		"a text that is not a code":     {fake.PushAnswer{Status: 400, Reason: "bad https://push.example/secret"}, schoolbell.VerdictGiveUp, "", 0, "the push service replied 400"},
		"a code of another push server": {fake.PushAnswer{Status: 418}, schoolbell.VerdictGiveUp, "", 0, "the push service replied 418"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := service(t, fake.PushOptions{Answer: func(fake.PushMessage) fake.PushAnswer { return c.answer }})
			s := sender(t)
			r := sendAll(t, s, message(browser(t, p), 1))[0]
			if r.Verdict != c.want || r.Address != c.address || r.After != c.after || r.Reason != c.reason || r.ProviderID != "" {
				t.Errorf("%+v", r)
			}
			loud := strings.Contains(s.log.String(), "a push service refuses this program")
			if refused := c.answer.Status == 401 || c.answer.Status == 403; loud != refused {
				t.Errorf("log: %s", s.log)
			}
		})
	}
}

// What the push service itself finds wrong with a request.
func TestRejections(t *testing.T) {
	t.Parallel()
	t.Run("another key than the browser subscribed with", func(t *testing.T) {
		t.Parallel()
		other, err := vapid.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		p := service(t, fake.PushOptions{PublicKey: other.Public()})
		wants(t, sendAll(t, sender(t), message(browser(t, p), 1))[0], schoolbell.VerdictSlowDown, "VapidPkHashMismatch")
	})
	t.Run("a contact that Apple refuses", func(t *testing.T) {
		t.Parallel()
		p := service(t, fake.PushOptions{})
		s := sender(t, func(c *Config) { c.Subject = "mailto:admin@localhost" })
		wants(t, sendAll(t, s, message(browser(t, p), 1))[0], schoolbell.VerdictSlowDown, "BadJwtToken")
	})
	t.Run("a browser that has unsubscribed", func(t *testing.T) {
		t.Parallel()
		p := service(t, fake.PushOptions{})
		to := browser(t, p)
		p.Unsubscribe(to)
		wants(t, sendAll(t, sender(t), message(to, 1))[0], schoolbell.VerdictGiveUp, "410")
	})
	t.Run("a browser that never subscribed", func(t *testing.T) {
		t.Parallel()
		p := service(t, fake.PushOptions{})
		to := browser(t, p)
		to.Endpoint += "x"
		wants(t, sendAll(t, sender(t), message(to, 1))[0], schoolbell.VerdictGiveUp, "404")
	})
	t.Run("an address that is no subscription", func(t *testing.T) {
		t.Parallel()
		m := message(rfcBrowser, 1)
		m.To = "https://push.example/secret"
		wants(t, sendAll(t, sender(t), m)[0], schoolbell.VerdictGiveUp, "the address is not a push subscription")
	})
	t.Run("a host that is not in the settings", func(t *testing.T) {
		t.Parallel()
		wants(t, sendAll(t, sender(t), message(rfcBrowser, 1))[0], schoolbell.VerdictGiveUp, "PUSH_SERVICES")
	})
	t.Run("a private address", func(t *testing.T) {
		t.Parallel()
		p := service(t, fake.PushOptions{})
		s := sender(t, func(c *Config) { c.Services, c.Guard = Services{"*"}, publicdial.New(nil) })
		wants(t, sendAll(t, s, message(browser(t, p), 1))[0], schoolbell.VerdictGiveUp, "may not be dialled")
		if n := len(p.Messages()); n > 0 {
			t.Errorf("%d messages arrived", n)
		}
	})
}

func wants(t *testing.T, r schoolbell.Result, verdict schoolbell.Verdict, reason string) {
	t.Helper()
	if r.Verdict != verdict || !strings.Contains(r.Reason, reason) {
		t.Errorf("%+v, want %s for %q", r, verdict, reason)
	}
}

// A push service that refuses or cannot be reached must not stop the others.
func TestRest(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	refusing, asked := true, 0
	bad := service(t, fake.PushOptions{Answer: func(fake.PushMessage) fake.PushAnswer {
		mu.Lock()
		defer mu.Unlock()
		asked++
		if refusing {
			return fake.PushAnswer{Status: 403, Reason: "BadJwtToken"}
		}
		return fake.PushAnswer{}
	}})
	good := service(t, fake.PushOptions{})
	s := sender(t, func(c *Config) { c.Connections = 1 })
	now := time.Now()
	s.rests.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	badBrowser, goodBrowser := browser(t, bad), browser(t, good)

	var msgs []schoolbell.Message
	for n := range 20 {
		msgs = append(msgs, message(goodBrowser, 2*n), message(badBrowser, 2*n+1))
	}
	for i, r := range sendAll(t, s, msgs...) {
		if want := []schoolbell.Verdict{schoolbell.VerdictSent, schoolbell.VerdictDropped}[i%2]; r.Verdict != want {
			t.Errorf("message %d: %+v, want %s", i, r, want)
		}
	}
	if asked != 1 || strings.Count(s.log.String(), "refuses this program") != 1 {
		t.Errorf("the push service was asked %d times; log: %s", asked, s.log)
	}
	mu.Lock()
	refusing, now = false, now.Add(longRest+time.Second)
	mu.Unlock()
	if r := sendAll(t, s, message(badBrowser, 100))[0]; r.Verdict != schoolbell.VerdictSent {
		t.Errorf("after the rest: %+v", r)
	}

	_ = bad.Close()
	testenv.Eventually(t, 10*time.Second, func() bool {
		return sendAll(t, s, message(badBrowser, 101))[0].Verdict == schoolbell.VerdictDropped
	}, "a push service that is gone rests")
	if r := sendAll(t, s, message(goodBrowser, 102))[0]; r.Verdict != schoolbell.VerdictSent {
		t.Errorf("the other push service: %+v", r)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	answers := []fake.PushAnswer{{Status: 400, Reason: "x"}, {Status: 403}, {Status: 410}, {Status: 429}, {Status: 500}, {Reset: true}}
	for _, a := range answers {
		p := service(t, fake.PushOptions{Answer: func(m fake.PushMessage) fake.PushAnswer {
			if a.Status == 400 {
				a.Reason = "https://push.example/" + m.Device
			}
			return a
		}})
		s := sender(t)
		to := browser(t, p)
		secret := to.Endpoint[strings.LastIndexByte(to.Endpoint, '/')+1:]
		r := sendAll(t, s, message(to, 1))[0]
		_ = p.Close()
		again := sendAll(t, s, message(to, 2))[0]
		if said := r.Reason + again.Reason + s.log.String(); strings.Contains(said, secret) || strings.Contains(said, to.Keys.Auth) {
			t.Errorf("%+v: the endpoint is in %q", a, said)
		}
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	s := Services{"push.example", "*.Notify.example", "127.0.0.1:8443"}
	for origin, want := range map[string]bool{
		"https://push.example": true, "https://push.example:8443": true, "https://db5p.notify.example": true, "https://a.b.notify.example": true,
		"http://127.0.0.1:8443":  true,
		"https://notify.example": false, "https://evilnotify.example": false, "https://push.example.evil.test": false, "http://127.0.0.1:8444": false,
		"https://x.push.example": false, "": false, "https://": false,
	} {
		if got := s.Has(origin); got != want {
			t.Errorf("%q: %v", origin, got)
		}
	}
	if !(Services{"*"}).Has("https://anything.example") {
		t.Error("* is not every host")
	}
}
