package render_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/render"
)

// absence is an event about students.
func absence() *schoolbell.Event {
	return &schoolbell.Event{ID: eventID, Title: "Absent today", Body: "Please call the office.", Category: schoolbell.CategoryAttendance, ForEach: schoolbell.ForEachStudent}
}

// told is a recipient who is told about students.
func told(students ...schoolbell.Student) ledger.Recipient {
	to := ada()
	to.Personal = &schoolbell.PersonalText{Name: to.Name, Data: map[string]string{"room": "12 <b>"}, Students: students}
	return to
}

var (
	nia  = schoolbell.Student{ID: "s1", Name: "Nia O'Hara", Data: map[string]string{"reason": "ill & <b>tired</b> {{user.name}}"}}
	omar = schoolbell.Student{ID: "s2", Name: "عمر"}
)

func TestRenderPersonal(t *testing.T) {
	t.Parallel()
	r := newRenderer(t)
	render := func(ch schoolbell.Channel, to ledger.Recipient) schoolbell.Message {
		t.Helper()
		m, err := r.Render(absence(), ch, to)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := render(schoolbell.ChannelEmail, told(nia, omar))
	golden(t, "attendance.email.txt", []byte(m.Text.String()))
	golden(t, "attendance.email.html", []byte(m.HTML.String()))
	for channel, want := range map[schoolbell.Channel]string{
		schoolbell.ChannelSMS:  "Hill View School: Nia O'Hara and \u2068عمر\u2069: Absent today · Please call the office.",
		schoolbell.ChannelPush: "Nia O'Hara and \u2068عمر\u2069 · Please call the office.",
	} {
		if got := render(channel, told(nia, omar)).Text.String(); got != want {
			t.Errorf("%s: %q, want %q", channel, got, want)
		}
	}
	plain := render(schoolbell.ChannelEmail, told())
	if text := plain.Text.String(); strings.Contains(text, "guardian of") || strings.Contains(text, "- ") && strings.Contains(text, "Nia") {
		t.Errorf("a message about nobody is %s", text)
	}
	nobody := told()
	nobody.Personal = nil
	if !bytes.Equal([]byte(render(schoolbell.ChannelEmail, nobody).HTML.String()), []byte(plain.HTML.String())) {
		t.Error("a recipient of whom nothing is known gets another message than one of whom nothing is said")
	}
}

// templates gives every message the same template of the school.
func templates(own *schoolbell.Template) func(schoolbell.TemplateKey, time.Time) *schoolbell.Template {
	return func(schoolbell.TemplateKey, time.Time) *schoolbell.Template { return own }
}

func TestRenderPersonalTemplate(t *testing.T) {
	t.Parallel()
	own := schoolbell.Template{TemplateText: schoolbell.TemplateText{Subject: "{{students|Your child}} absent",
		HTML: `<p title="{{data.room}}">{{#each students}}{{name}}: {{data.reason|no reason}}, {{data.room|no room}}. {{else}}nobody{{/each}}</p>{{data.room}}{{data.nothing|nothing}}`,
		Text: "{{#each students}}{{name}}: {{data.reason|no reason}}. {{/each}}"}}
	for _, x := range []struct {
		name                string
		to                  ledger.Recipient
		subject, html, text string
	}{
		{"two students", told(nia, omar), "Nia O'Hara and \u2068عمر\u2069 absent",
			`title="12 &lt;b&gt;">Nia O&#39;Hara: ill &amp; &lt;b&gt;tired&lt;/b&gt; {{user.name}}, no room. ` + "\u2068عمر\u2069: no reason, no room. </p>12 &lt;b&gt;nothing",
			"Nia O'Hara: ill & <b>tired</b> {{user.name}}. \u2068عمر\u2069: no reason."},
		{"none", told(), "Your child absent", `>nobody</p>12 &lt;b&gt;nothing`, ""},
	} {
		r, err := render.New(render.Config{Template: templates(&own)})
		if err != nil {
			t.Fatal(err)
		}
		ev := absence()
		m, err := r.Render(ev, schoolbell.ChannelEmail, x.to)
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != x.subject || !strings.Contains(m.HTML.String(), x.html) || !strings.Contains(m.Text.String(), x.text) {
			t.Errorf("%s: %q\n%s\n%s", x.name, m.Subject, m.HTML, m.Text)
		}
	}
	// An event without personal data has none, whatever the recipient has.
	r, err := render.New(render.Config{Template: templates(&own)})
	if err != nil {
		t.Fatal(err)
	}
	ev := absence()
	ev.ForEach = ""
	if m, err := r.Render(ev, schoolbell.ChannelEmail, told(nia)); err != nil || m.Subject != "Your child absent" {
		t.Errorf("%q, %v", m.Subject, err)
	}
}

func FuzzRenderPersonal(f *testing.F) {
	f.Add("Nia", "ill", "{{students}}")
	f.Add("<script>\u2028", "{{#each students}}", "\" onload=x")
	r, err := render.New(render.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, reason, room string) {
		to := told(schoolbell.Student{Name: name, Data: map[string]string{"reason": reason}}, omar)
		to.Personal.Data["room"] = room
		m, err := r.Render(absence(), schoolbell.ChannelEmail, to)
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

func BenchmarkRenderPersonal(b *testing.B) {
	r, ev, to := newRenderer(b), absence(), told(nia, omar)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Render(ev, schoolbell.ChannelEmail, to); err != nil {
			b.Fatal(err)
		}
	}
}
