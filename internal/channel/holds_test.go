package channel

import (
	"testing"
	"time"

	"schoolbell"
)

func TestHolds(t *testing.T) {
	t.Parallel()
	const secret = "RECEIPT_SECRET=3f9a6c1e5b7d2048a1c3e5f7092b4d6e"
	const topics = "SES_TOPIC_ARNS=arn:aws:sns:eu-west-1:123456789012:bell"
	ses := append(sesSettings("http://127.0.0.1:1"), "EMAIL_PROVIDER=ses", secret, topics)
	for _, c := range []struct {
		name string
		env  []string
		want bool
	}{
		{"SMTP sends no receipts", []string{"SMTP_HOST=mail.example", "EMAIL_FROM=a@b.example", secret}, false},
		{"SMTP tells only what comes back", []string{"SMTP_HOST=mail.example", "EMAIL_FROM=a@b.example", "BOUNCE_DOMAIN=bounces.b.example", secret}, false},
		{"Amazon SES with topics and a configuration set", append(ses, "SES_CONFIGURATION_SET=bell"), true},
		{"Amazon SES without a configuration set", ses, false},
		{"no hold", append(ses, "SES_CONFIGURATION_SET=bell", "UNCERTAIN_HOLD=0"), false},
		{"SendGrid without a key of its webhook", []string{"EMAIL_PROVIDER=sendgrid", "SENDGRID_API_KEY=SG.a", "EMAIL_FROM=a@b.example", secret}, false},
		{"a fallback that sends none", append(ses, "SES_CONFIGURATION_SET=bell", "EMAIL_FALLBACK=smtp", "SMTP_HOST=mail.example"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			hold := Holds(settings(t, c.env...))[schoolbell.ChannelEmail]
			if want := map[bool]time.Duration{true: 15 * time.Minute}[c.want]; hold != want {
				t.Errorf("email waits %v, want %v", hold, want)
			}
		})
	}
}
