package render_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"schoolbell"
	"schoolbell/internal/locale"
	"schoolbell/internal/render"
)

// An event that was rendered before is rendered again when the school changes its settings.
func TestRenderSchool(t *testing.T) {
	t.Parallel()
	var now atomic.Pointer[schoolbell.SchoolSettings]
	now.Store(&schoolbell.SchoolSettings{Name: "Hill View School", Language: "en", Timezone: "Europe/London"})
	r, err := render.New(render.Config{School: func() schoolbell.SchoolSettings { return *now.Load() }})
	if err != nil {
		t.Fatal(err)
	}
	ev, to := sportsDay(), ada()
	to.Timezone = ""
	shows := func(ch schoolbell.Channel, texts ...string) {
		t.Helper()
		m, err := r.Render(ev, ch, to)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if !strings.Contains(m.Text.String(), text) || m.HTML.Len() > 0 && !strings.Contains(m.HTML.String(), strings.ReplaceAll(text, "\n", "<br>\n")) {
				t.Errorf("%s lacks %q:\n%s\n%s", ch, text, m.Text, m.HTML)
			}
		}
		if want := now.Load().Language; m.Locale != want || m.HTML.Len() > 0 && !strings.Contains(m.HTML.String(), `<html lang="`+want+`"`) {
			t.Errorf("%s has the locale %s, want %s", ch, m.Locale, want)
		}
	}
	shows(schoolbell.ChannelEmail, "because Hill View School has", "09:30–15:00")
	shows(schoolbell.ChannelSMS, "Hill View School: ")

	now.Store(&schoolbell.SchoolSettings{Name: "Escola da Colina", Language: "pt", Timezone: "Asia/Tokyo", Signature: "Best regards,\nthe office"})
	shows(schoolbell.ChannelEmail, "because Escola da Colina has", "18:30 – Saturday, 5 December 2026, 00:00", "Best regards,\nthe office")
	shows(schoolbell.ChannelSMS, "Escola da Colina: ")

	to.Timezone = "Europe/Berlin"
	shows(schoolbell.ChannelEmail, "10:30–16:00 (Europe/Berlin)")
	to.Timezone = "Mars/Olympus"
	shows(schoolbell.ChannelEmail, "18:30 – Saturday, 5 December 2026, 00:00")
}

func FuzzRenderSchool(f *testing.F) {
	f.Add("Hill View School", "Kind regards,\nthe office https://hill.example", "Europe/London", "en")
	f.Add("<script>", "{{.}}\n\n\u2028", "../etc", "x\"onload")
	f.Fuzz(func(t *testing.T, name, signature, zone, language string) {
		s := schoolbell.DefaultSchoolSettings()
		s.Name, s.Signature, s.Timezone, s.Language = name, signature, zone, language
		s.Normalize()
		good := s.Validate() == nil
		r, err := render.New(render.Config{School: func() schoolbell.SchoolSettings { return s }})
		if err != nil {
			if good {
				t.Errorf("settings that are valid cannot be rendered: %v", err)
			}
			return
		}
		to := ada()
		to.Timezone = ""
		m, err := r.Render(sportsDay(), schoolbell.ChannelEmail, to)
		home := schoolbell.FirstTimezone(s.Timezone)
		when := locale.Nearest(s.Language, to.Locale).Span(sportsDay().StartsAt, sportsDay().EndsAt, home, home)
		if err != nil || strings.Contains(m.HTML.String(), "<script") || good && !strings.Contains(m.Text.String(), when+"\n") {
			t.Errorf("%v, %s", err, m.HTML)
		}
	})
}
