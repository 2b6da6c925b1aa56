package email

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"schoolbell"
)

var errDomain = errors.New("address has a domain that cannot be written in ASCII")

// domains writes a domain as mail servers of any age know it (RFC 5891), and
// refuses what no name server could know.
var domains = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// wire returns a bare address as it stands in envelopes and headers: its domain
// in ASCII, so that only one beyond ASCII before the @ needs SMTPUTF8.
func wire(address string) (string, error) {
	if isASCII(address) {
		return address, nil
	}
	at := strings.LastIndexByte(address, '@')
	if isASCII(address[at+1:]) {
		return address, nil
	}
	domain, err := domains.ToASCII(address[at+1:])
	if err != nil {
		return "", errDomain
	}
	address = address[:at+1] + domain
	if err := schoolbell.ValidateEmail(address); err != nil { // it has grown
		return "", errDomain
	}
	return address, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
