package e2e

import (
	"fmt"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// What a person chooses through the API decides about the next message.
func TestChosen(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{SMTP: mail.Addr()})
	serve := s.Serve()
	defer serve.Stop()
	s.AwaitReady()
	_, _, err := s.Client.PutUser(t.Context(), schoolbell.User{ID: "anne", Name: "Anne", Email: "anne@people.hill.example", Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	now := time.Now().UTC()
	clock := func(d time.Duration) schoolbell.ClockTime { return schoolbell.ClockTime(now.Add(d).Format("15:04")) }
	_, err = s.Client.PutSchedule(t.Context(), "anne", schoolbell.Schedule{QuietHours: schoolbell.QuietHours{From: clock(-time.Hour), To: clock(3 * time.Hour)}})
	must(t, err)
	_, err = s.Client.PutPreferences(t.Context(), "anne", schoolbell.Preference{Category: "event", Channel: "email", Mode: schoolbell.ModeDigest})
	must(t, err)
	for _, c := range []struct {
		category schoolbell.Category
		want     string
	}{{"announcement", "pending quiet_hours"}, {"urgent", "sent "}, {"event", "suppressed in_digest"}} {
		ev, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "For Anne", Body: "Hello.", Category: c.category,
			Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"anne"}}}})
		must(t, err)
		testenv.Eventually(t, time.Minute, func() error {
			page, err := s.Client.Deliveries(t.Context(), ev.ID, schoolbell.DeliveryFilter{Channel: schoolbell.ChannelEmail}, client.Page{})
			if err != nil || len(page.Deliveries) != 1 {
				return fmt.Errorf("%+v: %w", page, err)
			}
			if got := string(page.Deliveries[0].Status) + " " + page.Deliveries[0].Reason; got != c.want {
				return fmt.Errorf("the email is %s", got)
			}
			return nil
		}, "%s: the email is %s", c.category, c.want)
	}
}
