package people

import (
	"errors"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"schoolbell"
)

// domains writes a domain in ASCII as name servers know it (RFC 5891), and fails
// for one that no name server can know. Email is sent to what it returns.
var domains = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// validate reports everything that is wrong with u as [schoolbell.Faults]: what
// [schoolbell.User.Validate] finds, and a domain that has no form in ASCII.
func validate(u *schoolbell.User) error {
	err := u.Validate()
	if schoolbell.ValidateEmail(u.Email) != nil {
		return err // reported already, or there is none
	}
	local, domain, _ := strings.Cut(u.Email, "@")
	if isASCII(domain) {
		return err
	}
	ascii, errDomain := domains.ToASCII(domain)
	if errDomain == nil && schoolbell.ValidateEmail(local+"@"+ascii) == nil {
		return err
	}
	var faults schoolbell.Faults
	errors.As(err, &faults)
	faults.Add("email", "the part after @ must be a domain such as example.org")
	return faults
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
