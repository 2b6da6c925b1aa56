package mail

import (
	"mime"
	"net/mail"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/embedded"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// Names of people, by the language they read.
var hardNames = map[string]string{
	"en": `Anne "Q" O'Neill <b>, MD`,
	"es": "Inés 👩‍👧‍👦 Muñoz",
	"fr": strings.Repeat("Très-Long ", 19) + "Nom",
	"de": "李小龍; Müller (b)",
	"ar": "عمر حداد",
}

// hardTexts are titles and bodies, by language.
var hardTexts = map[string]schoolbell.EventText{
	"en": {Title: strings.Repeat("Long title 🎒 ", 14) + "end", Body: ".A dot first\nFrom here on\n--\n\n" + strings.Repeat("word ", 300) + strings.Repeat("ü", 1200), Location: "Gym; hall, \"A\""},
	"es": {Title: "¿Fiesta? =?utf-8?q?no?=", Body: "<script>alert(1)</script> & <b>\n\n{{user.name}}", Location: "Patio"},
	"fr": {Title: "Fête : l’école", Body: "https://hill.example/?a=1&b=<2>\n\nBonjour", Location: "Cour"},
	"de": {Title: "Höhe: \"Fest\"", Body: "Grüße\n\n=\n==\n", Location: "Aula"},
	"ar": {Title: "اليوم الرياضي (A) 2027", Body: "أحضروا الماء.\n\n\u2068Room 5\u2069", Location: "الملعب"},
}

// Each standard template makes emails that strict parsers read, in each language, whatever people are called and events say.
func TestEveryEmail(t *testing.T) {
	t.Parallel()
	catcher := startCatcher(t)
	s := system.New(t, system.Parts{SMTP: catcher.Addr(), Settings: []string{`EMAIL_FROM="Höhe, Schule" <office@hill.example>`, "SCHOOL_NAME=Höhe, Schule 🎒", "PUBLIC_URL=https://bell.hill.example"}})
	defer s.Start()()
	var people []string
	for locale, name := range hardNames {
		u := schoolbell.User{ID: locale, Name: name, Email: locale + "@people.hill.example", Locale: locale, Timezone: "Australia/Lord_Howe", Roles: []schoolbell.Role{schoolbell.RoleParent}}
		if _, _, err := s.Client.PutUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		people = append(people, u.ID)
	}
	texts := map[string]schoolbell.EventText{}
	for locale, text := range hardTexts {
		if locale != "en" {
			texts[locale] = text
		}
	}
	create := func(category schoolbell.Category) string {
		ev, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: hardTexts["en"].Title, Body: hardTexts["en"].Body, Location: hardTexts["en"].Location, Texts: texts, Category: category,
			StartsAt: wire.At(time.Date(2028, 2, 29, 13, 0, 0, 0, time.UTC)), EndsAt: wire.At(time.Date(2028, 2, 29, 14, 0, 0, 0, time.UTC)),
			Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: people}}, Channels: []schoolbell.Channel{schoolbell.ChannelEmail}})
		if err != nil {
			t.Fatal(err)
		}
		s.AwaitStatus(ev.ID, schoolbell.EventCompleted)
		return ev.ID
	}
	var told string
	for _, category := range []schoolbell.Category{schoolbell.CategoryAnnouncement, schoolbell.CategoryReminder, schoolbell.CategoryAttendance, schoolbell.CategoryUrgent, schoolbell.CategoryEvent} {
		told = create(category)
		wantEvery(t, catcher, string(category))
	}
	location := "Elsewhere"
	if _, err := s.Client.UpdateEvent(t.Context(), told, wire.EventChange{Location: &location}); err != nil {
		t.Fatal(err)
	}
	awaitEmails(t, catcher, 6*len(people))
	wantEvery(t, catcher, "a change")
	if _, err := s.Client.RetractEvent(t.Context(), told); err != nil {
		t.Fatal(err)
	}
	awaitEmails(t, catcher, 7*len(people))
	wantEvery(t, catcher, "a cancellation")
}

func awaitEmails(t *testing.T, catcher *embedded.MailCatcher, n int) {
	t.Helper()
	testenv.Eventually(t, time.Minute, func() bool { return catcher.Accepted() == n }, "%d emails are sent", n)
}

// wantEvery expects the newest emails, one in each language, as the strict parsers read them.
func wantEvery(t *testing.T, catcher *embedded.MailCatcher, what string) {
	t.Helper()
	read := map[string]bool{}
	for _, m := range catcher.Messages(len(hardNames)) {
		locale, _, _ := strings.Cut(m.To[0], "@")
		read[locale] = true
		whole, _ := catcher.Message(m.ID)
		p := strictly(t, whole.Raw)
		to, err := p.Header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Name != strings.TrimSpace(hardNames[locale]) {
			t.Errorf("%s in %s: it goes to %v, %v", what, locale, to, err)
		}
		dir := map[bool]string{true: "rtl", false: "ltr"}[locale == "ar"]
		if p.Header.Get("Content-Language") != locale || !strings.Contains(p.Parts["text/html"], `<html lang="`+locale+`" dir="`+dir+`"`) {
			t.Errorf("%s in %s: the language is %q", what, locale, p.Header.Get("Content-Language"))
		}
		title := strings.TrimSpace(hardTexts[locale].Title)
		if subject := decoded(t, p.Header); !strings.Contains(subject, title) || !strings.Contains(p.Parts["text/plain"], title) {
			t.Errorf("%s in %s: the subject is %q", what, locale, subject)
		}
		if strings.Contains(p.Parts["text/html"], "<script") || !strings.Contains(p.Parts["text/calendar"], "BEGIN:VEVENT") {
			t.Errorf("%s in %s: the parts are %v", what, locale, p.Parts)
		}
		if locale != "en" && locale != "ar" {
			continue
		}
		if f := examine(t, whole.Raw, ""); len(f.Calendars) != 1 || f.Email.To[0].Name != to[0].Name || f.Email.Subject != decoded(t, p.Header) ||
			strings.TrimSpace(strings.ReplaceAll(f.Email.Text, "\r\n", "\n")) != strings.TrimSpace(p.Parts["text/plain"]) {
			t.Errorf("%s in %s: another parser reads %+v", what, locale, f.Email)
		}
	}
	if len(read) != len(hardNames) {
		t.Errorf("%s: emails in %v", what, read)
	}
}

// decoded is the subject of an email.
func decoded(t *testing.T, h mail.Header) string {
	t.Helper()
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		t.Error(err)
	}
	return subject
}
