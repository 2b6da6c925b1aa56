package e2e

import (
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

func TestWebhook(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, func(t *testing.T, parts system.Parts) {
		s := newWebhookSchool(t, parts)
		running := s.StartProcesses()
		usesWebhook(t, s)
		for _, p := range running {
			p.Stop()
			wantNoSecret(t, p.Output())
		}
	})
}

func newWebhookSchool(t *testing.T, parts system.Parts) *system.School {
	t.Helper()
	parts.SMTP = system.NewMail(t).Addr()
	parts.Settings = append(parts.Settings, "OUTBOUND_ALLOW=127.0.0.1/32", "LOG_LEVEL=debug")
	return system.New(t, parts)
}

func wantNoSecret(t *testing.T, output string) {
	t.Helper()
	if strings.Contains(output, "whsec_") || output == "" {
		t.Errorf("the log has a secret, or nothing:\n%s", output)
	}
}

func usesWebhook(t *testing.T, s *system.School) {
	const people, events = 30, 5
	s.Import(people)
	r := system.NewReceiver(t)
	w := r.Subscribe(s, schoolbell.WebhookEventCompleted)
	told := map[string]string{} // id of the message by that of the event
	var ids []string
	for range events {
		ids = append(ids, s.Create().ID)
	}
	testenv.Eventually(t, time.Minute, func() bool {
		for _, m := range r.Messages() {
			d := m.Data
			if d.Status != schoolbell.EventCompleted || d.Progress.Channels[schoolbell.ChannelEmail].Sent != people {
				t.Errorf("message %+v", m)
			}
			if known, ok := told[d.EventID]; ok && known != m.ID {
				t.Errorf("event %s is told by %s and %s", d.EventID, known, m.ID)
			}
			told[d.EventID] = m.ID
		}
		return len(told) == events
	}, "all events are told")
	for _, id := range ids {
		if told[id] == "" {
			t.Errorf("event %s is not told", id)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"webhook", "list"}, "enabled"},
		{[]string{"webhook", "test", w.ID}, "The receiver replied 204"},
		{[]string{"webhook", "attempts", w.ID}, "event.completed"},
		{[]string{"webhook", "attempts", w.ID, "--limit", "1"}, "webhook.test"},
		{[]string{"webhook", "disable", w.ID}, "disabled"},
		{[]string{"webhook", "enable", w.ID}, "enabled"},
		{[]string{"webhook", "rotate", w.ID}, "Secret, shown only this once: whsec_"},
		{[]string{"webhook", "remove", w.ID}, "is removed"},
		{[]string{"webhook", "list"}, "No webhooks."},
		{[]string{"audit", "--action", "webhook.rotate"}, "webhook:" + w.ID},
		{[]string{"config"}, "OUTBOUND_ALLOW"},
	} {
		if out := s.Does(c.args...); !strings.Contains(out, c.want) || strings.Contains(out, w.Secret) {
			t.Errorf("%v said %s", c.args, out)
		}
	}
}
