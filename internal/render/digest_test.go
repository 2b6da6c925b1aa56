package render_test

import (
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/render"
)

// digestOf is a digest with what it tells somebody.
func digestOf(locale string) (*schoolbell.Event, ledger.Recipient) {
	ev := &schoolbell.Event{ID: "d1", Title: "Digest", Body: "x", Category: schoolbell.CategoryDigest, Digest: true,
		CreatedAt: time.Date(2027, 11, 19, 16, 0, 0, 0, time.UTC)}
	items := []*schoolbell.Event{
		{ID: "e1", Category: schoolbell.CategoryAnnouncement, Title: "Winter term <dates>", Body: "The winter term ends on\nFriday 18 December at noon.",
			Texts: map[string]schoolbell.EventText{"es": {Title: "Fechas del trimestre", Body: "El trimestre termina el viernes."}, "ar": {Title: "مواعيد الفصل الشتوي", Body: "ينتهي الفصل يوم الجمعة."}}},
		{ID: "e2", Category: schoolbell.CategoryEvent, Title: "Museum trip of class 5b", Body: "Bring a packed lunch. " + strings.Repeat("Long text. ", 100), Location: "City museum",
			StartsAt: time.Date(2027, 11, 25, 7, 30, 0, 0, time.UTC), EndsAt: time.Date(2027, 11, 25, 14, 0, 0, 0, time.UTC)},
		{ID: "e3", Category: "trips", Title: "Choir rehearsal moved 🎶", Body: "From Thursday to Friday.", Location: "Music room"},
	}
	return ev, ledger.Recipient{Seq: 7, UserID: "anne", Name: "Anne", Locale: locale, Timezone: "Europe/Berlin", Items: items}
}

func digestRenderer(t testing.TB) *render.Renderer {
	t.Helper()
	school := schoolbell.DefaultSchoolSettings()
	school.Name = "Hollowbrook School"
	r, err := render.New(render.Config{School: func() schoolbell.SchoolSettings { return school },
		Link: func(id string, _ ledger.Recipient) string { return "https://school.example/m/" + id + "?a=1&b=2" }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDigest(t *testing.T) {
	t.Parallel()
	r := digestRenderer(t)
	for locale, want := range map[string]struct{ subject, text, html string }{
		"en": {"Digest: Winter term <dates>, Museum trip of class 5b, Choir rehearsal moved 🎶",
			"New messages\n\nWinter term <dates>\nThe winter term ends on Friday 18 December at noon.\nhttps://school.example/m/e1?a=1&b=2\n\nMuseum trip of class 5b\nThursday",
			`href="https://school.example/m/e1?a=1&amp;b=2" style="color:#1d1c19;text-decoration:underline;">Winter term &lt;dates&gt;</a>`},
		"es-MX": {"Resumen: Fechas del trimestre, Museum trip of class 5b, Choir rehearsal moved 🎶", "Mensajes nuevos\n\nFechas del trimestre\nEl trimestre termina el viernes.\n", `lang="es"`},
		"ar":    {"ملخص: مواعيد الفصل الشتوي، Museum trip of class 5b، Choir rehearsal moved 🎶", "رسائل جديدة\n\nمواعيد الفصل الشتوي\n", `dir="rtl"`},
		"sv":    {"Digest: Winter term <dates>, Museum trip of class 5b, Choir rehearsal moved 🎶", "New messages\n", `lang="en"`},
	} {
		ev, to := digestOf(locale)
		m, err := r.Render(ev, schoolbell.ChannelEmail, to)
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != want.subject {
			t.Errorf("%s: subject %q, want %q", locale, m.Subject, want.subject)
		}
		if text := m.Text.String(); !strings.HasPrefix(text, want.text) {
			t.Errorf("%s: text\n%s", locale, text)
		}
		html := m.HTML.String()
		if why := map[string]string{"en": "because you chose to get messages from Hollowbrook School together", "ar": "لأنكم اخترتم"}[locale]; !strings.Contains(m.Text.String(), why) || !strings.Contains(html, why) {
			t.Errorf("%s: the text does not say why it comes\n%s", locale, m.Text.String())
		}
		if !strings.Contains(html, want.html) {
			t.Errorf("%s: the HTML lacks %s", locale, want.html)
		}
		if strings.Contains(html, "m/d1") || strings.Contains(html, "<dates>") {
			t.Errorf("%s: the HTML has a link to the digest, or a title that is markup", locale)
		}
	}
}

// An item of a personalized event says what it says to the recipient; nothing about others if that is not known any more.
func TestDigestPersonal(t *testing.T) {
	t.Parallel()
	r := digestRenderer(t)
	ev, to := digestOf("es")
	to.Items = []*schoolbell.Event{
		{ID: "p1", Category: schoolbell.CategoryEvent, ForEach: schoolbell.ForEachStudent, Title: "Report of {{students|your child}}", Body: "{{user.name}}: {{data.room|the office}} & <b>",
			Texts: map[string]schoolbell.EventText{"es": {Title: "Informe de {{students|su hijo}}", Body: "{{user.name}}: {{data.room|la oficina}} & <b>"}}},
		{ID: "p2", Category: "trips", ForEach: schoolbell.ForEachStudent, Title: "Photos", Body: "Ready."},
	}
	render := func() (text, html string) {
		m, err := r.Render(ev, schoolbell.ChannelEmail, to)
		if err != nil {
			t.Fatal(err)
		}
		return m.Subject + "\n" + m.Text.String(), m.HTML.String()
	}
	to.ItemTexts = map[string]*schoolbell.PersonalText{}
	for _, id := range []string{"p1", "p2"} {
		to.ItemTexts[id] = &schoolbell.PersonalText{Name: "Anne", Data: map[string]string{"room": "{{students}} <7>"}, Students: []schoolbell.Student{{Name: "Nia"}, {Name: "عمر"}}}
	}
	text, html := render()
	for _, want := range []string{"Resumen: Informe de Nia y \u2068عمر\u2069, Photos\n", "\n\nInforme de Nia y \u2068عمر\u2069\nAnne: {{students}} <7> & <b>\n", "\n\nPhotos · Nia and \u2068عمر\u2069\nReady.\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, want := range []string{">Informe de Nia y \u2068عمر\u2069</a>", "Anne: {{students}} &lt;7&gt; &amp; &lt;b&gt;</p>", ">Nia and \u2068عمر\u2069</p>"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q in\n%s", want, html)
		}
	}
	to.ItemTexts = nil
	if text, _ = render(); !strings.Contains(text, "\n\nInforme de su hijo\n: la oficina & <b>\n") || !strings.Contains(text, "\n\nPhotos\n") {
		t.Errorf("without personal text:\n%s", text)
	}
}

// What people write and what events say of people stays text, in a digest too.
func FuzzDigest(f *testing.F) {
	f.Add("{{students}} 🎒", "body https://a.example/x.", "place", "Nia", "ill")
	f.Add("<script>\u2028", "\" onload=x", "\u202e", "عمر\r\nBcc: x", "{{#each students}}")
	r := digestRenderer(f)
	f.Fuzz(func(t *testing.T, title, body, place, name, data string) {
		ev, to := digestOf("ar")
		to.Items = []*schoolbell.Event{{ID: "e1", Category: schoolbell.CategoryEvent, ForEach: schoolbell.ForEachStudent, Title: title, Body: body, Location: place}, to.Items[0]}
		to.ItemTexts = map[string]*schoolbell.PersonalText{"e1": {Name: name, Data: map[string]string{"x": data}, Students: []schoolbell.Student{{Name: name}, {Name: data}}}}
		m, err := r.Render(ev, schoolbell.ChannelEmail, to)
		if err != nil {
			t.Error(err) // the items cannot be refused any more
			return
		}
		if strings.ContainsAny(m.Subject, "\r\n") || strings.Contains(m.HTML.String(), "<script") || strings.Count(m.HTML.String(), "<a ") != 2 {
			t.Errorf("subject %q, HTML %q", m.Subject, m.HTML)
		}
	})
}

// BenchmarkDigest is the message of one recipient with three items.
func BenchmarkDigest(b *testing.B) {
	r := digestRenderer(b)
	ev, to := digestOf("es")
	for b.Loop() {
		if _, err := r.Render(ev, schoolbell.ChannelEmail, to); err != nil {
			b.Fatal(err)
		}
	}
}
