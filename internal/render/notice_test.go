package render_test

import (
	"strings"
	"testing"

	"schoolbell"
)

func TestNotices(t *testing.T) {
	t.Parallel()
	ev := sportsDay()
	ev.Texts = map[string]schoolbell.EventText{"fr": {Title: "Fête du sport", Body: "Apportez de l'eau."}}
	r := newRenderer(t)
	for _, c := range []struct {
		name     string
		notice   schoolbell.Notice
		locale   string
		subject  string
		says     string
		method   string
		calendar []string
	}{
		{"the event itself", "", "en", ev.Title, "", "PUBLISH", []string{"SEQUENCE:0", "SUMMARY:" + ev.Title}},
		{"a change", schoolbell.NoticeChanged, "en", "Changed: " + ev.Title, "This message replaces an earlier one.", "PUBLISH", []string{"SEQUENCE:1", "SUMMARY:" + ev.Title}},
		{"a cancellation", schoolbell.NoticeCancelled, "en", "Cancelled: " + ev.Title, "This is cancelled.", "CANCEL", []string{"METHOD:CANCEL", "SEQUENCE:2", "STATUS:CANCELLED"}},
		{"a change in French", schoolbell.NoticeChanged, "fr", "Modifié : Fête du sport", "Ce message remplace un message précédent.", "PUBLISH", []string{"SUMMARY:Fête du sport"}},
	} {
		told := *ev
		told.Notice = c.notice
		switch c.notice {
		case schoolbell.NoticeChanged:
			told.Revision = 1
		case schoolbell.NoticeCancelled:
			told.Revision, told.Status = 2, schoolbell.EventCancelled
		}
		to := ada()
		to.Locale = c.locale
		m, err := r.Render(&told, schoolbell.ChannelEmail, to)
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != c.subject || m.CalendarMethod != c.method || !strings.Contains(m.Text.String(), c.says) || !strings.Contains(m.HTML.String(), c.says) {
			t.Errorf("%s: subject %q, method %s, text\n%s", c.name, m.Subject, m.CalendarMethod, m.Text.String())
		}
		for _, want := range c.calendar {
			if !strings.Contains(m.Calendar.String(), want+"\r\n") {
				t.Errorf("%s: no %q in the calendar\n%s", c.name, want, m.Calendar.String())
			}
		}
	}
}
