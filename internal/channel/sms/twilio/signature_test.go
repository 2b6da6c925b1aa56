package twilio_test

import (
	"net/url"
	"testing"

	"schoolbell/internal/channel/sms/twilio"
)

// Twilio's libraries for Go and Node give the same signatures.
func TestSign(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, url, form, want string }{
		{"a form", "https://bell.example.org/hooks/twilio/status?d=42",
			"AccountSid=AC1&ErrorCode=30003&From=%2B15005550006&MessageSid=SM1&MessageStatus=undelivered&To=%2B31612345678", "CfJ79z0WTOMuA/n/q7+223MwQxc="},
		{"a JSON body", "https://bell.example.org/hooks/twilio/status?bodySHA256=fc1a85c3da8e0304d7195ae2bea3fa391521a8060142a85dbfaf6a9db8025570", "", "oxO3WeW5vq3igpBf7MlMS6j2Kto="},
	} {
		t.Run(c.name, func(t *testing.T) {
			form, err := url.ParseQuery(c.form)
			if err != nil {
				t.Fatal(err)
			}
			if got := twilio.Sign("secret-token", c.url, form); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	t.Run("values of a repeated field are sorted and count once", func(t *testing.T) {
		a := twilio.Sign("t", "https://x.example/", url.Values{"F": {"b", "a", "b"}})
		b := twilio.Sign("t", "https://x.example/", url.Values{"F": {"a", "b"}})
		if a != b {
			t.Errorf("%s and %s differ", a, b)
		}
	})
}
