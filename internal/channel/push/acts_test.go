package push

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/fake"
)

// Whatever the fake can do to a message is a verdict, and none is uncertain.
func TestActs(t *testing.T) {
	t.Parallel()
	for act, want := range map[fake.Act]struct {
		verdict  schoolbell.Verdict
		accepted int
	}{
		fake.Accept: {schoolbell.VerdictSent, 1}, fake.Reject: {schoolbell.VerdictGiveUp, 0}, fake.Defer: {schoolbell.VerdictRetry, 0},
		fake.Throttle: {schoolbell.VerdictSlowDown, 0}, fake.Stop: {schoolbell.VerdictSlowDown, 0}, fake.Fail: {schoolbell.VerdictRetry, 1},
		fake.Hang: {schoolbell.VerdictRetry, 0}, fake.Reset: {schoolbell.VerdictRetry, 1}, fake.Cut: {schoolbell.VerdictRetry, 1},
	} {
		t.Run(string(act), func(t *testing.T) {
			t.Parallel()
			p := service(t, fake.PushOptions{Script: func(string) fake.Act { return act }})
			m := message(browser(t, p), 1)
			r := sendAll(t, sender(t, func(c *Config) { c.Timeout = 2 * time.Second }), m)[0]
			if n := p.Accepted(m.EventID); r.Verdict != want.verdict || n != want.accepted {
				t.Errorf("%+v, accepted %d times", r, n)
			}
		})
	}
}
