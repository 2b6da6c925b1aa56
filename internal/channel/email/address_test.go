package email

import (
	"context"
	"strings"
	"testing"

	"schoolbell"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	t.Run("the recipient domain is sent in ASCII", testAddressDomain)
	t.Run("only the local part can require SMTPUTF8", testAddressLocalPart)
	t.Run("the sender domain is sent in ASCII", testAddressSenderDomain)
}

func testAddressDomain(t *testing.T) {
	t.Parallel()
	const ok = "250 ok"
	cases := []struct{ name, to, heard string }{
		{"a domain beyond ASCII", "ada@müller.example", "ada@xn--mller-kva.example"},
		{"a domain in capitals beyond ASCII", "Ada@MÜLLER.example", "Ada@xn--mller-kva.example"},
		{"a sharp s, which is not ss", "ada@straße.example", "ada@xn--strae-oqa.example"},
		{"another script", "ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"},
		{"another dot", "ada@laden。bücher.example", "ada@laden.xn--bcher-kva.example"},
		{"a domain already in ASCII stays as it is", "Ada@Mail_1.Example.org", "Ada@Mail_1.Example.org"},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			srv := script(t, dialog(ok, ok, "354 go", "250 done"))
			if r := sendOne(t, sender(t, srv.addr), message(x.to, 1)); r.Verdict != schoolbell.VerdictSent {
				t.Errorf("%+v", r)
			}
			want := "|MAIL FROM:<office@hill.example>|RCPT TO:<" + x.heard + ">|DATA|."
			if said := srv.said(0); !strings.HasSuffix(said, want) {
				t.Errorf("the server heard %s", said)
			}
		})
	}
}

func testAddressLocalPart(t *testing.T) {
	t.Parallel()
	srv := script(t, dialog("250 ok", "250 ok", "354 go", "250 done"))
	s := sender(t, srv.addr, func(c *SMTPConfig) { c.Connections = 1 })
	got := sendAll(t, context.Background(), s, []schoolbell.Message{message("ä@müller.example", 1), message("a@müller.example", 2)})
	if got[0].Verdict != schoolbell.VerdictGiveUp || !strings.Contains(got[0].Reason, "SMTPUTF8") {
		t.Errorf("beyond ASCII before the @: %+v", got[0])
	}
	if got[1].Verdict != schoolbell.VerdictSent {
		t.Errorf("ASCII before the @: %+v", got[1])
	}
}

func testAddressSenderDomain(t *testing.T) {
	t.Parallel()
	const ok = "250 ok"
	srv := script(t, dialog(ok, ok, "354 go", "250 done"))
	s := sender(t, srv.addr, func(c *SMTPConfig) {
		c.From, c.ReplyTo = "Schule Höhe <post@höhe.example>", "desk@höhe.example"
	})
	if r := sendOne(t, s, message("ada@example.org", 1)); r.Verdict != schoolbell.VerdictSent {
		t.Errorf("%+v", r)
	}
	if said := srv.said(0); !strings.Contains(said, "|MAIL FROM:<post@xn--hhe-sna.example>|") {
		t.Errorf("the server heard %s", said)
	}
	m := message("ada@example.org", 1)
	raw := parse(t, s.composer.Append(nil, &m, m.To, noon))
	for field, want := range map[string]string{
		"From":       "=?utf-8?B?U2NodWxlIEjDtmhl?= <post@xn--hhe-sna.example>",
		"Reply-To":   "desk@xn--hhe-sna.example",
		"Message-Id": "<" + m.ID + "@xn--hhe-sna.example>",
	} {
		if got := raw.Header.Get(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
}
