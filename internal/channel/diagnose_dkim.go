package channel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"schoolbell/internal/channel/email/signing"
)

// addSignature adds whether receivers can check the signatures of email from an address, and take them for its own.
func (d *Diagnosis) addSignature(ctx context.Context, s *signing.Signer, from string, lookup func(ctx context.Context, name string) ([]string, error)) {
	name := s.RecordName()
	publish := fmt.Sprintf("publish in DNS the TXT record %s with the value %s", name, s.Record())
	records, err := lookup(ctx, name)
	notFound, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case err == nil && published(s, records):
		d.Detail += "; signed with DKIM, key at " + name
	case err == nil:
		d.Detail, d.Fix = d.Detail+"; DKIM: "+name+" has another key", publish
	case isDNS && notFound.IsNotFound:
		d.Detail, d.Fix = d.Detail+"; DKIM: "+name+" is not in DNS", publish
	default:
		d.Detail, d.Fix = d.Detail+"; DKIM: "+name+" cannot be looked up", "check the name servers of this machine"
	}
	if domain := strings.ToLower(from[strings.LastIndexByte(from, '@')+1:]); domain != s.Domain() && !strings.HasSuffix(domain, "."+s.Domain()) {
		d.Detail += fmt.Sprintf("; DKIM_DOMAIN %s is not the domain of EMAIL_FROM, %s", s.Domain(), domain)
		d.Fix = "set DKIM_DOMAIN to the domain of EMAIL_FROM: DMARC compares them"
	}
}

// published reports whether one of the values of a TXT record has the key of a signer.
func published(s *signing.Signer, records []string) bool {
	for _, r := range records {
		if s.Published(r) {
			return true
		}
	}
	return false
}
