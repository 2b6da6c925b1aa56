package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const changePeople = 60 // more than are delivered in place, in several claims

func TestEventChanges(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, func(t *testing.T, p system.Parts) {
		mail := system.NewMail(t)
		p.SMTP = mail.Addr()
		s := system.New(t, p)
		defer s.Start()()
		s.Import(changePeople)
		changeUnsent(t, s, mail)
		id := updateWhileSending(t, s, mail)
		retractCompleted(t, s, mail, id)
	})
}

// everyone is an event to everybody, by email.
func everyone(title string) wire.NewEvent {
	return wire.NewEvent{Title: title, Body: "Please come.", Channels: []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail},
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}}
}

func ptr[T any](v T) *T { return &v }

// statusOf returns the status of the problem that err is.
func statusOf(err error) int {
	var p *client.Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// changeUnsent changes a scheduled event, which is then sent at once as it is now.
func changeUnsent(t *testing.T, s *system.School, mail *system.Mail) {
	t.Helper()
	later := everyone("Draft")
	later.SendAt, later.Location = wire.At(time.Now().Add(time.Hour)), "Hall"
	ev, err := s.Client.CreateEvent(t.Context(), later)
	must(t, err)
	_, err = s.Client.ChangeEvent(t.Context(), ev.ID, wire.EventChange{Title: ptr("")})
	if statusOf(err) != http.StatusUnprocessableEntity {
		t.Errorf("a change to no title: %v", err)
	}
	_, err = s.Client.UpdateEvent(t.Context(), ev.ID, wire.EventChange{Title: ptr("x")})
	if statusOf(err) != http.StatusConflict {
		t.Errorf("an update of an event that was not sent: %v", err)
	}
	ev, err = s.Client.ChangeEvent(t.Context(), ev.ID, wire.EventChange{Title: ptr("Parents' evening"), Remove: []string{"send_at", "location"}})
	must(t, err)
	if ev.Revision != 1 || ev.Location != "" || !ev.SendAt.IsZero() || ev.Status != schoolbell.EventQueued {
		t.Errorf("the changed event is %+v", ev)
	}
	s.AwaitStatus(ev.ID, schoolbell.EventCompleted)
	for _, l := range mail.Letters(ev.ID) {
		if l.Subject != "Parents' evening" {
			t.Fatalf("%s got %q", l.User, l.Subject)
		}
	}
	if _, err = s.Client.ChangeEvent(t.Context(), ev.ID, wire.EventChange{Title: ptr("x")}); statusOf(err) != http.StatusConflict {
		t.Errorf("a change of an event that was sent: %v", err)
	}
	entries, err := s.Client.Audit(t.Context(), schoolbell.AuditFilter{Action: "event.change"}, client.Page{})
	must(t, err)
	if len(entries.Items) != 1 || fmt.Sprint(entries.Items[0].Changes["fields"]) != "[title location send_at]" {
		t.Errorf("the audit has %+v", entries.Items)
	}
}

// updateWhileSending updates an event of which some emails are taken and others are on their way, and returns its id.
func updateWhileSending(t *testing.T, s *system.School, mail *system.Mail) string {
	t.Helper()
	before := mail.Accepted()
	mail.HoldAfter(20)
	ev, err := s.Client.CreateEvent(t.Context(), everyone("Old"))
	must(t, err)
	testenv.Eventually(t, time.Minute, func() error {
		if n := mail.Accepted() - before; n != 20 {
			return fmt.Errorf("%d emails are taken", n)
		}
		return nil
	}, "the mail server holds emails")
	_, err = s.Client.UpdateEvent(t.Context(), ev.ID, wire.EventChange{Title: ptr("x"), SendAt: wire.At(time.Now())})
	if statusOf(err) != http.StatusUnprocessableEntity {
		t.Errorf("a change of the start of an event that is being sent: %v", err)
	}
	updated, err := s.Client.UpdateEvent(t.Context(), ev.ID, wire.EventChange{Title: ptr("New")})
	must(t, err)
	if updated.Revision != 1 || updated.Wave != 1 || updated.Title != "New" {
		t.Errorf("the updated event is %+v", updated)
	}
	mail.Release()
	awaitSubjects(t, mail, ev.ID, [][]string{{"New"}, {"Old", "Changed: New"}})
	s.AwaitStatus(ev.ID, schoolbell.EventCompleted)
	return ev.ID
}

// retractCompleted cancels a completed event, which everybody is told.
func retractCompleted(t *testing.T, s *system.School, mail *system.Mail, id string) {
	t.Helper()
	if _, err := s.Client.CancelEvent(t.Context(), id); statusOf(err) != http.StatusConflict {
		t.Errorf("a completed event was cancelled without telling anybody: %v", err)
	}
	ev, err := s.Client.RetractEvent(t.Context(), id)
	must(t, err)
	if ev.Status != schoolbell.EventCancelled || ev.Wave != 2 || ev.Revision != 2 {
		t.Errorf("the retracted event is %+v", ev)
	}
	awaitSubjects(t, mail, id, [][]string{{"New", "Cancelled: New"}, {"Old", "Changed: New", "Cancelled: New"}})
	items, err := s.Client.Inbox(t.Context(), system.Person(0), client.Page{})
	must(t, err)
	if len(items.Items) != 2 || items.Items[0].Title != "New" || !items.Items[0].Cancelled {
		t.Errorf("the inbox has %+v", items.Items)
	}
}

// awaitSubjects waits until everybody has got emails with one of the lists of subjects, in this order.
func awaitSubjects(t *testing.T, mail *system.Mail, event string, either [][]string) {
	t.Helper()
	testenv.Eventually(t, time.Minute, func() error {
		got := map[string][]string{}
		for _, l := range mail.Letters(event) {
			got[l.User] = append(got[l.User], l.Subject)
		}
		for i := range changePeople {
			if !slices.ContainsFunc(either, func(want []string) bool { return slices.Equal(want, got[system.Person(i)]) }) {
				return fmt.Errorf("%s got %q", system.Person(i), got[system.Person(i)])
			}
		}
		return nil
	}, "everybody gets one of %q", either)
}
