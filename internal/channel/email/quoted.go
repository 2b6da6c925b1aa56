package email

import (
	"bytes"
	"math/bits"

	"schoolbell"
)

const hexDigits = "0123456789ABCDEF"

// appendContent appends a text as quoted-printable. What many emails share is encoded once: each piece and each
// value begins on a line of its own, to which a soft line break leads.
func appendContent(b []byte, text schoolbell.Content) []byte {
	if text.Shared == nil {
		return b
	}
	for i, piece := range text.Shared.Encoded(quotePieces) {
		b = append(b, piece...)
		if i < len(text.Values) && text.Values[i] != "" {
			start := len(b)
			b = appendQuoted(b, text.Values[i])
			b = breakLine(b, start)
		}
	}
	return b
}

func quotePieces(pieces []string) [][]byte {
	quoted := make([][]byte, len(pieces))
	for i, piece := range pieces {
		quoted[i] = appendQuoted(nil, piece)
		if i < len(pieces)-1 {
			quoted[i] = breakLine(quoted[i], 0)
		}
	}
	return quoted
}

// breakLine appends a soft line break to b, whose last text begins at start, unless a line begins there already.
func breakLine(b []byte, start int) []byte {
	if len(b) == start || bytes.HasSuffix(b[start:], []byte("\r\n")) {
		return b
	}
	return append(b, "=\r\n"...)
}

// appendQuoted appends text as quoted-printable (RFC 2045 §6.7) with CRLF line
// ends. The library's writer does the same at a fifth of the speed, and this is
// most of what a mail costs here.
func appendQuoted(b []byte, text string) []byte {
	column := 0 // bytes on the line so far
	for text != "" {
		// Bytes that stand for themselves go over in one piece.
		n := literals(text, maxLine-1-column)
		b = append(b, text[:n]...)
		text, column = text[n:], column+n
		if text == "" {
			break
		}
		if end := lineEnd(text); end > 0 {
			b = append(mendEnd(b, column), "\r\n"...)
			text, column = text[end:], 0
			continue
		}
		c := text[0]
		switch {
		case column == maxLine-1, !isLiteral(c) && column > maxLine-4:
			b, column = append(b, "=\r\n"...), 0
			continue
		case isLiteral(c): // a tab, or at the very end of the text
			b = append(b, c)
			column++
		default:
			b = append(b, '=', hexDigits[c>>4], hexDigits[c&15])
			column += 3
		}
		text = text[1:]
	}
	return mendEnd(b, column)
}

// lineEnd returns the length of the line end that s begins with, or 0.
func lineEnd(s string) int {
	switch {
	case s[0] == '\n':
		return 1
	case s[0] == '\r' && len(s) > 1 && s[1] == '\n':
		return 2
	}
	return 0
}

// mendEnd encodes the last byte of b if it is a space or tab, which could be
// lost at a line's end. column is the length of the line.
func mendEnd(b []byte, column int) []byte {
	if column == 0 {
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

// isLiteral tells the bytes that stand for themselves within a line.
func isLiteral(c byte) bool { return c >= ' ' && c <= '~' && c != '=' || c == '\t' }

// literals returns how many bytes from the start of s stand for themselves, most
// at most. It may stop early, at a tab or close to the end of s.
func literals(s string, most int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; n < most && len(s)-n >= 8; n += 8 {
		w := s[n : n+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		// The top bit of each byte tells whether it has to be looked at: it is above
		// '~', below ' ', or '='. Sums carry into the byte after one that
		// has to, never into one before it, so that the first is always right.
		equals := x ^ '='*ones
		if look := (x | (x + ones) | (x - ' '*ones) | (equals-ones)&^equals) & tops; look != 0 {
			n += bits.TrailingZeros64(look) / 8
			break
		}
	}
	return min(n, most)
}
