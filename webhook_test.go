package schoolbell_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
)

func TestWebhookSecret(t *testing.T) {
	t.Parallel()
	t.Run("signs as Standard Webhooks does", testWebhookVector)
	t.Run("is read as it was written", testWebhookSecretText)
	t.Run("does not show", testWebhookSecretHidden)
}

func testWebhookVector(t *testing.T) {
	t.Parallel()
	// Computed with the libraries of Standard Webhooks for Go and Node.
	secret, err := schoolbell.ParseWebhookSecret("whsec_c2Nob29sYmVsbC10ZXN0LXNlY3JldC0zMi1ieXRlcyE=")
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"type":"delivery.updated","timestamp":"2026-11-25T09:46:40Z","data":{"id":"d-1"}}`)
	const want = "v1,Otpm68YNomXDJV1HbaBTPtfykHlWBUKBsdLUui/+g1Y="
	if got := secret.Sign("msg_01HSCHOOLBELL", time.Unix(1795600000, 0), body); got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
}

func testWebhookSecretText(t *testing.T) {
	t.Parallel()
	a, b := schoolbell.NewWebhookSecret(), schoolbell.NewWebhookSecret()
	if slices.Equal(a, b) {
		t.Error("two secrets are the same")
	}
	if got, err := schoolbell.ParseWebhookSecret(a.Reveal()); err != nil || !slices.Equal(got, a) {
		t.Errorf("%s is read as %s (%v)", a.Reveal(), got.Reveal(), err)
	}
	for _, bad := range []string{"", "whsec_", "whsec_c2hvcnQ=", strings.TrimPrefix(a.Reveal(), "whsec_"), a.Reveal() + "="} {
		if _, err := schoolbell.ParseWebhookSecret(bad); err == nil {
			t.Errorf("%q is a secret", bad)
		}
	}
}

func testWebhookSecretHidden(t *testing.T) {
	t.Parallel()
	s := schoolbell.NewWebhookSecret()
	w := schoolbell.Webhook{Secret: s}
	encoded, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", w, w, w, s), string(encoded), s.LogValue().String()} {
		if strings.Contains(text, strings.TrimPrefix(s.Reveal(), "whsec_")) || !strings.Contains(text, "(hidden)") {
			t.Errorf("it shows as %s", text)
		}
	}
}

func TestWebhookValidate(t *testing.T) {
	t.Parallel()
	good := schoolbell.Webhook{URL: "https://app.example/hooks?x=1", Types: schoolbell.WebhookTypes(), Description: "Our app"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		change func(w *schoolbell.Webhook)
		field  string
	}{
		"no URL":             {func(w *schoolbell.Webhook) { w.URL = "" }, "url"},
		"another scheme":     {func(w *schoolbell.Webhook) { w.URL = "ftp://app.example" }, "url"},
		"a user name":        {func(w *schoolbell.Webhook) { w.URL = "https://me:pw@app.example" }, "url"},
		"no host":            {func(w *schoolbell.Webhook) { w.URL = "https:///hooks" }, "url"},
		"a long URL":         {func(w *schoolbell.Webhook) { w.URL += strings.Repeat("x", 2000) }, "url"},
		"no types":           {func(w *schoolbell.Webhook) { w.Types = nil }, "types"},
		"an unknown type":    {func(w *schoolbell.Webhook) { w.Types = append(slices.Clone(w.Types), "event.exploded") }, "types[6]"},
		"the type of tests":  {func(w *schoolbell.Webhook) { w.Types = []schoolbell.WebhookType{schoolbell.WebhookTest} }, "types[0]"},
		"a long description": {func(w *schoolbell.Webhook) { w.Description = strings.Repeat("x", 201) }, "description"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := good
			c.change(&w)
			faults := schoolbell.FaultsOf(w.Validate())
			if len(faults) != 1 || faults[0].Field != c.field {
				t.Errorf("faults %v, want one of %s", faults, c.field)
			}
		})
	}
}
