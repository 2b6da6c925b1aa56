package config_test

import (
	"slices"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/config"
)

func TestProviders(t *testing.T) {
	t.Parallel()
	ses := []string{"EMAIL_PROVIDER=ses", "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_ACCESS_KEY=secret", "EMAIL_FROM=office@hill.example"}
	grid := []string{"EMAIL_PROVIDER=sendgrid", "SENDGRID_API_KEY=SG.x", "EMAIL_FROM=office@hill.example"}
	for _, c := range []struct {
		name string
		env  []string
		want string // the settings with faults
	}{
		{"nothing", nil, ""},
		{"Amazon SES", ses, ""},
		{"a region of China and another endpoint", append(slices.Clone(ses), "AWS_REGION=cn-north-1", "SES_ENDPOINT=https://email.cn-north-1.amazonaws.com.cn"), ""},
		{"Amazon SES without settings", []string{"EMAIL_PROVIDER=ses"}, "EMAIL_FROM AWS_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"},
		{"SendGrid", grid, ""},
		{"SendGrid without settings", []string{"EMAIL_PROVIDER=sendgrid"}, "EMAIL_FROM SENDGRID_API_KEY"},
		{"settings of AWS for another program", []string{"AWS_REGION=moon", "AWS_ACCESS_KEY_ID=a b"}, ""},
		{"an unknown provider", []string{"EMAIL_PROVIDER=pigeon"}, "EMAIL_PROVIDER"},
		{"a fallback", append(slices.Clone(ses), "EMAIL_FALLBACK=sendgrid", "SENDGRID_API_KEY=SG.x"), ""},
		{"a fallback without its settings", append(slices.Clone(ses), "EMAIL_FALLBACK=sendgrid"), "SENDGRID_API_KEY"},
		{"a fallback that only captures", append(slices.Clone(ses), "EMAIL_FALLBACK=smtp"), "SMTP_HOST"},
		{"a first provider that only captures", append(slices.Clone(grid), "EMAIL_PROVIDER=smtp", "EMAIL_FALLBACK=sendgrid"), "SMTP_HOST"},
		{"twice the same", append(slices.Clone(grid), "EMAIL_FALLBACK=sendgrid"), "EMAIL_FALLBACK"},
		{"an unencrypted endpoint", append(slices.Clone(ses), "SES_ENDPOINT=http://ses.example.org"), "SES_ENDPOINT"},
		{"an unencrypted endpoint on this machine", append(slices.Clone(ses), "SES_ENDPOINT=http://127.0.0.1:8090"), ""},
		{"a key with a line break", append(slices.Clone(grid), "SENDGRID_API_KEY=SG.x y"), "SENDGRID_API_KEY"},
		{"a configuration set with a space", append(slices.Clone(ses), "SES_CONFIGURATION_SET=a b"), "SES_CONFIGURATION_SET"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := &config.Config{}
			if _, err := config.Load(cfg, config.Sources{Env: c.env}); err != nil {
				t.Fatal(err)
			}
			var fields []string
			for _, f := range schoolbell.FaultsOf(cfg.Check()) {
				fields = append(fields, f.Field)
			}
			if got := strings.Join(fields, " "); got != c.want {
				t.Errorf("faults %q, want %q", got, c.want)
			}
		})
	}
}
