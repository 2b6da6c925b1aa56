package channel

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"strings"
	"testing"

	"schoolbell/internal/channel/email/signing"
)

func TestDiagnoseDKIM(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signing.New("hill.example", "bell", key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, from  string
		records     []string
		err         error
		detail, fix string
	}{
		{"published", "office@hill.example", []string{"v=spf1 -all", s.Record()}, nil, "signed with DKIM, key at bell._domainkey.hill.example", ""},
		{"an address in a domain below", "office@mail.Hill.example", []string{s.Record()}, nil, "signed with DKIM", ""},
		{"another key", "office@hill.example", []string{"v=DKIM1; k=ed25519; p=AAAA"}, nil, "has another key", s.Record()},
		{"no record", "office@hill.example", nil, &net.DNSError{IsNotFound: true}, "is not in DNS", s.Record()},
		{"no answer", "office@hill.example", nil, errors.New("timeout"), "cannot be looked up", "name servers"},
		{"another domain", "office@uphill.example", []string{s.Record()}, nil, "DKIM_DOMAIN hill.example is not the domain of EMAIL_FROM, uphill.example", "DMARC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Diagnosis{Detail: "mail:587 answers"}
			d.addSignature(t.Context(), s, c.from, func(_ context.Context, name string) ([]string, error) {
				if name != "bell._domainkey.hill.example" {
					t.Errorf("%s is looked up", name)
				}
				return c.records, c.err
			})
			if !strings.Contains(d.Detail, c.detail) || !strings.Contains(d.Fix, c.fix) || (d.Fix == "") != (c.fix == "") || d.Broken {
				t.Errorf("%+v", d)
			}
		})
	}
}
