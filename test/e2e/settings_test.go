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

func TestSettings(t *testing.T) {
	t.Parallel()
	t.Run("a running server writes emails by the new settings", func(t *testing.T) {
		t.Parallel()
		mail := system.NewMail(t)
		s := system.New(t, system.Parts{SMTP: mail.Addr(), Settings: []string{"SCHOOL_NAME=Hill", "SCHOOL_TIMEZONE=Europe/London"}})
		serve := s.Serve()
		s.Import(1)
		shows(t, lesson(t, s, mail), "because Hill has this address", "4 June 2027, 08:00\n")
		s.Does("settings", "set", "name=Hill School", "timezone=Asia/Tokyo", "signature=Kind regards,\nthe office", "language=pt")
		shows(t, lesson(t, s, mail), "because Hill School has this address", "4 June 2027, 16:00\n", "Kind regards,\nthe office", `<html lang="pt"`)
		serve.Stop()
	})
	for engine, database := range map[string]func(t *testing.T) string{
		"SQLite":     func(*testing.T) string { return "" },
		"PostgreSQL": func(t *testing.T) string { return testenv.Postgres(t) },
	} {
		t.Run("a worker of its own writes by the new settings, on "+engine, func(t *testing.T) {
			t.Parallel()
			mail := system.NewMail(t)
			s := system.New(t, system.Parts{Database: database(t), Redis: testenv.Redis(t), SMTP: mail.Addr(), Settings: []string{"SCHOOL_NAME=Hill"}})
			serve := s.Serve()
			worker := s.LaunchWith([]string{"SCHOOL_NAME=Elsewhere"}, "one", "worker")
			worker.Await("Worker one is running and waits for jobs")
			s.AwaitReady()
			s.Import(1)
			shows(t, lesson(t, s, mail), "because Hill has this address", "07:00 (UTC)")
			worker.Await("setting=SCHOOL_NAME ignored=Elsewhere ledger=Hill")
			s.Does("settings", "set", "name=Hill School", "timezone=Asia/Tokyo")
			testenv.Eventually(t, time.Minute, func() error {
				if text := lesson(t, s, mail); !strings.Contains(text, "because Hill School has this address") || !strings.Contains(text, ", 16:00\n") {
					return fmt.Errorf("the latest email is\n%s", text)
				}
				return nil
			}, "the worker uses the new settings")
			worker.Stop()
			serve.Stop()
		})
	}
	t.Run("a worker that starts first does not give the first values", func(t *testing.T) {
		t.Parallel()
		mail := system.NewMail(t)
		s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: mail.Addr()})
		worker := s.Worker("one")
		serve := s.LaunchWith([]string{"SCHOOL_NAME=Hill", "SCHOOL_LANGUAGE=pt", "SCHOOL_TIMEZONE=Europe/Lisbon"}, "serve", "serve")
		serve.Await(" serves " + s.URL)
		got, err := s.Client.Settings(t.Context())
		if err != nil || got.Name != "Hill" || got.Language != "pt" || got.Timezone != "Europe/Lisbon" || got.Version != 1 {
			t.Errorf("the settings are %+v, %v", got, err)
		}
		if strings.Contains(worker.Output()+serve.Output(), "is ignored") {
			t.Error("a first value is called ignored")
		}
		worker.Stop()
		serve.Stop()
	})
}

// lesson creates an event with a time for everybody and returns the newest email, which is
// about it.
func lesson(t *testing.T, s *system.School, mail *system.Mail) string {
	t.Helper()
	ev, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "Swimming lesson", Body: "Bring a towel.",
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}},
		StartsAt: wire.At(time.Date(2027, 6, 4, 7, 0, 0, 0, time.UTC))})
	must(t, err)
	s.AwaitStatus(ev.ID, schoolbell.EventCompleted)
	return mail.Newest()
}

func shows(t *testing.T, email string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(email, text) {
			t.Errorf("the email lacks %q:\n%s", text, email)
		}
	}
}
