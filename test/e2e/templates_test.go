package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

var spanish = schoolbell.TemplateKey{Category: schoolbell.CategoryEvent, Channel: schoolbell.ChannelEmail, Locale: "es"}

func TestTemplates(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, func(t *testing.T, p system.Parts) {
		mail := system.NewMail(t)
		p.SMTP, p.Settings = mail.Addr(), []string{"SCHOOL_NAME=Hill"}
		s := system.New(t, p)
		defer s.Start()()
		for _, u := range []schoolbell.User{
			{ID: "en", Name: "Ada Lovelace", Email: "en@example.org", Roles: []schoolbell.Role{schoolbell.RoleParent}},
			{ID: "es", Name: "Inés Müller", Email: "es@example.org", Roles: []schoolbell.Role{schoolbell.RoleParent}, Locale: "es-MX", Timezone: "Europe/Madrid"},
			{ID: "ar", Name: "ليلى", Email: "ar@example.org", Roles: []schoolbell.Role{schoolbell.RoleParent}, Locale: "ar"},
		} {
			_, _, err := s.Client.PutUser(t.Context(), u)
			must(t, err)
		}
		shows(t, gala(t, s, mail, "en"), "Dear Ada Lovelace,", "Friday, 4 June 2027, 07:00 (UTC)", "Open message")
		shows(t, gala(t, s, mail, "es"), "Festival de natación", "Hola, Inés Müller:", "viernes, 4 de junio de 2027, 9:00 (Europe/Madrid)", `<html lang="es" dir="ltr"`)
		shows(t, gala(t, s, mail, "ar"), "مهرجان السباحة", "ليلى", "الموعد", `<html lang="ar" dir="rtl"`)
		changedTemplate(t, s, mail)
	})
}

// changedTemplate changes a template while the system runs: later events use it, and the standard one again after a reset.
func changedTemplate(t *testing.T, s *system.School, mail *system.Mail) {
	t.Helper()
	stored, err := s.Client.PutTemplate(t.Context(), spanish, wire.TemplateText{
		Subject: "Colegio: {{event.title}}", HTML: "<p>¡{{user.name}}!</p>{{event.body}}{{> button}}", Text: "¡{{user.name}}! {{event.body}}\n{{> link}}"})
	must(t, err)
	used := func(want bool, what string) {
		testenv.Eventually(t, time.Minute, func() error {
			if text := gala(t, s, mail, "es"); strings.Contains(text, "¡Inés Müller!") != want {
				return fmt.Errorf("the latest email is\n%s", text)
			}
			return nil
		}, "%s", what)
	}
	used(true, "the school's template is used")
	previewNames(t, s, "es", wire.PreviewedTemplate{Category: schoolbell.CategoryEvent, Locale: "es", Version: stored.Version})
	previewNames(t, s, "en", wire.PreviewedTemplate{Category: schoolbell.CategoryEvent, Locale: "en"})
	shows(t, gala(t, s, mail, "en"), "Dear Ada Lovelace,")
	must(t, s.Client.ResetTemplate(t.Context(), spanish))
	used(false, "the standard template is used again")
	previewNames(t, s, "es", wire.PreviewedTemplate{Category: schoolbell.CategoryEvent, Locale: "es"})
}

// previewNames expects the template that the preview of a message for a person names.
func previewNames(t *testing.T, s *system.School, user string, want wire.PreviewedTemplate) {
	t.Helper()
	testenv.Eventually(t, time.Minute, func() error {
		p, err := s.Client.PreviewEvent(t.Context(), galaFor(user), "", "")
		if err != nil {
			return err
		}
		if len(p.Shown) != 1 || p.Shown[0].Template == nil || *p.Shown[0].Template != want {
			return fmt.Errorf("it shows %+v", p.Shown)
		}
		return nil
	}, "the preview for %s names %+v", user, want)
}

// gala tells one person about an event in three languages, and returns the email.
func gala(t *testing.T, s *system.School, mail *system.Mail, user string) string {
	t.Helper()
	ev, err := s.Client.CreateEvent(t.Context(), galaFor(user))
	must(t, err)
	s.AwaitStatus(ev.ID, schoolbell.EventCompleted)
	return mail.Newest()
}

func galaFor(user string) wire.NewEvent {
	return wire.NewEvent{Title: "Swimming gala", Body: "Bring a towel.", Category: schoolbell.CategoryEvent,
		Texts: map[string]schoolbell.EventText{
			"es": {Title: "Festival de natación", Body: "Traed una toalla."},
			"ar": {Title: "مهرجان السباحة", Body: "يرجى إحضار منشفة."},
		},
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{user}}}, Channels: []schoolbell.Channel{schoolbell.ChannelEmail},
		StartsAt: wire.At(time.Date(2027, 6, 4, 7, 0, 0, 0, time.UTC))}
}
