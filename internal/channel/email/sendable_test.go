package email

import (
	"testing"

	"pgregory.net/rapid"

	"schoolbell"
	"schoolbell/internal/render"
)

// written is everything in a message that people write.
type written struct{ title, body, location, name, address, school string }

// Whatever validation accepts, every channel's renderer renders and the mail
// writer writes. Otherwise an event would be accepted and then fail for everybody.
func (w written) check(t interface {
	Fatalf(format string, args ...any)
}) {
	ev := schoolbell.Event{ID: "1", Title: w.title, Body: w.body, Location: w.location, StartsAt: noon,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}, Channels: schoolbell.Channels()}
	user := schoolbell.User{ID: "ada", Name: w.name, Email: w.address, Roles: schoolbell.Roles()}
	ev.Normalize()
	user.Normalize()
	if ev.Validate(noon) != nil || user.Validate() != nil || schoolbell.CheckLine("school", w.school, 200) != nil {
		return
	}
	r, err := render.New(render.Config{SchoolName: w.school})
	if err != nil {
		t.Fatalf("school %q: %v", w.school, err)
	}
	to := schoolbell.Recipient{UserID: user.ID, Seq: 1, Name: user.Name, Email: user.Email, Phone: "+442079460018", Timezone: user.Timezone}
	channels := []schoolbell.Channel{schoolbell.ChannelSMS, schoolbell.ChannelPush}
	if to.Email != "" {
		channels = append(channels, schoolbell.ChannelEmail)
	}
	for _, channel := range channels {
		m, err := r.Render(&ev, channel, to)
		if err != nil {
			t.Fatalf("%+q cannot be rendered for %s: %v", w, channel, err)
		}
		if channel != schoolbell.ChannelEmail {
			continue
		}
		if err := checkText(&m); err != nil {
			t.Fatalf("%+q cannot be written as mail: %v", w, err)
		}
	}
}

// awkward are characters that one layer could accept and another refuse.
var awkward = []rune("aZ0é学🏫\u0301 \t\n\r\v\f\x00\x1b\u007f\u0085\u00a0\u00ad\u034f\u061c\u115f\u200b\u200c\u200d\u200e\u200f" +
	"\u2028\u2029\u202a\u202c\u202e\u2060\u2066\u2067\u2068\u2069\u2800\u3164\ufe0f\ufeff\ufffd\ufffe\U000e0001<>&\"'\\.-_=?@%")

func TestWhatValidationAcceptsCanBeSent(t *testing.T) {
	t.Parallel()
	for _, w := range []written{
		{"Sports day", "Bring water.\u2028And a hat.\u2029\u0085\v\f\r", "Hall", "Ada", "ada@bücher.example", "Hill School"},
		{"\u20675b\u2069", "=\n.\n", "", "👨\u200d👩\u200d👧", "o'brien@example.org", "\u200eA\ufeff"},
	} {
		w.check(t)
	}
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.StringOfN(rapid.SampledFrom(awkward), 0, 12, -1), rapid.StringN(0, 12, -1))
		words := func(label string) string { return "x" + text.Draw(rt, label) }
		written{words("title"), words("body"), text.Draw(rt, "location"), words("name"), "ada@example.org", words("school")}.check(rt)
	})
}

func FuzzValidIsSendable(f *testing.F) {
	f.Add("Sports day", "Bring water.\u2028And a hat.\u2029\u0085\v\f\r", "Hall", "Ada", "ada@bücher.example", "Hill School")
	f.Add("\ufffe", "\U000e0001x", "\u0300x", "\u00adx", "x=y@example.org", "x")
	f.Fuzz(func(t *testing.T, title, body, location, name, address, school string) {
		written{title, body, location, name, address, school}.check(t)
	})
}
