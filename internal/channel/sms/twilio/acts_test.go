package twilio_test

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/sms/twilio"
	"schoolbell/internal/fake"
)

// Whatever the fake can do to a message is a verdict. One whose reply is lost is found in Twilio's list.
func TestActs(t *testing.T) {
	t.Parallel()
	for act, want := range map[fake.Act]struct {
		verdict  schoolbell.Verdict
		accepted int
	}{
		fake.Accept: {schoolbell.VerdictSent, 1}, fake.Reject: {schoolbell.VerdictGiveUp, 0}, fake.Defer: {schoolbell.VerdictRetry, 0},
		fake.Throttle: {schoolbell.VerdictSlowDown, 0}, fake.Stop: {schoolbell.VerdictSlowDown, 0}, fake.Fail: {schoolbell.VerdictSent, 1},
		fake.Hang: {schoolbell.VerdictUncertain, 0}, fake.Reset: {schoolbell.VerdictSent, 1}, fake.Cut: {schoolbell.VerdictSent, 1},
	} {
		t.Run(string(act), func(t *testing.T) {
			t.Parallel()
			f, s := start(t, fake.TwilioOptions{Script: func(string) fake.Act { return act }}, func(c *twilio.Config) { c.Timeout = 2 * time.Second })
			m := text("Hello")
			r := sendOne(s, m)
			if n := f.Accepted(m.ID); r.Verdict != want.verdict || n != want.accepted {
				t.Errorf("%+v, accepted %d times", r, n)
			}
		})
	}
}
