package render_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/render"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const eventID = "019a0000-0000-7000-8000-000000000001"

func sportsDay() *schoolbell.Event {
	return &schoolbell.Event{
		ID:       eventID,
		Title:    "Sports day moved to Friday",
		Body:     "Because of the weather, sports day moves to Friday.\nPlease bring water and a hat.\n\nThe programme is at https://school.example/sports?day=5&x=1. Questions? Write to the office (http://school.example/office).\n\nSee you there!",
		Category: schoolbell.CategoryEvent,
		Location: "Main field <north & south>",
		StartsAt: time.Date(2026, 12, 4, 9, 30, 0, 0, time.UTC),
		EndsAt:   time.Date(2026, 12, 4, 15, 0, 0, 0, time.UTC),
	}
}

func ada() ledger.Recipient {
	return ledger.Recipient{Seq: 42, UserID: "p-42", Name: "Ada <b>Lovelace</b> & Söhne", Addresses: []string{"ada@example.org"}, Timezone: "Europe/Berlin", Locale: "de"}
}

// named returns the settings of a school that says nothing but its name.
func named(name string) func() schoolbell.SchoolSettings {
	return func() schoolbell.SchoolSettings { return schoolbell.SchoolSettings{Name: name} }
}

func signed(signature string) func() schoolbell.SchoolSettings {
	return func() schoolbell.SchoolSettings { return schoolbell.SchoolSettings{Signature: signature} }
}

// page is where a recipient sees a message.
func page(eventID string, to ledger.Recipient) string {
	return fmt.Sprintf("https://bell.example.org/m/%s?n=%d&x=\"", eventID, to.Seq)
}

// choices are where a recipient chooses what reaches them.
type choices struct{}

func (choices) Preferences(to ledger.Recipient) string {
	return fmt.Sprintf("https://bell.example.org/preferences/%d", to.Seq)
}

func (choices) Unsubscribe(category schoolbell.Category, channel schoolbell.Channel, to ledger.Recipient) string {
	return fmt.Sprintf("https://bell.example.org/unsubscribe/%d-%s-%s", to.Seq, category, channel)
}

func optional(c schoolbell.Category) bool { return c != schoolbell.CategoryUrgent }

func newRenderer(t testing.TB) *render.Renderer {
	t.Helper()
	r, err := render.New(render.Config{Link: page, Choices: choices{}, Optional: optional, School: named("Hill View School")})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	urgent := &schoolbell.Event{ID: eventID, Title: "School is closed tomorrow", Body: "Snow. <script>alert(1)</script>", Category: schoolbell.CategoryUrgent}
	cases := []struct {
		name string
		ev   *schoolbell.Event
		ch   schoolbell.Channel
	}{
		{"event.email", sportsDay(), schoolbell.ChannelEmail},
		{"event.sms", sportsDay(), schoolbell.ChannelSMS},
		{"event.push", sportsDay(), schoolbell.ChannelPush},
		{"urgent.email", urgent, schoolbell.ChannelEmail},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			m, err := newRenderer(t).Render(x.ev, x.ch, ada())
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			fmt.Fprintf(&b, "ID: %s\nEventID: %s\nUserID: %s\nChannel: %s\nTo: %s\nToName: %s\nSubject: %s\nCategory: %s\nLocale: %s\n\n%s\n",
				m.ID, m.EventID, m.UserID, m.Channel, m.To, m.ToName, m.Subject, m.Category, m.Locale, m.Text.String())
			golden(t, x.name+".txt", b.Bytes())
			if m.HTML.Len() > 0 {
				golden(t, x.name+".html", []byte(m.HTML.String()))
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; run the test with -update if that is meant (-want +got):\n%s", name, diff)
	}
}

func TestRenderEscaping(t *testing.T) {
	t.Parallel()
	ev := sportsDay()
	ev.Title = `<img src=x onerror="alert(1)">`
	ev.Body = "<script>alert(2)</script>\n\nhttps://x.example/\"onmouseover=alert(3) javascript:alert(4) http://a.example/<b>"
	to := ada()
	to.Name = `"><script>alert(5)</script>`
	m, err := newRenderer(t).Render(ev, schoolbell.ChannelEmail, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", "/<b>", `href="javascript`, `"onmouseover`} {
		if strings.Contains(m.HTML.String(), bad) {
			t.Errorf("the HTML contains %q", bad)
		}
	}
	if !strings.Contains(m.HTML.String(), `href="https://x.example/"`) || !strings.Contains(m.Text.String(), "<script>alert(2)</script>") {
		t.Error("the link or the plain text is not as written")
	}
}

func TestRenderTimes(t *testing.T) {
	t.Parallel()
	day := func(d, h, m int) time.Time { return time.Date(2026, 12, d, h, m, 0, 0, time.UTC) }
	cases := []struct {
		name       string
		start, end time.Time
		zone, want string
	}{
		{"a day in the reader's zone", day(4, 9, 30), day(4, 11, 0), "Europe/Berlin", "Friday, 4 December 2026, 10:30–12:00 (Europe/Berlin)"},
		{"a start without an end", day(4, 9, 30), time.Time{}, "UTC", "Friday, 4 December 2026, 09:30 (UTC)"},
		{"over midnight where the reader is", day(4, 9, 30), day(4, 11, 0), "Pacific/Auckland", "Friday, 4 December 2026, 22:30 – Saturday, 5 December 2026, 00:00 (Pacific/Auckland)"},
		{"several days", day(4, 9, 30), day(6, 11, 0), "UTC", "Friday, 4 December 2026, 09:30 – Sunday, 6 December 2026, 11:00 (UTC)"},
		{"an unknown zone is UTC", day(4, 9, 30), time.Time{}, "Mars/Olympus", "Friday, 4 December 2026, 09:30 (UTC)"},
		{"no zone is UTC", day(4, 9, 30), time.Time{}, "", "Friday, 4 December 2026, 09:30 (UTC)"},
	}
	r := newRenderer(t)
	for _, x := range cases {
		ev, to := sportsDay(), ada()
		ev.StartsAt, ev.EndsAt, to.Timezone = x.start, x.end, x.zone
		m, err := r.Render(ev, schoolbell.ChannelEmail, to)
		if err != nil {
			t.Fatal(err)
		}
		date, clock, _ := strings.Cut(x.want, " 2026, ")
		if !strings.Contains(m.Text.String(), "When: "+x.want+"\n") || !strings.Contains(m.HTML.String(), "<b>"+date+" 2026</b><br>"+clock+"<") {
			t.Errorf("%s: no %q in\n%s", x.name, x.want, m.Text)
		}
	}
	ev := sportsDay()
	ev.StartsAt, ev.EndsAt = time.Time{}, time.Time{}
	m, err := r.Render(ev, schoolbell.ChannelEmail, ada())
	if err != nil || strings.Contains(m.Text.String()+m.HTML.String(), "When") {
		t.Errorf("an event without a time has one (%v)", err)
	}
}

func TestRenderErrors(t *testing.T) {
	t.Parallel()
	r := newRenderer(t)
	change := func(f func(*schoolbell.Event, *ledger.Recipient)) (*schoolbell.Event, ledger.Recipient) {
		ev, to := sportsDay(), ada()
		f(ev, &to)
		return ev, to
	}
	cases := []struct {
		name string
		ch   schoolbell.Channel
		f    func(*schoolbell.Event, *ledger.Recipient)
	}{
		{"a line break in the title", schoolbell.ChannelEmail, func(e *schoolbell.Event, _ *ledger.Recipient) { e.Title = "a\r\nBcc: x" }},
		{"a line break in the location", schoolbell.ChannelEmail, func(e *schoolbell.Event, _ *ledger.Recipient) { e.Location = "a\nb" }},
		{"a line break in the name", schoolbell.ChannelEmail, func(_ *schoolbell.Event, r *ledger.Recipient) { r.Name = "a\nb" }},
		{"a broken name", schoolbell.ChannelEmail, func(_ *schoolbell.Event, r *ledger.Recipient) { r.Name = "\xff" }},
		{"a broken body", schoolbell.ChannelEmail, func(e *schoolbell.Event, _ *ledger.Recipient) { e.Body = "\xff" }},
		{"a control character in the body", schoolbell.ChannelEmail, func(e *schoolbell.Event, _ *ledger.Recipient) { e.Body = "a\x00b" }},
		{"no id", schoolbell.ChannelEmail, func(e *schoolbell.Event, _ *ledger.Recipient) { e.ID = "" }},
	}
	for _, x := range cases {
		ev, to := change(x.f)
		if _, err := r.Render(ev, x.ch, to); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	if _, err := r.Render(nil, schoolbell.ChannelEmail, ada()); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
		t.Errorf("no event: %v", err)
	}
	for _, cfg := range []render.Config{{School: named("a\nb")}, {School: signed("a\x00b")}} {
		if _, err := render.New(cfg); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
			t.Errorf("New with %+v: %v", cfg.School(), err)
		}
	}
}

func TestRenderShortTexts(t *testing.T) {
	t.Parallel()
	ev := sportsDay()
	ev.Body = strings.Repeat("long wörds ", 1000)
	for ch, limit := range map[schoolbell.Channel]int{schoolbell.ChannelSMS: 2000, schoolbell.ChannelPush: 180} {
		m, err := newRenderer(t).Render(ev, ch, ada())
		if err != nil {
			t.Fatal(err)
		}
		if n := utf8.RuneCountInString(m.Text.String()); n > limit || !strings.Contains(m.Text.String(), "…") {
			t.Errorf("%s has %d characters: %s", ch, n, m.Text)
		}
	}
}

func TestRenderCache(t *testing.T) {
	t.Parallel()
	r := newRenderer(t)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 300 { // more events than are remembered
				ev, to := sportsDay(), ada()
				ev.ID, ev.Title, to.Name = fmt.Sprintf("event-%d", i), fmt.Sprintf("Title %d.", i), fmt.Sprintf("Reader %d.%d.", g, i)
				m, err := r.Render(ev, schoolbell.ChannelEmail, to)
				if err != nil || m.Subject != ev.Title || !strings.Contains(m.HTML.String(), ">"+ev.Title+"</h1>") || !strings.Contains(m.Text.String(), "Dear "+to.Name+",") {
					t.Errorf("event %d: %v, %q", i, err, m.Subject)
					return
				}
			}
		})
	}
	wg.Wait()
	changed := sportsDay()
	changed.ID, changed.Title = "event-299", "Another title"
	if m, err := r.Render(changed, schoolbell.ChannelEmail, ada()); err != nil || m.Subject != "Another title" {
		t.Errorf("an event that says something else now: %q, %v", m.Subject, err)
	}
}

func FuzzRender(f *testing.F) {
	f.Add("title", "body https://a.example/x.", "place", "name")
	f.Add("{{.}}", "http://", "\u2028", "")
	r, err := render.New(render.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, title, body, place, name string) {
		ev, to := sportsDay(), ada()
		ev.Title, ev.Body, ev.Location, to.Name = title, body, place, name
		m, err := r.Render(ev, schoolbell.ChannelEmail, to)
		if err != nil {
			if schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
				t.Errorf("not the input's fault: %v", err)
			}
			return
		}
		if strings.ContainsAny(m.Subject, "\r\n") || strings.Contains(m.HTML.String(), "<script") {
			t.Errorf("subject %q, HTML %q", m.Subject, m.HTML)
		}
	})
}

func BenchmarkRenderEmail(b *testing.B) {
	r, ev, to := newRenderer(b), sportsDay(), ada()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Render(ev, schoolbell.ChannelEmail, to); err != nil {
			b.Fatal(err)
		}
	}
}
