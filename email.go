package schoolbell

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on email addresses, in bytes.
const (
	MaxEmailLength = 254 // RFC 5321 §4.5.3.1.3 less the angle brackets
	maxLocalPart   = 64  // RFC 5321 §4.5.3.1.1
	maxLabel       = 63  // RFC 1035 §2.3.4, of a part of a domain
)

// ValidateEmail reports why address is not a mailbox of a person at a domain of
// the Internet (RFC 5321 §4.1.2). It refuses display names, comments, quoted
// local parts, address literals, domains of one label, numeric domains, names of the
// machine itself (localhost), and local parts that mail servers have taken for a
// route or a command ("%", "!", "|", a leading "-" or "/").
func ValidateEmail(address string) error {
	if len(address) > MaxEmailLength {
		return fmt.Errorf("must be at most %d bytes", MaxEmailLength)
	}
	if !isPlainAddress(address) && !isAddress(address) {
		return fmt.Errorf("must be an address such as ada@example.org")
	}
	at := strings.LastIndexByte(address, '@')
	local, domain := address[:at], address[at+1:]
	switch {
	case len(local) > maxLocalPart:
		return fmt.Errorf("the part before @ must be at most %d bytes", maxLocalPart)
	case strings.ContainsAny(local, "%!|`@") || strings.HasPrefix(local, "-") || strings.HasPrefix(local, "/"):
		return fmt.Errorf("the part before @ must not begin with - or / or contain any of %% ! | `")
	case !validDomain(domain) || isLocal(domain):
		return fmt.Errorf("the part after @ must be a domain such as example.org")
	}
	return nil
}

// isPlainAddress reports whether address has the form that nearly all have: letters and digits of ASCII on both
// sides of one @, with single . _ + - between them. They all are [isAddress], which takes ten times as long.
func isPlainAddress(address string) bool {
	between, at := true, 0
	for i := range len(address) {
		switch c := address[i]; {
		case isASCIIAlnum(c):
			between = false
		case between:
			return false
		case c == '@':
			at++
			between = true
		case c == '.' || c == '_' || c == '-' || c == '+':
			between = true
		default:
			return false
		}
	}
	return at == 1 && !between
}

// isAddress reports whether address is one of RFC 5322, without a display name, comments and quotes.
func isAddress(address string) bool {
	parsed, err := mail.ParseAddress(address)
	return err == nil && parsed.Address == address && parsed.Name == "" && !strings.ContainsAny(address, "\"<>()[]\\ \t\r\n") &&
		!strings.ContainsFunc(address, func(r rune) bool { return !unicode.IsPrint(r) })
}

// dots are the characters that IDNA (RFC 3490 §3.1) takes for the dot between labels.
var dots = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".")

// ValidateSender is [ValidateEmail] for addresses that the operator chooses: they may
// also be at localhost, as on a machine that keeps all its mail.
func ValidateSender(address string) error {
	if at := strings.LastIndexByte(address, '@'); at >= 0 && isLocal(address[at+1:]) {
		address += ".example"
	}
	return ValidateEmail(address)
}

// isLocal reports whether domain names the machine itself: localhost and names
// below it (RFC 6761 §6.3), and localhost.localdomain, which many systems call themselves.
func isLocal(domain string) bool {
	last := domain[strings.LastIndexByte(domain, '.')+1:]
	return strings.EqualFold(last, "localhost") || strings.EqualFold(last, "localdomain")
}

// validDomain reports whether domain has two labels or more, each of letters of any
// script, digits, underscores and inner hyphens, the last of which is not a number.
func validDomain(domain string) bool {
	labels := strings.Split(dots.Replace(domain), ".")
	for _, label := range labels {
		if !validLabel(label) {
			return false
		}
	}
	last := labels[len(labels)-1]
	return len(labels) > 1 && utf8.RuneCountInString(last) > 1 && strings.ContainsFunc(last, unicode.IsLetter)
}

func validLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i, r := range label {
		// Marks belong to the letters of many scripts, but begin no label.
		if r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && (i == 0 || !unicode.IsMark(r)) {
			return false
		}
	}
	return true
}
