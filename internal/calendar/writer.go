package calendar

import (
	"strings"
	"time"
	"unicode/utf8"
)

// maxOctets is how long a line may be without its end (RFC 5545 §3.1).
const maxOctets = 75

// writer appends the lines of an iCalendar object.
type writer struct{ b []byte }

// line appends a property whose value has no line breaks. It is folded so that no character is torn apart.
func (w *writer) line(name, value string) {
	rest, room := name+":"+value, maxOctets
	for len(rest) > room {
		n := room
		for n > 1 && !utf8.RuneStart(rest[n]) {
			n--
		}
		w.b = append(append(w.b, rest[:n]...), "\r\n "...)
		rest, room = rest[n:], maxOctets-1 // the space counts
	}
	w.b = append(append(w.b, rest...), "\r\n"...)
}

func (w *writer) time(name string, t time.Time) { w.line(name, t.UTC().Format("20060102T150405Z")) }

// text appends a property of the type TEXT (RFC 5545 §3.3.11).
func (w *writer) text(name, value string) { w.line(name, escape(value)) }

var escapes = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`,
	"\u0085", `\n`, "\u2028", `\n`, "\u2029", `\n`) // which some programs take for line breaks

// escape returns a text as a value. What it cannot have, control characters and broken UTF-8, is left out.
func escape(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7f {
			return -1
		}
		return c
	}, escapes.Replace(strings.ToValidUTF8(s, "")))
}

// uri returns a URL as a value, which cannot be quoted. What a URL does not have is left out.
func uri(s string) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c == 0x7f {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, ""))
}
