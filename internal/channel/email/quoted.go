package email

import "strings"

const hexDigits = "0123456789ABCDEF"

// appendQuoted appends text as quoted-printable (RFC 2045 §6.7) with CRLF line
// ends. The library's writer does the same at a third of the speed, and this is
// most of what a mail costs here.
func appendQuoted(b []byte, text string) []byte {
	for text != "" {
		line, rest, more := strings.Cut(text, "\n")
		if more {
			line = strings.TrimSuffix(line, "\r")
		}
		b = appendQuotedLine(b, line)
		if more {
			b = append(b, "\r\n"...)
		}
		text = rest
	}
	return b
}

// appendQuotedLine appends one line, broken softly where it is long.
func appendQuotedLine(b []byte, line string) []byte {
	column := 0
	for line != "" {
		// A run of bytes that stand for themselves goes over in one piece.
		n, room := 0, maxLine-1-column
		for n < len(line) && n < room && literal[line[n]] {
			n++
		}
		b = append(b, line[:n]...)
		column += n
		line = line[n:]
		if line == "" {
			return mendEnd(b, n, column)
		}
		switch c := line[0]; {
		case literal[c]: // the run ended for want of room
			b, column = append(b, "=\r\n"...), 0
		case column > maxLine-4:
			b, column = append(b, "=\r\n"...), 0
		default:
			b = append(b, '=', hexDigits[c>>4], hexDigits[c&15])
			column += 3
			line = line[1:]
		}
	}
	return b
}

// mendEnd encodes the last of the n bytes just appended if it is a space or tab,
// which could be lost at a line's end. column is the length of the line.
func mendEnd(b []byte, n, column int) []byte {
	if n == 0 {
		return b
	}
	c := b[len(b)-1]
	if c != ' ' && c != '\t' {
		return b
	}
	b = b[:len(b)-1]
	if column-1+3 > maxLine {
		b = append(b, "=\r\n"...)
	}
	return append(b, '=', hexDigits[c>>4], hexDigits[c&15])
}

// literal tells the bytes that stand for themselves within a line.
var literal = func() (is [256]bool) {
	for c := ' '; c <= '~'; c++ {
		is[c] = c != '='
	}
	is['\t'] = true
	return is
}()
