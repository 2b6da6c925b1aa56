package schoolbell

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The rules for text that people write are the same wherever it is stored, shown
// or sent: what they accept, every renderer and every channel can carry.

// lineBreaks are the characters that Unicode (UAX #14) takes for a line break.
// CR LF comes first, because it is one break.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// NormalizeText returns s with every kind of line break written as "\n".
func NormalizeText(s string) string { return lineBreaks.Replace(s) }

// IsText reports whether s is valid UTF-8 without control characters other than
// "\n" and tabs, without other line separators, and with directional formatting
// that ends on the line on which it begins.
func IsText(s string) bool { return textFault(s) == "" }

// IsLine reports whether s is [IsText] and has neither line breaks nor tabs. The
// empty string is a line.
func IsLine(s string) bool { return lineFault(s) == "" }

// textFault says why s is not text, "" if it is.
func textFault(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "must be valid UTF-8"
	case strings.ContainsFunc(s, func(r rune) bool { return isControl(r) && r != '\n' && r != '\t' }):
		return "must not contain control characters other than line breaks and tabs"
	}
	return directionFault(s)
}

// lineFault says why s is not one line of text, "" if it is.
func lineFault(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "must be valid UTF-8"
	case strings.ContainsFunc(s, isControl):
		return "must be one line without control characters"
	}
	return directionFault(s)
}

// isControl reports control characters and the Unicode line and paragraph separators.
func isControl(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// directionFault refuses characters that reorder the text after them: embeddings
// and overrides (U+202A to U+202E) everywhere, isolates (U+2066 to U+2069) that
// are not closed on their line. With them a name or a title could change how the
// rest of a message reads (UAX #9, UTR #36).
func directionFault(s string) string {
	open := 0
	for _, r := range s {
		switch {
		case r >= '\u202a' && r <= '\u202e':
			return "must not contain the directional characters U+202A to U+202E"
		case r >= '\u2066' && r <= '\u2068':
			open++
		case r == '\u2069':
			open--
		}
		if open < 0 || r == '\n' && open > 0 {
			break
		}
	}
	if open != 0 {
		return "must close each directional isolate (U+2066 to U+2068) with U+2069 on the same line"
	}
	return ""
}

// blank are characters of the classes letter, number, punctuation and symbol that
// are nevertheless invisible.
const blank = "\u115f\u1160\u2800\u3164\uffa0\U00013441\U00013442\U0001d159"

// hasVisible reports whether somebody who looks at s sees anything.
func hasVisible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.IsMark(r) && !strings.ContainsRune(blank, r)
	})
}

// checkLine adds a fault unless s is one line of text with at most limit
// characters, and a visible one among them if it is required or not empty.
func checkLine(f *Faults, field, s string, limit int, required bool) {
	if isPlainLine(s) && len(s) <= limit {
		return
	}
	switch fault := lineFault(s); {
	case !required && s == "":
	case fault != "":
		f.Add(field, "%s", fault)
	default:
		checkLength(f, field, s, limit)
	}
}

// isPlainLine reports whether s is printable ASCII that begins with something visible, as most lines do:
// such text needs none of the slower checks.
func isPlainLine(s string) bool {
	if s == "" || s[0] == ' ' {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// checkText adds a fault unless s is text with at most limit characters and a
// visible one among them.
func checkText(f *Faults, field, s string, limit int) {
	if fault := textFault(s); fault != "" {
		f.Add(field, "%s", fault)
		return
	}
	checkLength(f, field, s, limit)
}

func checkLength(f *Faults, field, s string, limit int) {
	switch {
	case strings.TrimSpace(s) == "":
		f.Add(field, "must not be empty")
	case !hasVisible(s):
		f.Add(field, "must have a visible character")
	case utf8.RuneCountInString(s) > limit:
		f.Add(field, "must be at most %d characters", limit)
	}
}

// CheckLine reports as [Invalid] for field why s is not one line of text with a
// visible character and at most limit characters.
func CheckLine(field, s string, limit int) error {
	var f Faults
	checkLine(&f, field, s, limit, true)
	return f.Err()
}

// ValidJSONText reports whether data is valid UTF-8 and every \u escape in it is
// a character or half of a pair. Go's decoder replaces anything else by U+FFFD
// without saying so. data need not be valid JSON.
func ValidJSONText(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++ // the escaped character, which may be a backslash
		unit, ok := hexUnit(data, i)
		if !ok || unit < 0xd800 || unit > 0xdfff {
			continue
		}
		low, ok := hexUnit(data, i+6)
		if unit > 0xdbff || !ok || data[i+5] != '\\' || low < 0xdc00 || low > 0xdfff {
			return false
		}
		i += 10
	}
	return true
}

// hexUnit reads uXXXX at data[i:].
func hexUnit(data []byte, i int) (unit rune, ok bool) {
	if i+5 > len(data) || data[i] != 'u' {
		return 0, false
	}
	for _, c := range data[i+1 : i+5] {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 || c < '0' {
			return 0, false
		}
		unit = unit<<4 | rune(digit)
	}
	return unit, true
}
