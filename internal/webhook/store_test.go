package webhook_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// TestStore holds both engines to what ledger.Webhooks promises. The promises about facts are in storetest.
func TestStore(t *testing.T) {
	t.Parallel()
	t.Run("webhooks come back as they were added", func(t *testing.T) { onBoth(t, nil, webhooksStored) })
	t.Run("facts are told once", func(t *testing.T) { onBoth(t, nil, webhookTold) })
	t.Run("attempts postpone, end and disable", func(t *testing.T) { onBoth(t, nil, webhookAttempts) })
	t.Run("one has the turn", func(t *testing.T) { onBoth(t, nil, webhookTurns) })
}

func (s *school) same(what string, got, want any) {
	s.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		s.t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func (s *school) wantCode(err error, want schoolbell.Code) {
	s.t.Helper()
	if schoolbell.CodeOf(err) != want {
		s.t.Errorf("%v, want %s", err, want)
	}
}

// add stores a webhook with an id.
func (s *school) add(id string, types ...schoolbell.WebhookType) schoolbell.Webhook {
	s.t.Helper()
	w := schoolbell.Webhook{ID: id, URL: "https://app.example/" + id, Types: types, Description: "Ours", Enabled: true,
		Secret: schoolbell.NewWebhookSecret(), CreatedAt: schoolbell.Time(time.Now())}
	s.must(s.Webhooks.AddWebhook(s.t.Context(), w))
	return w
}

// message returns a message of one fact about a user.
func (s *school) message(id, webhook string, user int64) ledger.WebhookMessage {
	at := schoolbell.Time(time.Now())
	return ledger.WebhookMessage{ID: id, WebhookID: webhook, Type: schoolbell.WebhookUserOptedOut, CreatedAt: at,
		Facts: []ledger.WebhookFact{{Type: schoolbell.WebhookUserOptedOut, At: at, User: user, Channel: schoolbell.ChannelEmail, Detail: "event"}}}
}

func webhooksStored(s *school) {
	w := s.add("a", schoolbell.WebhookTypes()...)
	got, err := s.Webhooks.Webhook(s.t.Context(), "a")
	s.must(err)
	s.same("webhook", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", w))
	s.same("secret", got.Secret.Reveal(), w.Secret.Reveal())
	next, until := schoolbell.NewWebhookSecret(), schoolbell.Time(time.Now().Add(time.Hour))
	rotated, err := s.Webhooks.RotateWebhook(s.t.Context(), "a", next, until)
	s.must(err)
	s.same("secrets", rotated.Secret.Reveal()+rotated.Previous.Reveal(), next.Reveal()+w.Secret.Reveal())
	s.same("until", rotated.PreviousUntil, until)
	changed, err := s.Webhooks.ChangeWebhook(s.t.Context(), "a", ledger.WebhookPatch{URL: new("https://b.example"), Types: schoolbell.WebhookTypes()[:1], Enabled: new(false)})
	s.must(err)
	s.same("changed", fmt.Sprint(changed.URL, changed.Types, changed.Description, changed.Enabled, changed.DisabledAt.IsZero()),
		"https://b.example[event.completed]Oursfalse false")
	changed, err = s.Webhooks.ChangeWebhook(s.t.Context(), "a", ledger.WebhookPatch{Description: new(""), Enabled: new(true)})
	s.must(err)
	s.same("changed", fmt.Sprint(changed.URL, changed.Description, changed.Enabled, changed.DisabledAt.IsZero()), "https://b.exampletrue true")
	s.must(s.Webhooks.RemoveWebhook(s.t.Context(), "a"))
	s.wantCode(s.Webhooks.RemoveWebhook(s.t.Context(), "a"), schoolbell.CodeNotFound)
	_, err = s.Webhooks.Webhook(s.t.Context(), "a")
	s.wantCode(err, schoolbell.CodeNotFound)
	for i := range schoolbell.MaxWebhooks {
		s.add(fmt.Sprint("w", i), schoolbell.WebhookEventCompleted)
	}
	s.wantCode(s.Webhooks.AddWebhook(s.t.Context(), w), schoolbell.CodeConflict)
}

func webhookTold(s *school) {
	s.add("a", schoolbell.WebhookUserOptedOut)
	s.add("off", schoolbell.WebhookUserOptedOut)
	_, err := s.Webhooks.ChangeWebhook(s.t.Context(), "off", ledger.WebhookPatch{Enabled: new(false)})
	s.must(err)
	user := s.optOut()
	facts := s.work().Facts
	s.same("facts", len(facts), 1)
	m := s.message("m1", "a", facts[0].User)
	s.must(s.Webhooks.PutWebhookMessages(s.t.Context(), []ledger.WebhookMessage{m, s.message("m2", "off", facts[0].User)}, facts, nil))
	s.wantCode(s.Webhooks.PutWebhookMessages(s.t.Context(), []ledger.WebhookMessage{s.message("m3", "a", 1)}, facts, nil), schoolbell.CodeConflict)
	work := s.work()
	s.same("facts left", len(work.Facts), 0)
	s.same("webhooks", len(work.Webhooks), 2)
	s.same("due", work.Due, []ledger.WebhookMessage{m})
	s.same("users", work.Users, map[int64]string{facts[0].User: user})
	s.must(s.People.DeleteUser(s.t.Context(), user))
	s.same("users", s.work().Users, map[int64]string{facts[0].User: fmt.Sprint("#", facts[0].User)})
}

func webhookAttempts(s *school) {
	s.add("a", schoolbell.WebhookUserOptedOut)
	s.must(s.Webhooks.PutWebhookMessages(s.t.Context(), []ledger.WebhookMessage{s.message("m1", "a", 0), s.message("m2", "a", 0)}, nil, nil))
	at := schoolbell.Time(time.Now())
	record := func(id string, n, status int, fault string, r ledger.WebhookResult) schoolbell.WebhookAttempt {
		s.t.Helper()
		a := schoolbell.WebhookAttempt{WebhookID: "a", MessageID: id, Type: schoolbell.WebhookUserOptedOut, Number: n, At: at,
			Duration: 12 * time.Millisecond, Status: status, Error: fault}
		s.must(s.Webhooks.RecordWebhookAttempt(s.t.Context(), a, r))
		return a
	}
	webhook := func() schoolbell.Webhook {
		s.t.Helper()
		w, err := s.Webhooks.Webhook(s.t.Context(), "a")
		s.must(err)
		return w
	}
	waiting := func(want int) {
		s.t.Helper()
		n, err := s.Webhooks.WaitingWebhookMessages(s.t.Context(), "a")
		s.must(err)
		s.same("waiting messages", n, want)
	}
	waiting(2)
	first := record("m1", 1, 500, "the receiver replied 500", ledger.WebhookResult{NextAt: at.Add(time.Hour)})
	s.same("failing since", webhook().FailingSince, at)
	due := s.work().Due
	s.same("due", fmt.Sprint(len(due), due[0].ID), "1m2")
	second := record("m1", 2, 0, "no reply in time", ledger.WebhookResult{NextAt: at.Add(-time.Second)})
	for _, m := range s.work().Due {
		s.same("attempts of "+m.ID, m.Attempts, map[string]int{"m1": 2, "m2": 0}[m.ID])
	}
	waiting(2)
	third := record("m1", 3, 204, "", ledger.WebhookResult{Ended: true})
	waiting(1)
	s.same("failing", webhook().FailingSince.IsZero(), true)
	s.must(s.Webhooks.RecordWebhookAttempt(s.t.Context(), schoolbell.WebhookAttempt{WebhookID: "a", MessageID: "t", Type: schoolbell.WebhookTest, Number: 1, At: at, Error: "no"}, ledger.WebhookResult{Ended: true}))
	s.same("failing by a test", webhook().FailingSince.IsZero(), true)
	list, err := s.Webhooks.WebhookAttempts(s.t.Context(), "a", 0, 10)
	s.must(err)
	older, err := s.Webhooks.WebhookAttempts(s.t.Context(), "a", list[0].Seq, 3)
	s.must(err)
	for i, want := range []schoolbell.WebhookAttempt{third, second, first} {
		want.Seq = older[i].Seq
		s.same("attempt", older[i], want)
	}
	disabling := func() *ledger.Change {
		return ledger.NewChange(schoolbell.AuditEntry{At: at, Actor: schoolbell.Actor{Kind: schoolbell.ActorSystem}, Action: "webhook.disable", Target: schoolbell.Target{Kind: "webhook", ID: "a"}})
	}
	for range 2 {
		gone := schoolbell.WebhookAttempt{WebhookID: "a", MessageID: "m2", Type: schoolbell.WebhookUserOptedOut, Number: 1, At: at, Status: 410, Error: "gone"}
		s.must(s.Webhooks.RecordWebhookAttempt(ledger.WithChange(s.t.Context(), disabling()), gone, ledger.WebhookResult{Ended: true, Disable: schoolbell.WebhookGone}))
	}
	entries, err := s.Reports.AuditEntries(s.t.Context(), schoolbell.AuditFilter{Action: "webhook.disable"}, "", 10)
	s.must(err)
	w := webhook()
	s.same("disabled", fmt.Sprint(w.Enabled, w.DisabledReason, w.DisabledAt.IsZero()), "falsegonefalse")
	s.same("due of a disabled webhook", len(s.work().Due), 0)
	s.same("entries of the audit", len(entries), 1)
	w, err = s.Webhooks.ChangeWebhook(s.t.Context(), "a", ledger.WebhookPatch{Enabled: new(true)})
	s.must(err)
	s.same("enabled", fmt.Sprint(w.Enabled, w.DisabledReason, w.DisabledAt.IsZero(), w.FailingSince.IsZero()), "truetrue true")
}

func webhookTurns(s *school) {
	take := func(holder string, length time.Duration) bool {
		s.t.Helper()
		taken, err := s.Webhooks.TakeWebhookTurn(s.t.Context(), holder, length)
		s.must(err)
		return taken
	}
	s.same("there is none without webhooks", take("a", time.Hour), false)
	s.add("w", schoolbell.WebhookUserOptedOut)
	s.same("the first one gets it", take("a", time.Hour), true)
	s.same("another does not", take("b", time.Hour), false)
	s.must(s.Webhooks.EndWebhookTurn(s.t.Context(), "b"))
	s.same("another cannot end it", take("b", time.Hour), false)
	s.same("the first one extends it", take("a", time.Hour), true)
	s.must(s.Webhooks.EndWebhookTurn(s.t.Context(), "a"))
	s.same("another gets it after its end", take("b", 0), true)
	s.same("others get it when its time is over", take("a", time.Hour), true)
}
