package channel

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers questions for TXT records on loopback. Names that it does not know do not exist.
func nameServer(t *testing.T, records map[string][]string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		for buf := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			reply := answerTo(m, records)
			if packed, err := reply.Pack(); err == nil {
				_, _ = conn.WriteTo(packed, from)
			}
		}
	}()
	t.Cleanup(func() {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		<-answered
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func answerTo(m dnsmessage.Message, records map[string][]string) dnsmessage.Message {
	q := m.Questions[0]
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionAvailable: true}, Questions: m.Questions}
	texts, known := records[strings.TrimSuffix(q.Name.String(), ".")]
	switch {
	case !known:
		reply.RCode = dnsmessage.RCodeNameError
	case len(texts) == 1 && texts[0] == "fails":
		reply.RCode = dnsmessage.RCodeServerFailure
	default:
		for _, text := range texts {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET, TTL: 1},
				Body: &dnsmessage.TXTResource{TXT: []string{text}}})
		}
	}
	return reply
}

func TestCheckSender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		records         map[string][]string
		spf, spfFix     string
		dmarc, dmarcFix string
	}{
		{name: "all is well", records: map[string][]string{"mail.hill.example": {"site=1", "v=spf1 include:relay.example -all"}, "_dmarc.mail.hill.example": {"v=DMARC1; p=quarantine"}},
			spf: "include:relay.example -all", dmarc: "the policy is quarantine"},
		{name: "nothing is published", spf: "has no SPF record", spfFix: "TXT record at mail.hill.example", dmarc: "has no DMARC record", dmarcFix: "_dmarc.mail.hill.example"},
		{name: "the domain above has the policy", records: map[string][]string{"mail.hill.example": {"v=spf1 ~all"}, "_dmarc.hill.example": {"v=DMARC1;p=reject"}}, spf: "~all", dmarc: "the policy is reject"},
		{name: "a policy that asks for nothing", records: map[string][]string{"mail.hill.example": {"V=SPF1 +ALL"}, "_dmarc.mail.hill.example": {"v=DMARC1; p=none; rua=mailto:x@hill.example"}},
			spf: "+ALL", spfFix: "allows everybody", dmarc: "the policy is none", dmarcFix: "quarantine"},
		{name: "two records of each", records: map[string][]string{"mail.hill.example": {"v=spf1 -all", "v=spf1 ~all"}, "_dmarc.mail.hill.example": {"v=DMARC1; p=none", "v=DMARC1; p=reject"}},
			spf: "has 2 SPF records", spfFix: "leave one", dmarc: "has 2 DMARC records", dmarcFix: "leave one"},
		{name: "records of something else", records: map[string][]string{"mail.hill.example": {"v=spf10 -all"}, "_dmarc.mail.hill.example": {"v=DMARC1; sp=none"}},
			spf: "has no SPF record", spfFix: "v=spf1", dmarc: "no valid policy", dmarcFix: "p=none"},
		{name: "name servers fail", records: map[string][]string{"mail.hill.example": {"fails"}, "_dmarc.mail.hill.example": {"fails"}},
			spf: "cannot be looked up", spfFix: "name servers", dmarc: "cannot be looked up", dmarcFix: "name servers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, "SMTP_HOST=mail.hill.example", "EMAIL_FROM=Hill School <office@Mail.Hill.example>")
			domain, found := CheckSender(t.Context(), cfg, nameServer(t, c.records).LookupTXT)
			if domain != "mail.hill.example" || len(found) != 3 {
				t.Fatalf("%s: %+v", domain, found)
			}
			wantRecord(t, found[0], "SPF", c.spf, c.spfFix)
			wantRecord(t, found[1], "DKIM", "DKIM_DOMAIN is not set", "")
			wantRecord(t, found[2], "DMARC", c.dmarc, c.dmarcFix)
		})
	}
	t.Run("without a From address", func(t *testing.T) {
		t.Parallel()
		if domain, found := CheckSender(t.Context(), settings(t, "EMAIL_FROM="), nameServer(t, nil).LookupTXT); domain != "" || found != nil {
			t.Errorf("%s: %+v", domain, found)
		}
	})
}

func wantRecord(t *testing.T, r SenderRecord, name, detail, fix string) {
	t.Helper()
	if r.Name != name || !strings.Contains(r.Detail, detail) || !strings.Contains(r.Fix, fix) || (r.Fix == "") != (fix == "") {
		t.Errorf("%+v, want %s, %q and %q", r, name, detail, fix)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	found := Describe(settings(t, append(sesSettings("http://127.0.0.1:1"), "EMAIL_PROVIDER=ses", "EMAIL_FALLBACK=smtp", "SMTP_HOST=mail.hill.example", "SMTP_PASSWORD=hidden-word", "SMTP_USERNAME=bell", "SMTP_PORT=587",
		"EMAIL_FROM=office@hill.example", "EMAIL_RATE=14", "EMAIL_DAILY_LIMIT=50000")...))
	if len(found) != 2 || !strings.HasPrefix(found[0].Provider, "Amazon SES") || found[1].Provider != "SMTP, mail.hill.example:587" || !found[1].Fallback || found[0].Fallback {
		t.Fatalf("%+v", found)
	}
	if got := strings.Join(found[0].Limits, "; "); got != "up to 20 connections of a worker; 14 emails a second; 50000 emails in 24 hours" {
		t.Errorf("limits: %s", got)
	}
	if found := Describe(settings(t)); len(found) != 1 || found[0].Provider != "the mail catcher of this program" {
		t.Errorf("%+v", found)
	}
}
