package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/wire"
)

func TestWebhooks(t *testing.T) {
	t.Parallel()
	t.Run("a webhook lives and its secret shows once", testWebhooksLife)
	t.Run("invalid requests are rejected", testWebhooksInvalid)
	t.Run("a test message is sent at once", testWebhooksTest)
	t.Run("there is a limit", testWebhooksLimit)
}

// hook creates a webhook for ended events.
func (s *server) hook(url string) *wire.Webhook {
	s.t.Helper()
	w, err := s.AddWebhook(s.t.Context(), wire.NewWebhook{URL: url, Types: []schoolbell.WebhookType{schoolbell.WebhookEventCompleted}, Description: "Our app"})
	must(s.t, err)
	return w
}

func testWebhooksLife(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	w := s.hook("https://app.example/hooks")
	if _, err := schoolbell.ParseWebhookSecret(w.Secret); err != nil || !w.Enabled || w.Description != "Our app" || w.CreatedAt.IsZero() {
		t.Errorf("created %+v, %v", w, err)
	}
	rotated, err := s.RotateWebhook(t.Context(), w.ID)
	must(t, err)
	if _, err := schoolbell.ParseWebhookSecret(rotated.Secret); err != nil || rotated.Secret == w.Secret || rotated.PreviousUntil.IsZero() {
		t.Errorf("rotated %+v, %v", rotated, err)
	}
	changed, err := s.ChangeWebhook(t.Context(), w.ID, wire.WebhookChange{URL: new("https://new.example/x"), Enabled: new(false)})
	must(t, err)
	if changed.Enabled || changed.URL != "https://new.example/x" || changed.Description != "Our app" || len(changed.Types) != 1 || changed.DisabledAt.IsZero() {
		t.Errorf("changed to %+v", changed)
	}
	again, err := s.ChangeWebhook(t.Context(), w.ID, wire.WebhookChange{Enabled: new(true), Description: new(""), Types: schoolbell.WebhookTypes()})
	must(t, err)
	if !again.Enabled || again.Description != "" || len(again.Types) != len(schoolbell.WebhookTypes()) || !again.DisabledAt.IsZero() {
		t.Errorf("changed to %+v", again)
	}
	for _, path := range []string{"", "/" + w.ID, "/" + w.ID + "/attempts"} {
		a := s.raw("GET", "/v1/webhooks"+path, "")
		if a.StatusCode != http.StatusOK || strings.Contains(a.body, "whsec_") || strings.Contains(a.body, "hidden") {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	must(t, s.RemoveWebhook(t.Context(), w.ID))
	wantProblem(t, s.RemoveWebhook(t.Context(), w.ID), 404, "not_found", "")
	for _, call := range []func() error{
		func() error { _, err := s.Webhook(t.Context(), w.ID); return err },
		func() error { _, err := s.RotateWebhook(t.Context(), w.ID); return err },
		func() error { _, err := s.TestWebhook(t.Context(), w.ID); return err },
		func() error { _, err := s.WebhookAttempts(t.Context(), w.ID, client.Page{}); return err },
		func() error { _, err := s.ChangeWebhook(t.Context(), w.ID, wire.WebhookChange{}); return err },
	} {
		wantProblem(t, call(), 404, "not_found", "")
	}
	if log := s.log.String(); strings.Contains(log, strings.TrimPrefix(w.Secret, "whsec_")) || strings.Contains(log, strings.TrimPrefix(rotated.Secret, "whsec_")) {
		t.Error("the log has a secret")
	}
}

func testWebhooksInvalid(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	types := []schoolbell.WebhookType{schoolbell.WebhookEventCompleted}
	for _, c := range []struct {
		body  wire.NewWebhook
		field string
	}{
		{wire.NewWebhook{URL: "app.example", Types: types}, "url"},
		{wire.NewWebhook{URL: "https://me@app.example", Types: types}, "url"},
		{wire.NewWebhook{URL: "https://10.0.0.1/hook", Types: types}, "url"},
		{wire.NewWebhook{URL: "https://169.254.169.254/latest", Types: types}, "url"},
		{wire.NewWebhook{URL: "https://[::1]/hook", Types: types}, "url"},
		{wire.NewWebhook{URL: "http://8.8.8.8/hook", Types: types}, "url"}, // http is for allowed networks only
		{wire.NewWebhook{URL: "https://app.example", Types: []schoolbell.WebhookType{"event.exploded"}}, "types[0]"},
		{wire.NewWebhook{URL: "https://app.example", Types: []schoolbell.WebhookType{}}, "types"},
		{wire.NewWebhook{URL: "https://app.example", Types: types, Description: "two\nlines"}, "description"},
	} {
		_, err := s.AddWebhook(t.Context(), c.body)
		wantProblem(t, err, 422, "invalid", c.field)
	}
	w := s.hook("https://app.example")
	_, err := s.ChangeWebhook(t.Context(), w.ID, wire.WebhookChange{URL: new("https://127.1.2.3.4/")})
	must(t, err) // a name, which is checked when it is called
	_, err = s.ChangeWebhook(t.Context(), w.ID, wire.WebhookChange{URL: new("https://192.168.1.1/")})
	wantProblem(t, err, 422, "invalid", "url")
	for _, forged := range []api.Cursor{{Kind: "attempts", N: 0}, {Kind: "attempts", N: -1}, {Kind: "attempts", ID: "x", N: 1}, {Kind: "jobs", N: 1}} {
		text, err := forged.Encode()
		must(t, err)
		_, err = s.WebhookAttempts(t.Context(), w.ID, client.Page{Cursor: text})
		wantProblem(t, err, 422, "invalid", "cursor")
	}
}

func testWebhooksTest(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	status := http.StatusNoContent
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("webhook-id") == "" || r.Header.Get("webhook-signature") == "" {
			t.Errorf("headers %v", r.Header)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(receiver.Close)
	w := s.hook(receiver.URL)
	for _, status = range []int{204, 500, 410} {
		a, err := s.TestWebhook(t.Context(), w.ID)
		must(t, err)
		if a.Status != status || a.OK != (status == 204) || a.Type != schoolbell.WebhookTest || a.Number != 1 {
			t.Errorf("attempt %+v", a)
		}
	}
	if got, err := s.Webhook(t.Context(), w.ID); err != nil || !got.Enabled || !got.FailingSince.IsZero() {
		t.Errorf("tests have changed it to %+v, %v", got, err)
	}
	var listed []int
	for p := (client.Page{Limit: 2}); ; {
		page, err := s.WebhookAttempts(t.Context(), w.ID, p)
		must(t, err)
		for _, a := range page.Attempts {
			listed = append(listed, a.Status)
		}
		if p.Cursor = page.Next; p.Cursor == "" {
			break
		}
	}
	if len(listed) != 3 || listed[0] != 410 || listed[2] != 204 {
		t.Errorf("attempts %v", listed)
	}
}

func testWebhooksLimit(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for range schoolbell.MaxWebhooks {
		s.hook("https://app.example")
	}
	_, err := s.AddWebhook(t.Context(), wire.NewWebhook{URL: "https://app.example", Types: schoolbell.WebhookTypes()})
	wantProblem(t, err, 409, "conflict", "")
	all, err := s.Webhooks(t.Context())
	must(t, err)
	if len(all) != schoolbell.MaxWebhooks {
		t.Errorf("%d webhooks", len(all))
	}
}
