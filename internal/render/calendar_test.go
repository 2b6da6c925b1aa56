package render_test

import (
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/render"
)

func TestRenderCalendar(t *testing.T) {
	t.Parallel()
	r, err := render.New(render.Config{Page: func(id string) string { return "https://app.example/e/" + id }})
	if err != nil {
		t.Fatal(err)
	}
	make := func(ch schoolbell.Channel, ev *schoolbell.Event, locale string) schoolbell.Message {
		t.Helper()
		to := ada()
		to.Locale = locale
		m, err := r.Render(ev, ch, to)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	ev := sportsDay()
	ev.CreatedAt = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	ev.Texts = map[string]schoolbell.EventText{"es": {Title: "El día del deporte", Body: "Traed agua."}}
	m := make(schoolbell.ChannelEmail, ev, "fr")
	for _, want := range []string{"METHOD:PUBLISH", "UID:" + eventID + "@schoolbell", "DTSTAMP:20261125T100000Z", "SEQUENCE:0", "DTSTART:20261204T093000Z", "DTEND:20261204T150000Z",
		"SUMMARY:Sports day moved to Friday", "LOCATION:Main field <north & south>", "URL:https://app.example/e/" + eventID, "STATUS:CONFIRMED"} {
		if !strings.Contains(m.Calendar.String(), "\r\n"+want+"\r\n") {
			t.Errorf("no %q in\n%s", want, m.Calendar)
		}
	}
	if m.CalendarMethod != "PUBLISH" || strings.Contains(m.Calendar.String(), "p-42") || strings.Contains(m.Calendar.String(), "Ada") {
		t.Errorf("method %q of\n%s", m.CalendarMethod, m.Calendar)
	}
	if other := make(schoolbell.ChannelEmail, ev, "fr"); other.Calendar.Shared != m.Calendar.Shared {
		t.Error("two messages of one language do not share the calendar")
	}
	if spanish := make(schoolbell.ChannelEmail, ev, "es-MX").Calendar.String(); !strings.Contains(spanish, "SUMMARY:El día del deporte\r\n") || !strings.Contains(spanish, "DESCRIPTION:Traed agua.\r\n") {
		t.Errorf("in Spanish:\n%s", spanish)
	}
	if m := make(schoolbell.ChannelPush, ev, "en"); m.Calendar.Len() > 0 {
		t.Errorf("a push message has a calendar:\n%s", m.Calendar)
	}
	ev.StartsAt, ev.EndsAt = time.Time{}, time.Time{}
	if m := make(schoolbell.ChannelEmail, ev, "en"); m.Calendar.Len() > 0 || m.CalendarMethod != "" {
		t.Errorf("an event without a time has a calendar:\n%s", m.Calendar)
	}
}
