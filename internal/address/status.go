package address

import "slices"

// unusableCodes are the enhanced status codes (RFC 3463, RFC 7505) that say that no mail
// can ever reach the address.
var unusableCodes = []string{
	"5.1.1",  // no such mailbox
	"5.1.2",  // no such domain
	"5.1.3",  // not an address
	"5.1.6",  // the mailbox has moved
	"5.1.10", // the domain accepts no mail
	"5.2.1",  // the mailbox is disabled
}

// Unusable reports whether an enhanced status code of a mail server says that no mail can ever reach an address.
func Unusable(code string) bool { return slices.Contains(unusableCodes, code) }
