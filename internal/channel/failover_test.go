package channel

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/channeltest"
	"schoolbell/internal/config"
	"schoolbell/internal/fake"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// two are two accounts and the provider that settings open over them: SES, and SendGrid as the fallback.
type two struct {
	Provider
	LaneSender Sender
	ses        *fake.SES
	sendgrid   *fake.SendGrid
}

// Send sends over the normal lane.
func (p two) Send(ctx context.Context, msgs []schoolbell.Message, done func(int, schoolbell.Result)) {
	p.LaneSender.Send(ctx, msgs, done)
}

func settings(t *testing.T, env ...string) *config.Config {
	t.Helper()
	cfg := &config.Config{}
	if _, err := config.Load(cfg, config.Sources{Env: append([]string{"EMAIL_FROM=Hill School <office@hill.example>"}, env...)}); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func sesSettings(url string) []string {
	return []string{"SES_ENDPOINT=" + url, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKIAFAKE", "AWS_SECRET_ACCESS_KEY=fake-secret"}
}

func openTwo(t *testing.T, addr string) two {
	t.Helper()
	first, err := fake.NewSES(fake.SESOptions{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	channeltest.Start(t, first)
	second, err := fake.NewSendGrid(fake.SendGridOptions{})
	if err != nil {
		t.Fatal(err)
	}
	channeltest.Start(t, second)
	cfg := settings(t, append(sesSettings(first.URL()), "EMAIL_PROVIDER=ses", "EMAIL_FALLBACK=sendgrid", "SENDGRID_URL="+second.URL(), "SENDGRID_API_KEY=SG.fake")...)
	set, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range set.Channels() {
		if c.Name == schoolbell.ChannelEmail {
			return two{c.Provider, c.Provider.Lane(schoolbell.LaneNormal), first, second}
		}
	}
	t.Fatal("there is no email channel")
	return two{}
}

// accepted returns how often each provider accepted a message.
func (p two) accepted(t *testing.T, m schoolbell.Message) (bySES, bySendGrid int) {
	t.Helper()
	key, err := schoolbell.ParseMessageKey(m.ID)
	if err != nil {
		t.Error(err)
	}
	return p.ses.Accepted(key.Tag()), p.sendgrid.Accepted(m.ID)
}

func emailTo(to string, n int) schoolbell.Message {
	return schoolbell.Message{ID: fmt.Sprintf("event.%d", n+1), EventID: "event", Channel: schoolbell.ChannelEmail, To: to, Subject: "Sports day", Text: schoolbell.Plain(fmt.Sprintf("Hello %d", n))}
}

func sendTo(p two, to ...string) ([]schoolbell.Message, []schoolbell.Result) {
	var mu sync.Mutex
	msgs, out := make([]schoolbell.Message, len(to)), make([]schoolbell.Result, len(to))
	for i := range to {
		msgs[i] = emailTo(to[i], i)
	}
	p.Send(context.Background(), msgs, func(i int, r schoolbell.Result) {
		mu.Lock()
		defer mu.Unlock()
		out[i] = r
	})
	return msgs, out
}

func TestFailover(t *testing.T) {
	t.Parallel()
	t.Run("the first provider sends", func(t *testing.T) {
		t.Parallel()
		channeltest.Run(t, func(t *testing.T) (channeltest.Sender, channeltest.Provider) { return conform(t, false) })
	})
	t.Run("the fallback sends while the first is down", func(t *testing.T) {
		t.Parallel()
		channeltest.Run(t, func(t *testing.T) (channeltest.Sender, channeltest.Provider) { return conform(t, true) })
	})
	t.Run("a first provider that is paused is replaced", testFailoverPaused)
	t.Run("the first provider takes over again", testFailoverBack)
	t.Run("an uncertain message stays with its provider", testFailoverUncertain)
	t.Run("a rate limit does not change the provider", testFailoverRate)
}

func conform(t *testing.T, down bool) (channeltest.Sender, channeltest.Provider) {
	p := openTwo(t, "")
	if down {
		_ = p.ses.Close()
	}
	acts := map[channeltest.Fate]fake.Act{channeltest.Accept: fake.Accept, channeltest.Refuse: fake.Reject, channeltest.Defer: fake.Defer,
		channeltest.LoseReply: fake.Reset, channeltest.Throttle: fake.Throttle}
	return p, channeltest.Provider{
		Message: func(n int, fate channeltest.Fate) schoolbell.Message {
			return emailTo(fmt.Sprintf("%s.p%d@example.org", acts[fate], n), n)
		},
		Accepted: func(m schoolbell.Message) int {
			a, b := p.accepted(t, m)
			return a + b
		},
		Stall: func() (<-chan struct{}, func()) {
			begun, going := make(chan struct{}), make(chan struct{})
			begin, release := sync.OnceFunc(func() { close(begun) }), sync.OnceFunc(func() { close(going) })
			script := func(to string) fake.Act { begin(); <-going; return fake.ByRecipient(to) }
			p.ses.SetScript(script)
			p.sendgrid.SetScript(script)
			t.Cleanup(release)
			return begun, release
		},
		Stop: func() {
			_ = p.ses.Close()
			_ = p.sendgrid.Close()
			_ = p.Close() // ends the idle connections
		},
	}
}

func testFailoverPaused(t *testing.T) {
	t.Parallel()
	p := openTwo(t, "")
	p.ses.Pause(true)
	msgs, results := sendTo(p, "a@example.org", "b@example.org", "c@example.org")
	for i, r := range results {
		if a, b := p.accepted(t, msgs[i]); r.Verdict != schoolbell.VerdictSent || a != 0 || b != 1 {
			t.Errorf("message %d: %+v, accepted %d and %d times", i, r, a, b)
		}
	}
	if err := p.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	if text := (Channel{Provider: p.Provider}).InUse(); text != "sendgrid, because ses takes no email" {
		t.Errorf("in use: %q", text)
	}
}

func testFailoverBack(t *testing.T) {
	t.Parallel()
	p := openTwo(t, "")
	p.Provider.(*failover).firstWait = time.Millisecond
	addr := strings.TrimPrefix(p.ses.URL(), "http://")
	if _, results := sendTo(p, "a@example.org"); results[0].Verdict != schoolbell.VerdictSent || p.Provider.(*failover).InUse() != "ses" {
		t.Fatalf("%+v over %s", results, p.Provider.(*failover).InUse())
	}
	_ = p.ses.Close()
	_ = p.Close()
	if _, results := sendTo(p, "b@example.org"); results[0].Verdict != schoolbell.VerdictSent {
		t.Fatalf("after its end: %+v", results)
	}
	if n, _ := p.sendgrid.Total(); n != 1 {
		t.Fatalf("the fallback accepted %d emails", n)
	}
	again, err := fake.NewSES(fake.SESOptions{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	channeltest.Start(t, again)
	testenv.Eventually(t, 30*time.Second, func() bool {
		_, results := sendTo(p, "c@example.org")
		n, _ := again.Total()
		return results[0].Verdict == schoolbell.VerdictSent && n > 0
	}, "the first provider sends again")
}

func testFailoverUncertain(t *testing.T) {
	t.Parallel()
	p := openTwo(t, "")
	msgs, results := sendTo(p, "reset.a@example.org")
	if a, b := p.accepted(t, msgs[0]); results[0].Verdict != schoolbell.VerdictUncertain || a != 1 || b != 0 {
		t.Errorf("%+v, accepted %d and %d times", results[0], a, b)
	}
	// It stays there even if the provider goes down in the same call.
	_, results = sendTo(p, "reset.b@example.org", "stop.c@example.org", "d@example.org")
	if results[0].Verdict != schoolbell.VerdictUncertain || results[1].Verdict == schoolbell.VerdictUncertain {
		t.Errorf("%+v", results)
	}
}

func testFailoverRate(t *testing.T) {
	t.Parallel()
	p := openTwo(t, "")
	_, results := sendTo(p, "throttle.a@example.org")
	if n, _ := p.sendgrid.Total(); results[0].Verdict != schoolbell.VerdictSlowDown || n != 0 {
		t.Errorf("%+v, the fallback accepted %d", results[0], n)
	}
	if name := (Channel{Provider: p.Provider}).InUse(); name != "ses" {
		t.Errorf("in use: %s", name)
	}
}
