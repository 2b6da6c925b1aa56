package push

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"strings"
	"testing"

	"schoolbell"
)

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rfcBrowser is the subscription of the example in RFC 8291, 5.
var rfcBrowser = schoolbell.PushSubscription{Endpoint: "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV", Keys: schoolbell.PushKeys{
	P256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", Auth: "BTBZMqHH6r4Tts7J_aSIgg"}}

func TestEncrypt(t *testing.T) {
	t.Parallel()
	t.Run("the example of RFC 8291", encryptExample)
	t.Run("the text is not changed and the longest fits", encryptLimits)
	t.Run("keys that are none are refused", encryptKeys)
}

func encryptExample(t *testing.T) {
	t.Parallel()
	own, err := ecdh.P256().NewPrivateKey(decode(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := encryptWith([]byte("When I grow up, I want to be a watermelon"), rfcBrowser, own, decode(t, "DGv6ra1nlYgDCS1FRnbzlw"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if !bytes.Equal(got, decode(t, want)) {
		t.Errorf("got %s", base64.RawURLEncoding.EncodeToString(got))
	}
}

func encryptLimits(t *testing.T) {
	t.Parallel()
	all := []byte(strings.Repeat("x", maxPlain) + "NEIGHBOUR")
	body, err := encrypt(all[:maxPlain], rfcBrowser)
	if err != nil || len(body) != recordSize {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if string(all[maxPlain:]) != "NEIGHBOUR" {
		t.Errorf("the bytes after the text became %q", all[maxPlain:])
	}
	if _, err := encrypt(all[:maxPlain+1], rfcBrowser); err == nil {
		t.Error("a text that is too long was encrypted")
	}
	other, err := encrypt(all[:maxPlain], rfcBrowser)
	if err != nil || bytes.Equal(body[:headerSize], other[:headerSize]) {
		t.Errorf("two messages have the same salt and key, %v", err)
	}
}

func encryptKeys(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]schoolbell.PushKeys{
		"not base64url":    {P256dh: "*", Auth: rfcBrowser.Keys.Auth},
		"not on the curve": {P256dh: base64.RawURLEncoding.EncodeToString(append([]byte{4}, make([]byte, 64)...)), Auth: rfcBrowser.Keys.Auth},
		"no secret":        {P256dh: rfcBrowser.Keys.P256dh, Auth: "*"},
	} {
		if _, err := encrypt([]byte("x"), schoolbell.PushSubscription{Endpoint: rfcBrowser.Endpoint, Keys: keys}); err == nil {
			t.Errorf("%s: encrypted", name)
		}
	}
}
