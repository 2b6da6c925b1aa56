package channeltest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/fake"
)

// Fake is a fake provider of email.
type Fake interface {
	Run(ctx context.Context) error
	Close() error
	SetScript(script fake.Script)
	Accepted(token string) int
}

// Start runs a fake until the test ends.
func Start(t testing.TB, f interface {
	Run(ctx context.Context) error
	Close() error
}) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- f.Run(context.Background()) }()
	t.Cleanup(func() {
		_ = f.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Email returns the nth message to an address. Its text is its own.
func Email(to string, n int) schoolbell.Message {
	event := "019a0000-0000-7000-8000-000000000001"
	return schoolbell.Message{
		ID: schoolbell.MessageKey{EventID: event, User: int64(n) + 1}.String(), EventID: event, Channel: schoolbell.ChannelEmail, To: to,
		ToName: fmt.Sprintf("Réader %d", n), Subject: "Sports day moved to Friday – bring water",
		Text: schoolbell.Plain(fmt.Sprintf("Hello %d,\n\n.a dot\nGrüße\n", n)), HTML: schoolbell.Plain("<p>Hello,</p>\n<p>Grüße</p>\n"), Category: schoolbell.CategoryEvent, Locale: "en",
	}
}

// Open starts a fake and a sender that gives up a request after timeout. Both end with the test.
type Open func(t *testing.T, timeout time.Duration) (s Sender, f Fake, accepted func(m schoolbell.Message) int)

// RunEmail is Run for a provider of email with a fake.
func RunEmail(t *testing.T, open Open) {
	acts := map[Fate]fake.Act{Accept: fake.Accept, Refuse: fake.Reject, Defer: fake.Defer, LoseReply: fake.Reset, Throttle: fake.Throttle}
	Run(t, func(t *testing.T) (Sender, Provider) {
		s, f, accepted := open(t, 20*time.Second)
		return s, Provider{
			Message: func(n int, fate Fate) schoolbell.Message {
				return Email(fmt.Sprintf("%s.p%d@example.org", acts[fate], n), n)
			},
			Accepted: accepted,
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

// LostReplies expects that a message whose reply is lost is uncertain, however it is lost.
func LostReplies(t *testing.T, open Open) {
	for _, c := range []struct {
		name     string
		act      fake.Act
		accepted int
	}{
		{"the connection is reset after acceptance", fake.Reset, 1},
		{"the reply is cut", fake.Cut, 1},
		{"an error hides the acceptance", fake.Fail, 1},
		{"no reply comes", fake.Hang, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, _, accepted := open(t, 500*time.Millisecond)
			m := Email(string(c.act)+".ada@example.org", 1)
			r := send(t, context.Background(), s, []schoolbell.Message{m})[0]
			if n := accepted(m); r.Verdict != schoolbell.VerdictUncertain || n != c.accepted {
				t.Errorf("%+v, accepted %d times", r, n)
			}
		})
	}
}

// Unavailable expects that Check says why the provider takes nothing.
func Unavailable(t *testing.T, s Sender, reason string) {
	t.Helper()
	err := s.Check(context.Background())
	if schoolbell.CodeOf(err) != schoolbell.CodeUnavailable || !strings.Contains(err.Error(), reason) {
		t.Errorf("Check: %v, want %s", err, reason)
	}
}
