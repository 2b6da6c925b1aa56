package e2e

import (
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// An event whose text has every kind of line break is accepted, so it must reach people.
func TestLineBreaks(t *testing.T) {
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
			for body, stored := range map[string]string{
				"One\u2028two\u2029three":                "One\ntwo\nthree",
				"One\u0085two\vthree\ffour\rfive\r\nsix": "One\ntwo\nthree\nfour\nfive\nsix",
			} {
				created, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{
					Title:    "Sports day 👨\u200d👩\u200d👧",
					Body:     body,
					Location: "\u2068Main hall\u2069",
					Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}},
				})
				if err != nil {
					t.Errorf("%+q: %v", body, err)
					continue
				}
				if created.Body != stored {
					t.Errorf("%+q is stored as %+q, want %+q", body, created.Body, stored)
				}
				ev := s.AwaitStatus(created.ID, schoolbell.EventCompleted)
				want := schoolbell.ChannelProgress{Total: 3, Sent: 3}
				if got := ev.Progress.Channels[schoolbell.ChannelEmail]; got != want {
					t.Errorf("%+q, email: %+v, want %+v", body, got, want)
				}
			}
			serve.Stop()
		})
	}
}
