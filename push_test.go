package schoolbell_test

import (
	"strings"
	"testing"

	"schoolbell"
)

const (
	p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
	auth   = "BTBZMqHH6r4Tts7J_aSIgg"
)

func subscription(endpoint, p256dh, auth string) string {
	return `{"endpoint":"` + endpoint + `","keys":{"p256dh":"` + p256dh + `","auth":"` + auth + `"}}`
}

func TestPushSubscription(t *testing.T) {
	t.Parallel()
	t.Run("what browsers write is read and written in one form", pushReadsBrowsers)
	t.Run("what is no subscription is refused by field", pushRefuses)
	t.Run("a device has one id and shows no endpoint", pushDevice)
	t.Run("a user is put with it", pushUser)
}

func pushReadsBrowsers(t *testing.T) {
	t.Parallel()
	want := subscription("https://push.example/send?a=1&b=<2>", p256dh, auth)
	for name, text := range map[string]string{
		"as it is written":     want,
		"with expirationTime":  `{"endpoint":"https://push.example/send?a=1&b=<2>","expirationTime":null,"keys":{"auth":"` + auth + `","p256dh":"` + p256dh + `"}}`,
		"with padding":         subscription("https://push.example/send?a=1&b=<2>", p256dh+"=", auth+"=="),
		"in standard base64":   subscription("https://push.example/send?a=1&b=<2>", strings.NewReplacer("-", "+", "_", "/").Replace(p256dh), strings.NewReplacer("-", "+", "_", "/").Replace(auth)),
		"with spaces and more": "{ \"options\": {},\n \"endpoint\": \"https://push.example/send?a=1&b=\\u003c2>\", \"keys\": {\"p256dh\": \"" + p256dh + "\", \"auth\": \"" + auth + "\"}}",
	} {
		s, err := schoolbell.ParsePushSubscription(text)
		if err != nil || s.Address() != want {
			t.Errorf("%s: %s, %v", name, s.Address(), err)
		}
	}
	s, err := schoolbell.ParsePushSubscription(want)
	key, errKey := s.PublicKey()
	secret, errSecret := s.Secret()
	if err != nil || errKey != nil || errSecret != nil || len(key.Bytes()) != 65 || len(secret) != 16 || s.Origin() != "https://push.example" {
		t.Errorf("%+v, %v, %v, %v", s, err, errKey, errSecret)
	}
}

func pushRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, field string }{
		"nothing":             {"", ""},
		"an endpoint alone":   {"https://push.example/secret", ""},
		"a list":              {"[]", ""},
		"no endpoint":         {subscription("", p256dh, auth), "endpoint"},
		"http":                {subscription("http://push.example/secret", p256dh, auth), "endpoint"},
		"a user name":         {subscription("https://secret@push.example/", p256dh, auth), "endpoint"},
		"a fragment":          {subscription("https://push.example/#secret", p256dh, auth), "endpoint"},
		"no host":             {subscription("https:///secret", p256dh, auth), "endpoint"},
		"another scheme":      {subscription("javascript:secret", p256dh, auth), "endpoint"},
		"a line break":        {subscription(`https://push.example/\nsecret`, p256dh, auth), "endpoint"},
		"letters beyond":      {subscription("https://push.example/ä", p256dh, auth), "endpoint"},
		"a long endpoint":     {subscription("https://push.example/"+strings.Repeat("x", 1500), p256dh, auth), "endpoint"},
		"no keys":             {subscription("https://push.example/secret", "", ""), "keys.p256dh"},
		"a short key":         {subscription("https://push.example/secret", p256dh[:80], auth), "keys.p256dh"},
		"a key off the curve": {subscription("https://push.example/secret", "B"+strings.Repeat("A", 86), auth), "keys.p256dh"},
		"a short secret":      {subscription("https://push.example/secret", p256dh, auth[:20]), "keys.auth"},
	} {
		_, err := schoolbell.ParsePushSubscription(c.text)
		if err == nil || strings.Contains(err.Error(), "secret@") || strings.Contains(err.Error(), "/secret") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if faults := schoolbell.FaultsOf(err); faults[0].Field != c.field {
			t.Errorf("%s: %v, want a fault of %q", name, err, c.field)
		}
		if schoolbell.ValidateAddress(schoolbell.ChannelPush, c.text) == nil {
			t.Errorf("%s is an address", name)
		}
	}
	if _, err := schoolbell.ParsePushSubscription(subscription("http://127.0.0.1:8080/x", p256dh, auth)); err != nil {
		t.Errorf("http on loopback: %v", err)
	}
}

func pushDevice(t *testing.T) {
	t.Parallel()
	one := schoolbell.PushSubscription{Endpoint: "https://Push.example:443/send/secret-7Yb2", Keys: schoolbell.PushKeys{P256dh: p256dh, Auth: auth}}
	other := one
	other.Keys.Auth = "AAAAAAAAAAAAAAAAAAAAAA"
	if one.DeviceID() != other.DeviceID() || len(one.DeviceID()) != 32 || !schoolbell.ValidID(one.DeviceID()) {
		t.Errorf("ids %q and %q", one.DeviceID(), other.DeviceID())
	}
	if one.Origin() != "https://push.example" {
		t.Errorf("origin %q", one.Origin())
	}
	if masked := (schoolbell.Device{PushSubscription: one}).MaskedEndpoint(); masked != "https://push.example/…7Yb2" {
		t.Errorf("masked %q", masked)
	}
	if err := (schoolbell.Device{PushSubscription: one, Label: "two\nlines"}).Validate(); len(schoolbell.FaultsOf(err)) != 1 {
		t.Errorf("a label of two lines: %v", err)
	}
}

func pushUser(t *testing.T) {
	t.Parallel()
	u := schoolbell.User{ID: "a", Name: "A", Roles: []schoolbell.Role{schoolbell.RoleParent}, Addresses: []schoolbell.Address{
		{Channel: schoolbell.ChannelPush, Address: " " + subscription("https://push.example/1", p256dh+"=", auth) + "\n"}}}
	u.Normalize()
	if err := u.Validate(); err != nil || u.Addresses[0].Address != subscription("https://push.example/1", p256dh, auth) {
		t.Errorf("%+v, %v", u.Addresses, err)
	}
	u.Addresses[0].Address = "https://push.example/1"
	if faults := schoolbell.FaultsOf(u.Validate()); len(faults) != 1 || faults[0].Field != "addresses[0].address" {
		t.Errorf("%v", faults)
	}
}
