package fault

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

const (
	takeover = 90 * time.Second // far longer than the turn of a dead process lasts
	inFlight = 4                // requests to one webhook at once
)

// TestWebhookKill kills all processes while a receiver has messages and has not replied.
func TestWebhookKill(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		killWebhookSender(t, system.Parts{}, false)
	})
	t.Run("PostgreSQL with a worker", func(t *testing.T) {
		t.Parallel()
		killWebhookSender(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t)}, true)
	})
}

func killWebhookSender(t *testing.T, parts system.Parts, worker bool) {
	const people, events = 20, 12
	parts.SMTP = system.NewMail(t).Addr()
	parts.Settings = []string{"OUTBOUND_ALLOW=127.0.0.1/32"}
	s := system.New(t, parts)
	start := func() (all []*system.Process) {
		all = append(all, s.Serve())
		if worker {
			all = append(all, s.Worker("one"))
		}
		return all
	}
	first := start()
	s.Import(people)
	r := system.NewReceiver(t)
	r.Subscribe(s, schoolbell.WebhookEventCompleted)
	r.Hold()
	want := map[string]bool{}
	for range events {
		want[s.Create().ID] = true
	}
	for id := range want {
		s.AwaitStatus(id, schoolbell.EventCompleted)
	}
	testenv.Eventually(t, takeover, func() bool { return len(r.Messages()) > 0 }, "the receiver has messages")
	for _, p := range first {
		p.Kill()
	}
	unanswered := len(r.Messages())
	r.Release()
	second := start()
	told, repeats := map[string]string{}, 0
	testenv.Eventually(t, takeover, func() bool {
		clear(told)
		repeats = 0
		for _, m := range r.Messages() {
			if told[m.Data.EventID] != "" {
				repeats++
			}
			if known := told[m.Data.EventID]; known != "" && known != m.ID || !want[m.Data.EventID] {
				t.Errorf("event %s is told by %s and %s", m.Data.EventID, known, m.ID)
			}
			told[m.Data.EventID] = m.ID
		}
		return len(told) == events && repeats >= unanswered
	}, "all events are told, and those without a reply again")
	if repeats > inFlight {
		t.Errorf("%d messages were sent again, but only %d can have been without a reply", repeats, inFlight)
	}
	for _, p := range second {
		p.Stop()
	}
}
