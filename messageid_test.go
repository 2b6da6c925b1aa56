package schoolbell_test

import (
	"strings"
	"testing"

	"schoolbell"
)

const someEvent = "0193a1c0-5f2e-7c3d-8a4b-1234567890ab"

func TestMessageKey(t *testing.T) {
	t.Parallel()
	for want, k := range map[string]schoolbell.MessageKey{
		someEvent + ".7":       {EventID: someEvent, User: 7},
		someEvent + ".7.w2":    {EventID: someEvent, User: 7, Wave: 2},
		someEvent + ".7.3":     {EventID: someEvent, User: 7, Address: 3},
		someEvent + ".7.w2.19": {EventID: someEvent, User: 7, Wave: 2, Address: 19},
	} {
		if got := k.String(); got != want {
			t.Errorf("%+v is written %q, want %q", k, got, want)
		}
		for _, text := range []string{k.String(), k.Tag()} {
			if got, err := schoolbell.ParseMessageKey(text); err != nil || got != k {
				t.Errorf("%q is read as %+v (%v)", text, got, err)
			}
		}
	}
	for _, bad := range []string{"", ".", "_2e", someEvent, someEvent + ".", someEvent + ".0", someEvent + ".-1", someEvent + ".+1", someEvent + ".07",
		someEvent + ".x", someEvent + ".7.w", someEvent + ".7.w0", someEvent + ".7.w1.", someEvent + ".7.0", someEvent + ".7.1.w1", someEvent + ".7.1.1",
		someEvent + ".7_2ew1", someEvent + "_7", "a_b.7", "a b.7", someEvent + ".7 ", someEvent + ".99999999999999999999", someEvent + ".7.21", strings.Repeat("a", 300) + ".7"} {
		if k, err := schoolbell.ParseMessageKey(bad); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
			t.Errorf("%q is read as %+v (%v)", bad, k, err)
		}
	}
}

// Providers give ids back, and strangers forge them: what is read is what is written.
func FuzzMessageKey(f *testing.F) {
	for _, s := range []string{"", "e.1", "e.1.w1.1", "e_2e1_2ew1", "a_b.1", someEvent + ".7.w2.19", someEvent + "_2e7_2ew2_2e19", "e.9223372036854775807", "e.1.w99"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := schoolbell.ParseMessageKey(text)
		if err != nil {
			return
		}
		if text != k.String() && text != k.Tag() {
			t.Errorf("%q is read as %+v", text, k)
		}
		if !schoolbell.ValidID(k.EventID) || k.User < 1 || k.Wave < 0 || k.Wave > schoolbell.MaxWaves || k.Address < 0 || k.Address > schoolbell.MaxAddresses {
			t.Errorf("%q is read as %+v", text, k)
		}
	})
}
