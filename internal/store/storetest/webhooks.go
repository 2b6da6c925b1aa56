package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var webhooks = []promise{
	{"Facts are noted while an enabled webhook wants them", webhookFactsWanted},
	{"Each end, bounce, suppression and opt-out is a fact", webhookFactsKinds},
	{"FailedDeliveries pages through those of an event", webhookFailures},
	{"A delivery that fails after the end of its event is a fact", webhookLateFailures},
	{"Attempts and unsent messages are removed when they are old", webhookRemovals},
}

func (s *testStore) webhook(id string, types ...schoolbell.WebhookType) {
	s.t.Helper()
	w := schoolbell.Webhook{ID: id, URL: "https://app.example/" + id, Types: types, Description: "Ours", Enabled: true,
		Secret: schoolbell.NewWebhookSecret(), CreatedAt: schoolbell.Time(time.Now())}
	s.must(s.Webhooks.AddWebhook(s.ctx(), w))
}

func (s *testStore) work() ledger.WebhookWork {
	s.t.Helper()
	w, err := s.Webhooks.WebhookWork(s.ctx(), 100, 10)
	s.must(err)
	return w
}

// facts returns the facts as texts, and forgets them.
func (s *testStore) facts() (texts []string) {
	s.t.Helper()
	found := s.work().Facts
	for _, f := range found {
		if since := time.Since(f.At); since > time.Hour || since < -time.Hour {
			s.t.Errorf("%s happened at %v", f.Type, f.At)
		}
		texts = append(texts, strings.TrimSpace(fmt.Sprintln(f.Type, f.Channel, f.Detail)))
	}
	s.must(s.Webhooks.PutWebhookMessages(s.ctx(), nil, found, nil))
	return texts
}

func webhookFactsWanted(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	s.ended(10)
	same(t, "facts without webhooks", len(s.facts()), 0)
	s.webhook("bounces", schoolbell.WebhookDeliveryBounced)
	s.ended(10)
	same(t, "facts that no webhook wants", len(s.facts()), 0)
	s.webhook("ends", schoolbell.WebhookEventCompleted)
	s.ended(10)
	same(t, "facts", s.facts(), []string{"event.completed  completed"})
	_, err := s.Webhooks.ChangeWebhook(s.ctx(), "ends", ledger.WebhookPatch{Enabled: new(false)})
	s.must(err)
	s.ended(10)
	same(t, "facts that a disabled webhook wants", len(s.facts()), 0)
	s.webhook("failures", schoolbell.WebhookDeliveryFailed)
	s.ended(10)
	same(t, "facts that failures are found by", s.facts(), []string{"event.completed  completed"})
}

func webhookFactsKinds(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(4)
	s.webhook("all", schoolbell.WebhookTypes()...)
	id := s.create(newEvent(toStudents()))
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	same(t, "facts of a cancelled event", s.facts(), []string{"event.cancelled  cancelled"})
	_, err = s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	same(t, "facts of an event that is cancelled again", len(s.facts()), 0)

	id = s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 10, 10)
	l := s.lease()
	to := s.advance(l, batches[0], nil, 10).Recipients
	s.advance(l, batches[0], attempts(to, schoolbell.DeliverySent), 0)
	bounced := receipt("r1", id, to[0], schoolbell.ReceiptBounced)
	bounced.Address = userID(0) + "@example.org"
	s.receive(1, bounced)
	s.receive(0, bounced)
	s.receive(2, receipt("r2", id, to[1], schoolbell.ReceiptDelivered), receipt("r3", id, to[2], schoolbell.ReceiptComplained))
	same(t, "facts of receipts", s.facts(), []string{"delivery.bounced email bounced", "address.suppressed email bounced", "delivery.bounced email complained"})

	_, err = s.Suppressions.Suppress(s.ctx(), schoolbell.ChannelEmail, userID(3)+"@example.org", "asked")
	s.must(err)
	same(t, "facts of a suppression", s.facts(), []string{"address.suppressed email stopped"})

	for _, mode := range []schoolbell.Mode{schoolbell.ModeOff, schoolbell.ModeOff, schoolbell.ModeInstant, schoolbell.ModeOff} {
		s.must(s.People.PutPreferences(s.ctx(), userID(1), []schoolbell.Preference{{Category: schoolbell.CategoryReminder, Channel: schoolbell.ChannelEmail, Mode: mode}}))
	}
	same(t, "facts of preferences", s.facts(), []string{"user.opted_out email reminder", "user.opted_out email reminder"})
}

func webhookFailures(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(7)
	s.webhook("a", schoolbell.WebhookDeliveryFailed)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelInApp, schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 10, 10)
	l := s.lease()
	for _, b := range batches {
		s.deliver(l, b, schoolbell.DeliveryFailed)
	}
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	fact := s.work().Facts[0]
	same(t, "event", fact.EventID, id)
	var users []string
	for pages := 0; ; pages++ {
		page, err := s.Webhooks.FailedDeliveries(s.ctx(), fact, 3)
		s.must(err)
		for _, f := range page {
			same(t, "fact", fmt.Sprint(f.Type, f.EventID, f.Wave, f.Channel, f.Detail, f.At.IsZero()), fmt.Sprint("delivery.failed", id, 0, "email", "failed", false))
			users = append(users, fmt.Sprint(f.User))
		}
		if len(page) < 3 {
			same(t, "pages", pages, 2)
			break
		}
		last := page[2]
		next := ledger.WebhookFact{Seq: fact.Seq, Type: schoolbell.WebhookDeliveryFailed, Wave: last.Wave, Channel: last.Channel, User: last.User}
		s.must(s.Webhooks.PutWebhookMessages(s.ctx(), nil, []ledger.WebhookFact{fact}, &next))
		fact = s.work().Facts[0]
		same(t, "place", fmt.Sprint(fact.Type, fact.Channel, fact.User, fact.Page, fact.EventID), fmt.Sprint(next.Type, next.Channel, next.User, true, id))
	}
	same(t, "users", len(users), 7)
	gone, err := s.Webhooks.FailedDeliveries(s.ctx(), ledger.WebhookFact{EventID: "gone"}, 3)
	s.must(err)
	same(t, "failures of an event that is gone", len(gone), 0)
}

// message returns a message of one fact about a user.
func (s *testStore) message(id, webhook string, user int64) ledger.WebhookMessage {
	return ledger.WebhookMessage{ID: id, WebhookID: webhook, Type: schoolbell.WebhookUserOptedOut, CreatedAt: schoolbell.Time(time.Now()),
		Facts: []ledger.WebhookFact{{Type: schoolbell.WebhookUserOptedOut, At: schoolbell.Time(time.Now()), User: user, Channel: schoolbell.ChannelEmail, Detail: "event"}}}
}

func webhookRemovals(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.webhook("a", schoolbell.WebhookUserOptedOut)
	for i := range 5 {
		id := fmt.Sprint("m", i)
		s.must(s.Webhooks.PutWebhookMessages(s.ctx(), []ledger.WebhookMessage{s.message(id, "a", 0)}, nil, nil))
		a := schoolbell.WebhookAttempt{WebhookID: "a", MessageID: id, Type: schoolbell.WebhookUserOptedOut, Number: 1, At: time.Now(), Status: 500, Error: "no"}
		s.must(s.Webhooks.RecordWebhookAttempt(s.ctx(), a, ledger.WebhookResult{NextAt: time.Now()}))
	}
	early := time.Now().Add(-time.Hour)
	for _, kind := range []ledger.Kept{ledger.KeptAttempts, ledger.KeptMessages} {
		same(t, "young rows removed", s.removeAll(kind, early, 2), 0)
		same(t, "old rows removed", s.removeAll(kind, later(), 2), 5)
	}
}

// A message comes back before its event has ended, and after that.
func webhookLateFailures(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for _, late := range []bool{false, true} {
		id, batches, l, to := s.household(3, 3)
		s.ask(l, batches[0], append(attempts(to[:1], schoolbell.DeliverySent), follow(to[1:], to[0].Seq)...), 10)
		s.ask(l, batches[0], nil, 10)
		s.webhook(fmt.Sprint(late), schoolbell.WebhookDeliveryFailed)
		end := func() {
			_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
			s.must(err)
		}
		var want []string
		if late {
			end()
			want = []string{"event.completed  completed"}
		}
		bounced := receipt(id, id, to[0], schoolbell.ReceiptBounced)
		s.receive(1, bounced)
		s.receive(0, bounced)
		if late {
			want = append(want, "delivery.failed email failed", "delivery.failed email failed")
		} else {
			end()
			want = append(want, "event.completed  completed")
		}
		found := s.work().Facts
		same(t, fmt.Sprintf("facts, late %v", late), s.facts(), want)
		if late {
			same(t, "event, user and place", fmt.Sprint(found[1].EventID, found[1].User, found[1].Page), fmt.Sprint(id, to[1].Seq, false))
		}
		page, err := s.Webhooks.FailedDeliveries(s.ctx(), found[0], 10)
		s.must(err)
		same(t, "failed deliveries", len(page), 2)
	}
}
