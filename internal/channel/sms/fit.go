package sms

import (
	"sort"
	"strings"
	"unicode"
)

// MaxSegments is the most segments that a text may have. Ten are always within the 1,600 characters that Twilio takes.
const MaxSegments = 10

const (
	maxRunes = 1600 // that any text of MaxSegments can have
	minRunes = 20   // of a text before its link; the link is left out if less is left
	ellipsis = "..."
)

// Fit returns a text that takes at most so many segments, 1 to MaxSegments, in the GSM alphabet where that says the same.
// A text that is too long is cut at the end of a word and ends with the link. A text that is not gets the link if that
// takes no further segment. An empty link is none.
func Fit(text, link string, most int) string {
	whole := Fold(text)
	n, _ := Segments(whole)
	if n > most {
		return cut([]rune(text), link, most)
	}
	if link != "" {
		linked := Fold(text + " " + link)
		if with, _ := Segments(linked); with == n {
			return linked
		}
	}
	return whole
}

func cut(text []rune, link string, most int) string {
	text = text[:min(len(text), maxRunes)]
	end := ellipsis
	if link != "" {
		end += " " + link
	}
	first := func(n int) string {
		return Fold(strings.TrimRightFunc(string(text[:n]), unicode.IsSpace) + end)
	}
	// The number of segments never decreases with the length.
	n := sort.Search(len(text), func(n int) bool {
		segments, _ := Segments(first(n + 1))
		return segments > most
	})
	n = wordEnd(text, n)
	if link != "" && n < minRunes {
		return cut(text, "", most)
	}
	return first(n)
}

// wordEnd returns where to cut a text that may have at most n characters: at the end of a word, or within a long word where no
// character is torn from its marks.
func wordEnd(text []rune, n int) int {
	if n == len(text) || unicode.IsSpace(text[n]) {
		return n
	}
	for i := n; i > n*3/4; i-- {
		if unicode.IsSpace(text[i-1]) {
			return i
		}
	}
	for n > 0 && (joins(text[n]) || text[n-1] == zeroWidthJoiner) {
		n--
	}
	return n
}

const zeroWidthJoiner = '\u200d'

// joins reports whether a character belongs to the one before it.
func joins(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Mc, unicode.Me) || r == zeroWidthJoiner || r >= 0x1f3fb && r <= 0x1f3ff // skin tones
}
