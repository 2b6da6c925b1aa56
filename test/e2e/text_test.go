package e2e

import (
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// An event whose text has every kind of line break is accepted, so it must reach people.
func TestTextWithAnyLineBreakIsSent(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(testing.TB) string{
		"SQLite":     func(testing.TB) string { return "" },
		"PostgreSQL": testenv.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mail := system.NewMail(t)
			parts := system.Parts{Database: database(t), SMTP: mail.Addr()}
			s := system.New(t, parts)
			serve := s.Serve()
			s.AwaitReady()
			s.Import(3)
			created, err := s.Client.CreateEvent(t.Context(), client.NewEvent{
				Title:    "Sports day 👨\u200d👩\u200d👧",
				Body:     "One\u2028two\u2029three\u0085four\vfive\fsix\rseven\r\neight",
				Location: "\u2068Main hall\u2069",
				Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := "One\ntwo\nthree\nfour\nfive\nsix\nseven\neight"; created.Body != want {
				t.Errorf("the body is stored as %q, want %q", created.Body, want)
			}
			ev := s.AwaitStatus(created.ID, schoolbell.EventCompleted)
			want := schoolbell.ChannelProgress{Total: 3, Sent: 3}
			if got := ev.Progress.Channels[schoolbell.ChannelEmail]; got != want {
				t.Errorf("email: %+v, want %+v", got, want)
			}
			serve.Stop()
		})
	}
}
