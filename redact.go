package schoolbell

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What stands in a text for what was removed from it.
const (
	redactedAddress = "[address]"
	redactedName    = "[name]"
	redactedPhone   = "[phone]"
	redactedData    = "[data]"
)

var (
	// addressLike is a word with an @ in it, written in any of the ways in which mail
	// servers repeat addresses: plain, in angle brackets, quoted ("a b"@c), encoded
	// (a%40b), or as part of another address (a=b@c, SRS0=x=y=b=a@c).
	addressLike = regexp.MustCompile(`(?:"[^"]*"|[^\s<>"(),;\[\]]+)(?:[@＠﹫]|%40|=40|&#64;|\\100)[^\s<>"(),;]+`)
	// phoneLike has seven digits or more, with the separators in use between them.
	phoneLike = regexp.MustCompile(`\+?\(?\d(?:[ .()/\-]{0,2}\d){6,}`)
	// statusLike is a reply code at the beginning, perhaps after the name of a stage, or
	// an enhanced status code (RFC 3463) anywhere.
	statusLike = regexp.MustCompile(`^(?:[A-Za-z ]+: )?[2-5]\d\d\b|\b[245]\.\d{1,3}\.\d{1,3}\b`)
	ipv4Like   = regexp.MustCompile(`^\d{1,3}(\.\d{1,3}){3}$`)
)

// Personal is what is known of the person whom a text is about.
type Personal struct {
	Name      string
	Addresses []string // email addresses, phone numbers (E.164), and others
	Others    []string // names of other people whom the text may be about
	Words     []string // whatever else is personal, to be removed where it stands as it is here
}

// removeAddresses removes what is known of the person's addresses.
func (p Personal) removeAddresses(text string) string {
	for _, a := range p.Addresses {
		switch {
		case strings.Contains(a, "@"):
			text = removeEmail(text, a)
		case strings.HasPrefix(a, "+"):
			text = removePhone(text, a)
		case a != "":
			text = strings.ReplaceAll(text, a, redactedAddress)
		}
	}
	return text
}

// removeWords removes what is personal and no address.
func (p Personal) removeWords(text string) string {
	for _, word := range p.Words {
		if utf8.RuneCountInString(word) > 3 && strings.ContainsFunc(word, unicode.IsLetter) { // others may be part of a code
			text = removeWord(text, word, redactedData)
		}
	}
	text = removeName(text, p.Name)
	for _, name := range p.Others {
		text = removeName(text, name)
	}
	return text
}

// Redact returns text, such as the words of a provider, without email addresses and
// phone numbers, and without the name, the local parts of the addresses and the phone
// numbers of p, in upper or lower case. Status codes, queue ids and IP addresses stay.
// A text that an encoding such as Base64 hides is not found.
func Redact(text string, p Personal) string {
	if text == "" {
		return ""
	}
	text = addressLike.ReplaceAllString(text, redactedAddress) // first, so that whole addresses go
	text = p.removeAddresses(text)
	text = p.removeWords(text)
	return removePhones(text)
}

// RedactID is [Redact] for an id that a provider gave a message. Ids have no spaces
// and may consist of digits, so only what is known of the person is looked for there.
func RedactID(id string, p Personal) string {
	if strings.ContainsFunc(id, unicode.IsSpace) {
		return Redact(id, p)
	}
	if strings.ContainsAny(id, "@＠﹫%=&\\") {
		id = addressLike.ReplaceAllString(id, redactedAddress)
	}
	return p.removeWords(p.removeAddresses(id))
}

// removePhone removes one number wherever its digits follow one another.
func removePhone(text, phone string) string {
	digits := strings.TrimPrefix(phone, "+")
	if len(digits) < minPhoneDigits {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, phone, redactedPhone), digits, redactedPhone)
}

const minPhoneDigits = 7

// removePhones removes what reads as a phone number between status codes.
func removePhones(text string) string {
	var out strings.Builder
	at := 0
	for _, code := range statusLike.FindAllStringIndex(text, -1) {
		out.WriteString(removeNumbers(text[at:code[0]]))
		out.WriteString(text[code[0]:code[1]])
		at = code[1]
	}
	out.WriteString(removeNumbers(text[at:]))
	return out.String()
}

// removeNumbers removes long numbers. Those that are part of a longer word are ids.
func removeNumbers(text string) string {
	var out strings.Builder
	at := 0
	for _, m := range phoneLike.FindAllStringIndex(text, -1) {
		if ipv4Like.MatchString(text[m[0]:m[1]]) || inWord(text, m[0], m[1]) {
			continue
		}
		out.WriteString(text[at:m[0]])
		out.WriteString(redactedPhone)
		at = m[1]
	}
	out.WriteString(text[at:])
	return out.String()
}

// inWord reports whether text[from:to] touches a letter, a digit or a hyphen.
func inWord(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	after, _ := utf8.DecodeRuneInString(text[to:])
	return isWordRune(before) || isWordRune(after) || before == '-' || after == '-'
}

func isWordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r))
}

// removeEmail removes one address, also where another character stands for its @,
// and its local part where that stands alone.
func removeEmail(text, email string) string {
	at := strings.LastIndexByte(email, '@')
	if at <= 0 {
		return text
	}
	local, domain := email[:at], email[at+1:]
	for _, sep := range []string{"@", "=", "%", "#", "!", " at ", "(at)", " (at) ", "[at]"} {
		text = removeWord(text, local+sep+domain, redactedAddress)
	}
	return removeWord(text, local, redactedAddress)
}

// removeName removes a name and each of its parts that is longer than an initial.
func removeName(text, name string) string {
	text = removeWord(text, name, redactedName)
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return !isWordRune(r) && r != '\'' && r != '’' }) {
		if utf8.RuneCountInString(part) > 1 {
			text = removeWord(text, part, redactedName)
		}
	}
	return text
}

// removeWord replaces word, in upper or lower case, where no letter or digit touches it.
func removeWord(text, word, by string) string {
	if strings.TrimSpace(word) == "" || len(word) > len(text) {
		return text
	}
	var out strings.Builder
	at := 0
	for i := 0; i+len(word) <= len(text); i++ {
		if !strings.EqualFold(text[i:i+len(word)], word) {
			continue
		}
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(word):])
		if isWordRune(before) || isWordRune(after) {
			continue
		}
		out.WriteString(text[at:i])
		out.WriteString(by)
		at = i + len(word)
		i = at - 1
	}
	if at == 0 {
		return text
	}
	out.WriteString(text[at:])
	return out.String()
}
