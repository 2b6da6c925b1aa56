package email

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"schoolbell"
	"schoolbell/internal/address"
	"schoolbell/internal/ledger"
	"schoolbell/internal/render"
)

// written is everything in a message that people write.
type written struct {
	title, body, location, name, address, school string
	category                                     schoolbell.Category
	starts, ends                                 time.Time
	zone                                         string
}

// accepted returns what an event and a user become when the program stores them, or
// false if it refuses them.
func (w written) accepted() (*schoolbell.Event, *schoolbell.User, bool) {
	ev := &schoolbell.Event{ID: "1", Title: w.title, Body: w.body, Location: w.location, Category: w.category, StartsAt: w.starts, EndsAt: w.ends,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}, Channels: schoolbell.Channels()}
	user := &schoolbell.User{ID: "ada", Name: w.name, Email: w.address, Timezone: w.zone, Roles: schoolbell.Roles()}
	ev.Normalize()
	user.Normalize()
	if ev.Validate(noon) != nil || user.Validate() != nil || schoolbell.CheckLine("school", w.school, 200) != nil {
		return nil, nil, false
	}
	_, err := address.Wire(user.Email) // people are accepted with such an address only
	return ev, user, user.Email == "" || err == nil
}

// check holds every channel's renderer and the mail writer to carrying whatever
// validation accepts. Otherwise an event would be accepted and then fail for
// everybody. It reports whether w was accepted.
func (w written) check(t fataler) bool {
	ev, user, ok := w.accepted()
	if !ok {
		return false
	}
	r, err := render.New(render.Config{Link: func(event string, _ ledger.Recipient) string { return "https://hill.example/m/" + event },
		School: func() schoolbell.SchoolSettings { return schoolbell.SchoolSettings{Name: w.school} }})
	if err != nil {
		t.Fatalf("school %q: %v", w.school, err)
	}
	to := ledger.Recipient{UserID: user.ID, Seq: 1, Name: user.Name, Addresses: []string{user.Email}, Timezone: user.Timezone}
	for _, channel := range schoolbell.Channels() {
		if channel == schoolbell.ChannelInApp || channel == schoolbell.ChannelEmail && user.Email == "" {
			continue // the inbox shows the event itself, and nobody gets an email without an address
		}
		m, err := r.Render(ev, channel, to)
		if err != nil {
			t.Fatalf("%#v cannot be rendered for %s: %v", w, channel, err)
		}
		if m.To = user.Email; channel == schoolbell.ChannelEmail {
			isWritten(t, m)
		}
	}
	return true
}

// isWritten composes m as a mail and reads it back.
func isWritten(t fataler, m schoolbell.Message) {
	to, err := Recipient(&m)
	if err != nil {
		t.Fatalf("%#v cannot be written as mail: %v", m, err)
	}
	c, err := NewComposer("office@hill.example", "")
	if err != nil {
		t.Fatalf("%v", err)
	}
	got := parse(t, c.Append(nil, &m, to, noon))
	if got.To.Address != to || got.To.Name != m.ToName || got.Subject != m.Subject {
		t.Fatalf("to %q <%s>, subject %q; want %q <%s>, %q", got.To.Name, got.To.Address, got.Subject, m.ToName, to, m.Subject)
	}
	if got.Text != crlf(m.Text.String()) || got.HTML != crlf(m.HTML.String()) {
		t.Fatalf("text %q, HTML %q; want %q, %q", got.Text, got.HTML, crlf(m.Text.String()), crlf(m.HTML.String()))
	}
}

// awkward are characters that one layer could accept and another refuse.
var awkward = []rune("aZ0é学🏫\u0301 \t\n\r\v\f\x00\x1b\u007f\u0085\u00a0\u00ad\u034f\u061c\u115f\u200b\u200c\u200d\u200e\u200f" +
	"\u2028\u2029\u202a\u202c\u202e\u2060\u2066\u2067\u2068\u2069\u2800\u3164\ufe0f\ufeff\ufffd\ufffe\U000e0001<>&\"'\\.-_=?@%")

// fitting are those of awkward that may be anywhere in a line.
func fitting() (list []rune) {
	for _, r := range awkward {
		if schoolbell.IsLine(string(r)) {
			list = append(list, r)
		}
	}
	return list
}

func TestSendable(t *testing.T) {
	t.Parallel()
	for _, w := range []written{
		{title: "Sports day", body: "Bring water.\u2028And a hat.\u2029\u0085\v\f\r", location: "Hall", name: "Ada", address: "ada@bücher.example", school: "Hill School"},
		{title: "\u20675b\u2069", body: "=\n.\n", name: "👨\u200d👩\u200d👧", address: "o'brien@example.org", school: "\u200eA\ufeff"},
		{title: "x", body: "x", name: "x", address: "x@xn--bcher-kva.example", school: "x", starts: time.Unix(0, 0), ends: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), zone: "Pacific/Kiritimati"},
	} {
		if !w.check(t) {
			t.Errorf("%#v is refused", w)
		}
	}
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.StringOfN(rapid.SampledFrom(fitting()), 0, 12, -1), rapid.StringOfN(rapid.SampledFrom(awkward), 0, 3, -1), rapid.StringN(0, 12, -1))
		words := func(label string) string { return "x" + text.Draw(rt, label) }
		at := rapid.SampledFrom([]time.Time{{}, time.Unix(0, 0), noon, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)})
		w := written{title: words("title"), body: words("body"), location: text.Draw(rt, "location"), name: words("name"), school: words("school"),
			address:  rapid.SampledFrom([]string{"", "ada@example.org", "zoë@bücher.example", "ada@xn--0.example", "ada@ab\u05d0.example"}).Draw(rt, "address"),
			category: rapid.SampledFrom([]schoolbell.Category{"announcement", "urgent", "trips"}).Draw(rt, "category"), starts: at.Draw(rt, "starts"), ends: at.Draw(rt, "ends"),
			zone: rapid.SampledFrom([]string{"", "UTC", "Pacific/Kiritimati", "Etc/GMT+12"}).Draw(rt, "zone")}
		if w.check(rt) {
			accepted++
		}
	})
	if accepted == 0 {
		t.Error("validation refused all that was tried, so that nothing was checked")
	}
}

func FuzzValidIsSendable(f *testing.F) {
	f.Add("Sports day", "Bring water.\u2028And a hat.\u2029\u0085\v\f\r", "Hall", "Ada", "ada@bücher.example", "Hill School")
	f.Add("\ufffe", "\U000e0001x", "\u0300x", "\u00adx", "x=y@example.org", "x")
	f.Add("x", "x http://x.example/\u200b) x", "", "x", "x@xn--bcher-kva.example", "x")
	f.Fuzz(func(t *testing.T, title, body, location, name, address, school string) {
		written{title: title, body: body, location: location, name: name, address: address, school: school, category: schoolbell.CategoryUrgent, starts: noon}.check(t)
	})
}
