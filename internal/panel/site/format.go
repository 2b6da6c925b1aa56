package site

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Number writes a number with separators: 12,345.
func Number(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Count writes a number and its noun: 1 event, 2 events.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Sentence begins with a capital letter and ends with a full stop. A first word such as hill.example or v=spf1 stays as it is.
func Sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	if word, _, _ := strings.Cut(text, " "); !strings.ContainsAny(strings.TrimRight(word, ".,:;!?"), ".=") {
		text = capital(text)
	}
	if strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}

// capital begins with a capital letter.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
}

// Roughly says a duration as people do.
func Roughly(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return Count(max(1, int(d.Round(time.Second)/time.Second)), "second", "seconds")
	case d < 90*time.Minute:
		return Count(int(d.Round(time.Minute)/time.Minute), "minute", "minutes")
	case d < 36*time.Hour:
		return Count(int(d.Round(time.Hour)/time.Hour), "hour", "hours")
	}
	return Count(int(d.Round(24*time.Hour)/(24*time.Hour)), "day", "days")
}

// Seconds are those of the header Retry-After: none is too few.
func Seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second) + 1) }

// ShownLine is up to how many bytes of a line of another program are shown.
const ShownLine = 300

// Shorten cuts a text of another program and makes it valid UTF-8.
func Shorten(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit] + " …"
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

// StatusWord is a status as the panel writes it.
func StatusWord(status string) string {
	if status == "" {
		return ""
	}
	return strings.ToUpper(status[:1]) + status[1:]
}

// Join writes a list: a, b and c.
func Join(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// FirstFew are the first of a list, and how many more there are.
func FirstFew(list []string) []string {
	if len(list) <= namedAtMost {
		return append([]string(nil), list...)
	}
	return append([]string(nil), append(list[:namedAtMost:namedAtMost], Number(len(list)-namedAtMost)+" more")...)
}

// PageRows is how many rows a page of a list has.
const PageRows = 25

// Initials are the first letters of the first and the last word of a name.
func Initials(name string) string {
	words := strings.Fields(name)
	if len(words) > 2 {
		words = []string{words[0], words[len(words)-1]}
	}
	var b strings.Builder
	for _, w := range words {
		for _, r := range w {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				b.WriteRune(unicode.ToUpper(r))
				break
			}
		}
	}
	return b.String()
}
