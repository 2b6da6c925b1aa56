package personal_test

import (
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/locale"
	"schoolbell/internal/personal"
)

func text(names ...string) *schoolbell.PersonalText {
	p := &schoolbell.PersonalText{Name: "Yara", Data: map[string]string{"room": "7"}}
	for _, n := range names {
		p.Students = append(p.Students, schoolbell.Student{Name: n, Data: map[string]string{"of": "of " + n}})
	}
	return p
}

func TestFilled(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ title, language, want string }{
		{"{{students}} absent", "en", "Ada, Ben and Cleo absent"},
		{"{{students}} ausentes", "es-MX", "Ada, Ben y Cleo ausentes"},
		{"{{students}}", "ar", "\u2068Ada\u2069، \u2068Ben\u2069 و\u2068Cleo\u2069"},
		{"{{#each students}}{{name}}: {{data.of}}, {{data.room|none}}; {{/each}}", "en", "Ada: of Ada, none; Ben: of Ben, none; Cleo: of Cleo, none;"},
		{"{{user.name}}: room {{data.room}}, {{data.lesson|no lesson}}{{data.nothing}}", "en", "Yara: room 7, no lesson"},
		{"{{{{x}}", "en", "{{x}}"},
		{"{{nothing}}", "en", "{{nothing}}"},
		{"plain", "en", "plain"},
	} {
		title, body := personal.Filled(x.title, x.title, x.language, text("Ada", "Ben", "Cleo"))
		if title != x.want || strings.TrimSpace(body) != x.want {
			t.Errorf("%q became %q and %q, want %q", x.title, title, body, x.want)
		}
	}
	if title, _ := personal.Filled("{{students}}", "", "en", nil); title != "{{students}}" {
		t.Errorf("the title of an event that is not personal became %q", title)
	}
	if title, _ := personal.Filled("{{students}}", "", "en", text("عمر", "{{user.name}}")); title != "\u2068عمر\u2069 and {{user.name}}" {
		t.Errorf("names became %q", title)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	ev := &schoolbell.Event{ForEach: schoolbell.ForEachStudent, Title: "{{student}}", Body: "{{user.name}} {{event.title}}",
		Texts: map[string]schoolbell.EventText{"es": {Title: "{{students}}", Body: "{{#each students}}"}}}
	faults := schoolbell.FaultsOf(personal.Check(ev))
	want := []string{`title: line 1: there is no "student"; did you mean "students"?`, `body: line 1: there is no "event.title"`,
		"texts.es.body: line 1: {{#each students}} has no {{/each}}"}
	if len(faults) != len(want) {
		t.Fatalf("faults %v", faults)
	}
	for i, f := range faults {
		if f.Error() != want[i] {
			t.Errorf("%v, want %s", f, want[i])
		}
	}
	ev.ForEach = ""
	if err := personal.Check(ev); err != nil {
		t.Errorf("an event that is not personal: %v", err)
	}
}

func FuzzFill(f *testing.F) {
	f.Add("{{students}} {{#each students}}{{name}}{{/each}}", "Ada", "ill")
	f.Add("{{data.room|x}}{{{{", "{{students}}", "\u202e")
	f.Fuzz(func(t *testing.T, source, name, value string) {
		parsed, err := personal.Parse(source)
		if err != nil {
			return
		}
		p := text(name)
		p.Data["room"] = value
		filled, err := parsed.Fill(personal.Values(p, locale.For("en")))
		if err != nil {
			return
		}
		if !strings.Contains(source, "{{") && filled != source {
			t.Errorf("%q became %q", source, filled)
		}
	})
}
