package sms

// Alphabet is how the characters of a text message are written.
type Alphabet string

// The alphabets. A text is written in GSM7 if all its characters are in it.
const (
	GSM7 Alphabet = "gsm7" // septets; some characters take two
	UCS2 Alphabet = "ucs2" // UTF-16 code units; some characters take two
)

// capacity is how much a text message holds: alone, and as one of several, which each give six octets to a header.
type capacity struct{ alone, joined int }

var capacities = map[Alphabet]capacity{GSM7: {160, 153}, UCS2: {70, 67}}

// Segments returns into how many segments a text is split, and its alphabet. A character is never split, so that a segment
// may stay one unit shorter than it could be. An empty text has no segments.
func Segments(text string) (int, Alphabet) {
	alphabet, cost := GSM7, func(r rune) int { return septets[r] }
	if !inAlphabet(text) {
		alphabet, cost = UCS2, codeUnits
	}
	holds := capacities[alphabet]
	total, segments, used := 0, 0, holds.joined
	for _, r := range text {
		n := cost(r)
		total += n
		if used += n; used > holds.joined {
			segments, used = segments+1, n
		}
	}
	if total > 0 && total <= holds.alone {
		segments = 1
	}
	return segments, alphabet
}

// codeUnits is how many UTF-16 code units a character takes.
func codeUnits(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}
