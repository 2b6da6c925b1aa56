package calls

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWords is how much of what a provider says is passed on, in bytes.
const maxWords = 300

// Words returns what a provider says as one printable line of moderate length.
func Words(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, " "), func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }), " ")
	if len(s) <= maxWords {
		return s
	}
	end := maxWords
	for !utf8.RuneStart(s[end]) {
		end--
	}
	s = s[:end]
	if i := strings.LastIndexByte(s, ' '); i > 0 { // half an address would not be known as one
		s = s[:i]
	}
	return s
}
