package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/wire"
)

var spanishEmail = schoolbell.TemplateKey{Category: schoolbell.CategoryEvent, Channel: schoolbell.ChannelEmail, Locale: "es"}

func TestTemplates(t *testing.T) {
	t.Parallel()
	t.Run("a template is changed, listed and reset", testTemplatesLife)
	t.Run("what is wrong with a template is named by field and line", testTemplatesFaults)
	t.Run("a preview shows an event for a person", testTemplatesPreview)
}

func testTemplatesLife(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	standard, err := s.Template(t.Context(), spanishEmail)
	must(t, err)
	if standard.Version != 0 || !strings.Contains(standard.HTML, "Hola") || !strings.Contains(standard.Text, "Hola") || standard.Subject != "{{event.title}}" {
		t.Fatalf("the standard template is %+v", standard)
	}
	text := wire.TemplateText{Subject: "Colegio: {{event.title}}", HTML: "{{event.body}}\n{{> button}}", Text: "{{event.body}}"}
	first, err := s.PutTemplate(t.Context(), spanishEmail, text)
	must(t, err)
	text.Text = "{{event.title}}\n\n{{event.body}}"
	second, err := s.PutTemplate(t.Context(), spanishEmail, text)
	must(t, err)
	if got, err := s.Template(t.Context(), spanishEmail); err != nil || got.TemplateText != text || got.Version != second.Version || second.Version <= first.Version {
		t.Errorf("the template is %+v, %v", got, err)
	}
	must(t, s.ResetTemplate(t.Context(), spanishEmail))
	if got, err := s.Template(t.Context(), spanishEmail); err != nil || got.TemplateText != standard.TemplateText {
		t.Errorf("after it was reset: %+v, %v", got, err)
	}
	page, err := s.TemplateVersions(t.Context(), spanishEmail, "")
	must(t, err)
	if len(page.Templates) != 3 || !page.Templates[0].Reset || page.Templates[1].Version != second.Version || page.Templates[2].Text != "{{event.body}}" || page.Next != "" {
		t.Errorf("the versions are %+v", page)
	}
	testTemplatesListed(t, s)
}

// testTemplatesListed checks that the list has each standard template and each of the school, once.
func testTemplatesListed(t *testing.T, s *server) {
	t.Helper()
	_, err := s.PutTemplate(t.Context(), schoolbell.TemplateKey{Category: schoolbell.CategoryUrgent, Channel: schoolbell.ChannelSMS, Locale: "pt-br"}, wire.TemplateText{Text: "{{event.title}}"})
	must(t, err)
	list, err := s.Templates(t.Context())
	must(t, err)
	own := 0
	for _, x := range list {
		if x.Version > 0 {
			own++
			if x.Category != schoolbell.CategoryUrgent || x.Locale != "pt-BR" {
				t.Errorf("listed as changed: %+v", x)
			}
		}
	}
	if want := len(schoolbell.BuiltInCategories())*3*5 + 1; len(list) != want || own != 1 {
		t.Errorf("%d templates, %d of the school; want %d and 1", len(list), own, want)
	}
}

func testTemplatesFaults(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, x := range []struct{ path, body, field, message string }{
		{"event/email/es", `{"subject":"a","text":"b","html":"<p>\n{{event.plase}}"}`, "html", `line 2: there is no "event.plase"`},
		{"event/email/es", `{"subject":"{{event.titel}}","text":"b","html":"c"}`, "subject", `did you mean "event.title"?`},
		{"event/email/es", `{"subject":"a\nb","text":"b","html":"c"}`, "subject", "one line"},
		{"event/email/es", `{"text":"b","html":"c"}`, "subject", "is missing"},
		{"event/email/es", `{"subject":"a","text":"b","html":"<SCRIPT>x"}`, "html", "cannot have <script>"},
		{"event/email/es", `{"subject":"a","text":"b","html":"<a href=\"{{user.name}}\">x</a>"}`, "html", "cannot stand here"},
		{"event/email/es", `{"subject":"a","text":"{{layout.urgent}}","html":"c"}`, "text", "there is no"},
		{"event/sms/es", `{"subject":"a","text":"b"}`, "subject", "is not part of messages by sms"},
		{"event/sms/es", `{"text":"{{> button}}"}`, "text", "there is no part"},
	} {
		a := s.raw("PUT", "/v1/templates/"+x.path, x.body)
		if a.StatusCode != 422 || !strings.Contains(string(a.body), `"`+x.field+`"`) || !strings.Contains(strings.ReplaceAll(string(a.body), `\"`, `"`), x.message) {
			t.Errorf("%s: answered %d %s", x.body, a.StatusCode, a.body)
		}
	}
	for _, path := range []string{"nothing/email/es", "event/in_app/es", "event/email/e_s"} {
		if a := s.raw("PUT", "/v1/templates/"+path, `{"subject":"a","text":"b","html":"c"}`); a.StatusCode != 404 {
			t.Errorf("%s: answered %d %s", path, a.StatusCode, a.body)
		}
	}
}

func testTemplatesPreview(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	u := schoolbell.User{ID: "u1", Name: "Ada <Lovelace>", Roles: []schoolbell.Role{schoolbell.RoleParent}, Locale: "es", Timezone: "Europe/Madrid"}
	_, _, err := s.PutUser(t.Context(), u)
	must(t, err)
	ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "Sports day", Body: "B", StartsAt: wire.At(time.Date(2026, 12, 4, 9, 30, 0, 0, time.UTC)),
		Texts:    map[string]schoolbell.EventText{"es": {Title: "Día del deporte", Body: "Traed agua."}},
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"u1"}}}, Channels: []schoolbell.Channel{schoolbell.ChannelInApp}})
	must(t, err)
	text := wire.TemplateText{Subject: "{{event.title}}", HTML: "<p>{{user.name}}</p>{{event.body}}{{> details}}", Text: "{{user.name}}: {{event.when}}"}
	shown, err := s.PreviewTemplate(t.Context(), spanishEmail, wire.TemplatePreview{TemplateText: text, Event: ev.ID, User: "u1"})
	must(t, err)
	if shown.Subject != "Día del deporte" || !strings.Contains(shown.HTML, "Ada &lt;Lovelace&gt;") || !strings.Contains(shown.HTML, "Traed agua.") ||
		!strings.Contains(shown.Text, "viernes, 4 de diciembre de 2026, 10:30 (Europe/Madrid)") {
		t.Errorf("the preview is %+v", shown)
	}
	sample, err := s.PreviewTemplate(t.Context(), spanishEmail, wire.TemplatePreview{TemplateText: text})
	if err != nil || !strings.Contains(sample.Text, "Yara Mossfield") {
		t.Errorf("the sample is %+v, %v", sample, err)
	}
	testPreviewStudents(t, s)
	_, err = s.PreviewTemplate(t.Context(), spanishEmail, wire.TemplatePreview{TemplateText: text, User: "nobody"})
	if err == nil || !strings.Contains(err.Error(), "user") {
		t.Errorf("an unknown user: %v", err)
	}
}

// testPreviewStudents expects the students of a person in a sample, and what an event says of them in a message about it.
func testPreviewStudents(t *testing.T, s *server) {
	t.Helper()
	for _, u := range []schoolbell.User{
		{ID: "kid1", Name: "Nia", Roles: []schoolbell.Role{schoolbell.RoleStudent}},
		{ID: "kid2", Name: "Zoë", Roles: []schoolbell.Role{schoolbell.RoleStudent}},
		{ID: "dad", Name: "Otto", Roles: []schoolbell.Role{schoolbell.RoleParent}, GuardianOf: []string{"kid1", "kid2"}},
	} {
		_, _, err := s.PutUser(t.Context(), u)
		must(t, err)
	}
	ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "Absent", Body: "B", Category: "attendance", ForEach: schoolbell.ForEachStudent,
		Personal: []schoolbell.PersonData{{User: "dad", Data: json.RawMessage(`{"room": "7"}`)}},
		Audience: schoolbell.Audience{GuardiansOf: &schoolbell.Selector{Users: []string{"kid1"}}}, Channels: []schoolbell.Channel{schoolbell.ChannelInApp}})
	must(t, err)
	key := schoolbell.TemplateKey{Category: "attendance", Channel: schoolbell.ChannelEmail, Locale: "en"}
	text := wire.TemplateText{Subject: "{{event.title}}", HTML: "<p>{{students}}</p>", Text: "{{students|nobody}}: {{#each students}}{{data.reason}}; {{/each}}{{data.room|no room}}\n"}
	for _, c := range []struct{ event, user, want string }{
		{"", "dad", "Nia and Zoë: absent since the first lesson; absent since the third lesson; no room\n"},
		{"", "kid1", "nobody: no room\n"},
		{ev.ID, "dad", "Nia: ; 7\n"}, // also before a worker has looked whom it is about
		{ev.ID, "kid2", "nobody: no room\n"},
	} {
		shown, err := s.PreviewTemplate(t.Context(), key, wire.TemplatePreview{TemplateText: text, Event: c.event, User: c.user})
		if err != nil || !strings.HasPrefix(shown.Text, c.want) {
			t.Errorf("of event %q for %s: %v, %q", c.event, c.user, err, shown)
		}
	}
}
