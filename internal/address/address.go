// Package address writes email addresses the way mail servers of any age read them.
package address

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"schoolbell"
)

// ErrDomain is the error of an address whose domain no name server can know.
var ErrDomain = errors.New("address has a domain without an ASCII form")

// domains writes a domain in ASCII (RFC 5891).
var domains = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// Wire returns an address that [schoolbell.ValidateEmail] accepts as it stands in
// envelopes and headers: its domain in ASCII, so that only a local part beyond
// ASCII needs SMTPUTF8. The error is [ErrDomain].
func Wire(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	domain := address[at+1:]
	if IsASCII(domain) {
		if err := checkEncoded(domain); err != nil {
			return "", err
		}
		return address, nil
	}
	domain, err := domains.ToASCII(domain)
	if err != nil {
		return "", ErrDomain
	}
	if err := checkEncoded(domain); err != nil {
		return "", err
	}
	address = address[:at+1] + domain
	// The domain is longer now, and mapping may have made another name of it.
	if err := schoolbell.ValidateEmail(address); err != nil {
		return "", ErrDomain
	}
	return address, nil
}

// Domain returns a domain of email addresses in ASCII and lower case. The error says what it must be.
func Domain(domain string) (string, error) {
	const local = "x@"
	if schoolbell.ValidateEmail(local+domain) != nil {
		return "", errNoDomain
	}
	wire, err := Wire(local + strings.ToLower(domain))
	if err != nil {
		return "", errNoDomain
	}
	return strings.TrimPrefix(wire, local), nil
}

var errNoDomain = errors.New("must be a domain such as hill.example")

// checkEncoded returns ErrDomain for a domain with a label that begins with xn--
// and encodes nothing.
func checkEncoded(domain string) error {
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) < 4 || !strings.EqualFold(label[:4], "xn--") {
			continue
		}
		if _, err := domains.ToASCII(label); err != nil {
			return ErrDomain
		}
	}
	return nil
}

// IsASCII reports whether s has ASCII characters only.
func IsASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
