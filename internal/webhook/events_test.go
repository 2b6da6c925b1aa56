package webhook_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	t.Run("the end of an event and its failures are told", testEventsFailed)
	t.Run("a cancelled event is told", testEventsCancelled)
	t.Run("an event that was removed is not told", testEventsRemoved)
}

// event creates an event for n people by email.
func (s *school) event(n int) (id string) {
	s.t.Helper()
	var users []*schoolbell.User
	for i := range n {
		users = append(users, &schoolbell.User{ID: fmt.Sprint("p", i), Name: "Grace", Email: fmt.Sprintf("p%d@example.org", i), Roles: []schoolbell.Role{schoolbell.RoleParent}})
	}
	_, err := s.People.PutUsers(s.t.Context(), users)
	s.must(err)
	id = fmt.Sprint("event-", n)
	ev := &schoolbell.Event{ID: id, Title: "Sports day", Body: "Moved.", Category: schoolbell.CategoryAnnouncement, Status: schoolbell.EventQueued,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}, Channels: []schoolbell.Channel{schoolbell.ChannelEmail}, CreatedAt: time.Now()}
	_, _, err = s.Ledger.Events.CreateEvent(s.t.Context(), ev, nil, ledger.Idempotency{})
	s.must(err)
	return id
}

// fail makes every delivery of an event fail, and completes it.
func (s *school) fail(id string) {
	s.t.Helper()
	wave := ledger.WaveRef{EventID: id}
	lease, err := s.Leases.OpenLease(s.t.Context(), "test", time.Hour)
	s.must(err)
	for done := false; !done; {
		step, err := s.FanOuts.FanOut(s.t.Context(), wave, 1_000, 100)
		s.must(err)
		for _, b := range step.Batches {
			var attempts []ledger.Attempt
			for {
				grants, err := s.Deliveries.Advance(s.t.Context(), []ledger.Step{{Lease: lease, Batch: b, Attempts: attempts, Claim: 100}})
				s.must(err)
				s.must(grants[0].Err)
				if len(grants[0].Recipients) == 0 {
					break
				}
				attempts = nil
				for _, r := range grants[0].Recipients {
					attempts = append(attempts, ledger.Attempt{Seq: r.Seq, Status: schoolbell.DeliveryFailed, Spent: 1, Reason: "550 no such person Grace"})
				}
			}
		}
		done = step.Done
	}
	_, err = s.Waves.FinishWave(s.t.Context(), wave)
	s.must(err)
}

func testEventsFailed(t *testing.T) {
	const people = 1_230 // more pages than are told at once
	onBoth(t, nil, func(s *school) {
		both, ends := newReceiver(s.t, 204), newReceiver(s.t, 204)
		s.hook(both.URL, schoolbell.WebhookEventCompleted, schoolbell.WebhookDeliveryFailed)
		s.hook(ends.URL, schoolbell.WebhookEventCompleted)
		id := s.event(people)
		s.fail(id)
		s.run(s.service)
		failed := func() (users []string) {
			for _, m := range both.all() {
				for _, d := range m.message.Data.Deliveries {
					if d.EventID != id || d.Channel != schoolbell.ChannelEmail || d.Status != "failed" || d.At.IsZero() {
						s.t.Errorf("delivery %+v", d)
					}
					users = append(users, d.UserID)
				}
			}
			return users
		}
		s.eventually("all failures are told", func() bool { return len(failed()) >= people })
		s.eventually("the end is told", func() bool { return len(ends.all()) == 1 && len(s.work().Due) == 0 })
		users := failed()
		slices.Sort(users)
		if n := len(slices.Compact(users)); n != people || len(users) != people {
			s.t.Errorf("%d failures of %d people are told", len(users), n)
		}
		if n := len(both.all()); n != 1+(people+49)/50 {
			s.t.Errorf("there were %d messages", n)
		}
		d := ends.all()[0].message.Data
		if d.EventID != id || d.Status != schoolbell.EventCompleted || d.At.IsZero() || d.Progress.Channels[schoolbell.ChannelEmail].Failed != people {
			s.t.Errorf("the end is told as %s", ends.all()[0].body)
		}
	})
}

func testEventsCancelled(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 204)
		s.hook(r.URL, schoolbell.WebhookEventCancelled)
		id := s.event(1)
		_, err := s.Ledger.Events.CancelEvent(s.t.Context(), id)
		s.must(err)
		s.run(s.service)
		s.eventually("it is told", func() bool { return len(r.all()) == 1 })
		if m := r.all()[0].message; m.Type != schoolbell.WebhookEventCancelled || m.Data.EventID != id || m.Data.Status != schoolbell.EventCancelled {
			s.t.Errorf("message %+v", m)
		}
	})
}

func testEventsRemoved(t *testing.T) {
	onBoth(t, nil, func(s *school) {
		r := newReceiver(s.t, 204)
		s.hook(r.URL, schoolbell.WebhookEventCompleted, schoolbell.WebhookDeliveryFailed, schoolbell.WebhookUserOptedOut)
		id := s.event(1)
		s.fail(id)
		later := time.Now().Add(time.Hour)
		for _, kind := range []ledger.Kept{ledger.KeptDeliveries, ledger.KeptEvents} {
			_, err := s.Retention.RemoveOld(s.t.Context(), kind, later, ledger.RemovalCursor{}, 100)
			s.must(err)
		}
		s.optOut()
		s.run(s.service)
		s.eventually("what came later is told", func() bool { return len(r.all()) == 1 })
		if m := r.all()[0].message; m.Type != schoolbell.WebhookUserOptedOut || len(s.work().Facts) != 0 {
			s.t.Errorf("message %+v", m)
		}
	})
}
