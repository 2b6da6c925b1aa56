package channel

import (
	"strings"
	"testing"

	"schoolbell/internal/channel/channeltest"
	"schoolbell/internal/fake"
)

func TestDiagnose(t *testing.T) {
	t.Parallel()
	account := func(o fake.SESOptions) *fake.SES {
		f, err := fake.NewSES(o)
		if err != nil {
			t.Fatal(err)
		}
		channeltest.Start(t, f)
		return f
	}
	sandbox, paused := account(fake.SESOptions{Sandbox: true, Rate: 1, Daily: 200}), account(fake.SESOptions{Paused: true})
	first := account(fake.SESOptions{Paused: true}) // of its own, as SES answers once in a second
	grid, err := fake.NewSendGrid(fake.SendGridOptions{})
	if err != nil {
		t.Fatal(err)
	}
	channeltest.Start(t, grid)
	gridSettings := func(key string) []string { return []string{"SENDGRID_URL=" + grid.URL(), "SENDGRID_API_KEY=" + key} }
	for _, c := range []struct {
		name   string
		env    []string
		detail string
		fix    string
		broken bool
	}{
		{"Amazon SES in the sandbox", append(sesSettings(sandbox.URL()), "EMAIL_PROVIDER=ses"), "1 emails a second, 0 of 200 in 24 hours sent; the account is in the sandbox", "production access", false},
		{"a paused account", append(sesSettings(paused.URL()), "EMAIL_PROVIDER=ses"), "sending is paused", "console of Amazon SES", true},
		{"SendGrid", append(gridSettings("SG.fake"), "EMAIL_PROVIDER=sendgrid"), "SendGrid answers", "", false},
		{"a wrong key", append(gridSettings("SG.wrong"), "EMAIL_PROVIDER=sendgrid"), "status 401", "SENDGRID_API_KEY", true},
		{"a fallback that works", append(append(sesSettings(first.URL()), gridSettings("SG.fake")...), "EMAIL_PROVIDER=ses", "EMAIL_FALLBACK=sendgrid"), "fallback: SendGrid answers", "console", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := Diagnose(t.Context(), settings(t, c.env...))
			if len(found) != 1 {
				t.Fatalf("%+v", found)
			}
			d := found[0]
			if !strings.Contains(d.Detail, c.detail) || !strings.Contains(d.Fix, c.fix) || d.Broken != c.broken || (d.Fix == "") != (c.fix == "") {
				t.Errorf("%+v", d)
			}
			if strings.Contains(d.Detail, "SG.wrong") || strings.Contains(d.Detail, "fake-secret") {
				t.Errorf("a secret is shown: %s", d.Detail)
			}
		})
	}
}
