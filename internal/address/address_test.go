package address_test

import (
	"errors"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/address"
)

func TestWire(t *testing.T) {
	t.Parallel()
	long := "" // 60 bytes, and more than a label may have in ASCII
	for i := range rune(20) {
		long += string('一' + i*1000)
	}
	for from, want := range map[string]string{
		"ada@müller.example":        "ada@xn--mller-kva.example",
		"zoë@BÜCHER.example":        "zoë@xn--bcher-kva.example",
		"ada@laden。bücher.example":  "ada@laden.xn--bcher-kva.example",
		"Ada@Mail_1.Example.org":    "Ada@Mail_1.Example.org",
		"ada@XN--bcher-kva.example": "ada@XN--bcher-kva.example",
		"ada@ab--cd.example":        "ada@ab--cd.example",
		"ada@ab\u05d0.example":      "", // letters of both directions in one label
		"ada@xn--0.example":         "",
		"ada@XN--0.example":         "",
		"ada@xn--.example":          "",
		"ada@" + long + ".example":  "",
	} {
		got, err := address.Wire(from)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, address.ErrDomain) {
			t.Errorf("%s is written %q (%v), want %q", from, got, err, want)
		}
	}
}

// What is accepted is an address that is accepted as it is written, too.
func FuzzWire(f *testing.F) {
	for _, s := range []string{"ada@müller.example", "ada@xn--bcher-kva.example", "ada@xn--0.example", "ada@laden。bücher.example", "ada@ab\u05d0.example",
		"a@１２７.０.０.１", "a@ⓛocalhost.example", "a@x.ⓛocalhost", "a@ß.example", "a@\u00adx.example", "0@0ℶ.ℛ0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, from string) {
		if schoolbell.ValidateEmail(from) != nil {
			return
		}
		got, err := address.Wire(from)
		if err != nil {
			return
		}
		local, domain := from[:strings.LastIndexByte(from, '@')], got[strings.LastIndexByte(got, '@')+1:]
		if got[:strings.LastIndexByte(got, '@')] != local || !address.IsASCII(domain) {
			t.Errorf("%q is written %q", from, got)
		}
		if err := schoolbell.ValidateEmail(got); err != nil {
			t.Errorf("%q is written %q: %v", from, got, err)
		}
		if again, err := address.Wire(got); err != nil || again != got {
			t.Errorf("%q is written %q, and that %q (%v)", from, got, again, err)
		}
	})
}

func TestDomain(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{"hill.example": "hill.example", "HILL.Example": "hill.example", "höhe.example": "xn--hhe-sna.example", "a b": "", "": "", "hill.example;": "", "x@hill.example": ""} {
		if got, err := address.Domain(domain); got != want || (err == nil) != (want != "") {
			t.Errorf("domain %q: %q, %v", domain, got, err)
		}
	}
}
