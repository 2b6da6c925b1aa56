package render_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/locale"
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
		row      string // of the text
	}{
		{"the event itself", "", "en", ev.Title, "", "PUBLISH", []string{"SEQUENCE:0", "SUMMARY:" + ev.Title}, "Calendar: Open the attached event.ics to put this into your calendar."},
		{"a change", schoolbell.NoticeChanged, "en", "Changed: " + ev.Title, "This message replaces an earlier one.", "PUBLISH", []string{"SEQUENCE:1", "SUMMARY:" + ev.Title}, "Calendar: Open the attached event.ics to change this in your calendar."},
		{"a cancellation", schoolbell.NoticeCancelled, "en", "Cancelled: " + ev.Title, "This is cancelled.", "CANCEL", []string{"METHOD:CANCEL", "SEQUENCE:2", "STATUS:CANCELLED"}, "Calendar: Open the attached event.ics to remove this from your calendar."},
		{"a change in French", schoolbell.NoticeChanged, "fr", "Modifié : Fête du sport", "Ce message remplace un message précédent.", "PUBLISH", []string{"SUMMARY:Fête du sport"}, "Agenda\u00a0: Ouvrez le fichier joint event.ics pour le modifier dans votre agenda."},
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
		if !strings.Contains(m.Text.String(), c.row+"\n") || !strings.Contains(m.HTML.String(), ">"+c.row[strings.Index(c.row, ": ")+2:]+"</td>") {
			t.Errorf("%s: no %q in the text\n%s", c.name, c.row, m.Text.String())
		}
		for _, want := range c.calendar {
			if !strings.Contains(m.Calendar.String(), want+"\r\n") {
				t.Errorf("%s: no %q in the calendar\n%s", c.name, want, m.Calendar.String())
			}
		}
	}
}

// Every language has all words, and fills in the same names.
func TestWords(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile(`{{[^}]*}}|%s`)
	read := func(tag string) (words map[string]string) {
		text, err := os.ReadFile("words/" + tag + ".json")
		if err == nil {
			err = json.Unmarshal(text, &words)
		}
		if err != nil {
			t.Fatal(err)
		}
		return words
	}
	english := read("en")
	for _, l := range locale.Languages() {
		words := read(l.Tag)
		if len(words) != len(english) {
			t.Errorf("%s has %d words, English has %d", l.Tag, len(words), len(english))
		}
		for key, word := range english {
			if words[key] == "" || !slices.Equal(names.FindAllString(words[key], -1), names.FindAllString(word, -1)) {
				t.Errorf("%s: %s is %q, in English %q", l.Tag, key, words[key], word)
			}
		}
	}
}
