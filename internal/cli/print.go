package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// painted is text that may go to a terminal as it is: what it holds of foreign
// text was made printable, and its escape sequences are ours.
type painted string

// printJSON writes v as one line for scripts. Characters that a terminal could
// obey are written as JSON escapes.
func (a *program) printJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	if err == nil {
		// Outside its strings, JSON has no character that is hidden here.
		_, err = io.WriteString(a.Out, printableLine(strings.TrimSuffix(b.String(), "\n"))+"\n")
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// say writes a line of the result. Arguments are made printable, except for [painted] ones.
func (a *program) say(format string, args ...any) {
	fmt.Fprintf(a.Out, format+"\n", printableArgs(args)...)
}

func printableArgs(args []any) []any {
	safe := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case painted:
			safe[i] = string(v)
		case int, int64, bool: // also widths of fields
			safe[i] = v
		default:
			safe[i] = printable(fmt.Sprint(v))
		}
	}
	return safe
}

// printable returns s on one line without runs of spaces, with control characters and characters that
// change the direction of text replaced by their numbers. Names, ids and reasons come
// from other programs and people; a terminal would obey what they hold.
func printable(s string) string { return printableLine(oneLine(s)) }

// printableLine is [printable] for text whose spaces matter, as in a table.
func printableLine(s string) string {
	return escapeHidden(strings.ToValidUTF8(s, "\ufffd"), `\u%04x`)
}

// escapeHidden writes each hidden character of s by format, which takes its number.
func escapeHidden(s, format string) string {
	if !strings.ContainsFunc(s, isHidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isHidden(r) {
			fmt.Fprintf(&b, format, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isHidden reports characters that act on the text around them instead of showing
// something: controls, line separators and directional formatting (UAX #9). All of
// them are below U+10000.
func isHidden(r rune) bool {
	return unicode.IsControl(r) || r == '\u061c' || r == '\u200e' || r == '\u200f' ||
		r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// oneLine keeps a text of several lines from tearing a message apart.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
