package schoolbell

import (
	"strings"
	"testing"
)

var ada = Personal{Name: "Ada King-Lovelace", Addresses: []string{"ada.lovelace@family.example", "+447700900123"}}

func TestRedact(t *testing.T) {
	t.Parallel()
	t.Run("personal data is removed", testRedactRemovesPersonalData)
	t.Run("diagnostic text and the provider's ids are kept", testRedactKeepsDiagnostics)
}

func testRedactRemovesPersonalData(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "",
		"RCPT: 550 5.1.1 <ada.lovelace@family.example>: Recipient address rejected": "RCPT: 550 5.1.1 <[address]>: Recipient address rejected",
		"550 ADA.LOVELACE@FAMILY.EXAMPLE unknown":                                   "550 [address] unknown",
		"550 no mailbox for ada.lovelace here":                                      "550 no mailbox for [address] here",
		"550 bounce+ada.lovelace=family.example@list.example":                       "550 [address]",
		"550 see https://x.example/?to=ada.lovelace%40family.example":               "550 see [address]",
		"550 \"ada lovelace\"@family.example":                                       "550 [address]",
		"550 somebody.else@other.example is over quota":                             "550 [address] is over quota",
		"550 Ada King-Lovelace has left; ask Mrs LOVELACE":                          "550 [name] has left; ask Mrs [name]",
		"550 call +447700900123 or 07700 900 456 now":                               "550 call [phone] or [phone] now",
		"550 x447700900123x":                                                        "550 x[phone]x",
		"452-4.2.2 ada.lovelace at family.example is full":                          "452-4.2.2 [address] is full",
	} {
		if got := Redact(text, ada); got != want {
			t.Errorf("%q\n is %q\nwant %q", text, got, want)
		}
	}
}

func testRedactKeepsDiagnostics(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"dial: connect to 127.0.0.1:2525: connection refused",
		"421 4.7.28 192.168.100.200 sends too much; try again in 3600 seconds",
		"450 4.7.1 greylisted for 300 seconds",
		"RCPT: 451 4.3.0 internal error, id 4fXyZ1234567z",
		"the email is larger than the mail server accepts",
	} {
		if got := Redact(text, ada); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	for _, id := range []string{"4fXyZ1234567z", "20261125210000", "010201908a1b2c3d-1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d-000000", "SM0123456789abcdef0123456789abcdef"} {
		if got := RedactID(id, ada); got != id {
			t.Errorf("the id %q became %q", id, got)
		}
	}
	for id, want := range map[string]string{
		"<1.ada.lovelace@family.example>": "<[address]>", "447700900123": "[phone]", "Ada": "[name]", "for ada.lovelace": "for [address]",
	} {
		if got := RedactID(id, ada); got != want {
			t.Errorf("the id %q is %q, want %q", id, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("550 <ada.lovelace@family.example>", ada.Name, ada.Addresses[0], ada.Addresses[1])
	f.Add("550 \xff@\xff %40a", "\xff", "@", "+")
	f.Fuzz(func(t *testing.T, text, name, email, phone string) {
		p := Personal{Name: name, Addresses: []string{email, phone}}
		got := Redact(text, p)
		if strings.ContainsAny(email, " \t\n@") && strings.Count(email, "@") == 1 && email[0] != '@' && !strings.ContainsAny(email, "[]") &&
			strings.Contains(" "+got+" ", " "+email+" ") {
			t.Errorf("%q is still in %q", email, got)
		}
		RedactID(text, p)
	})
}

func BenchmarkRedactID(b *testing.B) {
	for b.Loop() {
		RedactID("4fXyZ1234567z", ada)
	}
}
