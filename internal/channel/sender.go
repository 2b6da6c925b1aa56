package channel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	"schoolbell/internal/config"
)

// SenderRecord is what DNS says about the domain of the From address.
type SenderRecord struct {
	Name    string // SPF, DKIM or DMARC
	Detail  string
	Fix     string // what to do about it; empty if nothing is wrong
	Unknown bool   // nothing was looked up
}

// LookupTXT returns the TXT records of a name, as [net.Resolver] does.
type LookupTXT func(ctx context.Context, name string) ([]string, error)

// senderTimeout bounds the look-up of all records.
const senderTimeout = 5 * time.Second

// CheckSender looks up what receivers of email ask DNS about the domain of the From address. There is no domain if no From
// address is set.
func CheckSender(ctx context.Context, cfg *config.Config, lookup LookupTXT) (domain string, records []SenderRecord) {
	from, err := mail.ParseAddress(cfg.Email.From)
	if err != nil {
		return "", nil
	}
	domain = strings.ToLower(from.Address[strings.LastIndexByte(from.Address, '@')+1:])
	ctx, cancel := context.WithTimeout(ctx, senderTimeout)
	defer cancel()
	return domain, []SenderRecord{checkSPF(ctx, domain, lookup), checkDKIM(ctx, cfg, from.Address, lookup), checkDMARC(ctx, domain, lookup)}
}

const nameServers = "check the name servers of this machine"

// tagged returns the records of a name that begin with a tag. A name that does not exist has none.
func tagged(ctx context.Context, lookup LookupTXT, name, tag string) (found []string, err error) {
	records, err := lookup(ctx, name)
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
		return nil, nil
	}
	for _, r := range records {
		if rest, ok := strings.CutPrefix(strings.ToLower(r), tag); ok && (rest == "" || strings.ContainsAny(rest[:1], " ;")) {
			found = append(found, r)
		}
	}
	return found, err
}

// checkSPF does not follow the record: which address the mail server sends from, only its owner knows.
func checkSPF(ctx context.Context, domain string, lookup LookupTXT) SenderRecord {
	r := SenderRecord{Name: "SPF"}
	found, err := tagged(ctx, lookup, domain, "v=spf1")
	switch {
	case err != nil:
		r.Detail, r.Fix = domain+" cannot be looked up", nameServers
	case len(found) == 0:
		r.Detail, r.Fix = domain+" has no SPF record", "publish in DNS a TXT record at "+domain+" that begins with v=spf1, names what sends your email, and ends with -all or ~all"
	case len(found) > 1:
		r.Detail, r.Fix = fmt.Sprintf("%s has %d SPF records, so receivers use none", domain, len(found)), "leave one record that begins with v=spf1"
	case strings.Contains(strings.ToLower(found[0]), "+all"):
		r.Detail, r.Fix = found[0], "the record allows everybody to send in your name: end it with -all or ~all"
	default:
		r.Detail = found[0]
	}
	return r
}

func checkDKIM(ctx context.Context, cfg *config.Config, from string, lookup LookupTXT) SenderRecord {
	r := SenderRecord{Name: "DKIM"}
	signer, err := cfg.DKIM.Signer()
	if err != nil || signer == nil {
		r.Detail, r.Unknown = "the mail server or provider signs, or nobody does: DKIM_DOMAIN is not set", true
		return r
	}
	var d Diagnosis
	d.addSignature(ctx, signer, from, lookup)
	r.Detail, r.Fix = strings.TrimPrefix(strings.TrimPrefix(d.Detail, "; "), "DKIM: "), d.Fix
	return r
}

// checkDMARC looks at the domain, and then at those above it, as receivers do.
func checkDMARC(ctx context.Context, domain string, lookup LookupTXT) SenderRecord {
	r := SenderRecord{Name: "DMARC"}
	for at := domain; strings.Contains(at, "."); at = at[strings.IndexByte(at, '.')+1:] {
		found, err := tagged(ctx, lookup, "_dmarc."+at, "v=dmarc1")
		switch {
		case err != nil:
			r.Detail, r.Fix = "_dmarc."+at+" cannot be looked up", nameServers
			return r
		case len(found) == 1:
			r.Detail, r.Fix = dmarcPolicy(found[0])
			return r
		case len(found) > 1:
			r.Detail, r.Fix = fmt.Sprintf("_dmarc.%s has %d DMARC records, so receivers use none", at, len(found)), "leave one record that begins with v=DMARC1"
			return r
		}
	}
	r.Detail, r.Fix = domain+" has no DMARC record", "publish in DNS the TXT record _dmarc."+domain+" with the value v=DMARC1; p=none, and a stricter policy once reports show no failures"
	return r
}

// dmarcPolicy says what a record asks receivers to do with email that fails.
func dmarcPolicy(record string) (detail, fix string) {
	for _, part := range strings.Split(record, ";") {
		name, value, _ := strings.Cut(part, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "p") {
			continue
		}
		switch policy := strings.ToLower(strings.TrimSpace(value)); policy {
		case "quarantine", "reject":
			return "the policy is " + policy, ""
		case "none":
			return "the policy is none, so receivers do nothing about email that others send in your name", "ask the administrator of your domain for the policy quarantine"
		}
	}
	return "the record has no valid policy", "write p=none, p=quarantine or p=reject into it"
}
