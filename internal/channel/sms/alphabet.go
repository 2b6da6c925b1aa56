package sms

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// The GSM 7-bit default alphabet (3GPP TS 23.038, 6.2.1) and its extension table, whose characters take two septets.
const (
	basic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extended = "\f^{}\\[~]|€"
)

// septets has how many septets each character of the alphabet takes.
var septets = func() map[rune]int {
	m := make(map[rune]int, 140)
	for _, r := range basic {
		m[r] = 1
	}
	for _, r := range extended {
		m[r] = 2
	}
	return m
}()

// folds has what says the same in the GSM alphabet, by characters beyond it. Letters with accents are not among them:
// names would change.
var folds = func() map[rune]string {
	m := map[rune]string{'…': "...", '⁄': "/", '×': "x", '‹': "<", '›': ">", '\t': " ", '\u2028': "\n", '\u2029': "\n"}
	for plain, marks := range map[string]string{
		"'":  "‘’‚‛′‵`´ʼʹ＇",
		"\"": "“”„‟″‶«»＂",
		"-":  "‐‑‒–—―−·•∙‧﹣－",
		" ":  "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
		"":   "\u00ad\u200b\u200e\u200f\u2060\u2066\u2067\u2068\u2069\ufeff", // invisible; without meaning between Latin letters
	} {
		for _, r := range marks {
			m[r] = plain
		}
	}
	return m
}()

// Fold returns a text in the GSM alphabet if it says the same in it, such as with straight quotation marks instead of
// curly ones. Otherwise it returns the text in Unicode's composed form (NFC), with nothing replaced.
func Fold(text string) string {
	text = norm.NFC.String(text)
	if inAlphabet(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		plain, known := folds[r]
		switch {
		case septets[r] > 0:
			b.WriteRune(r)
		case known:
			b.WriteString(plain)
		default:
			return text
		}
	}
	return b.String()
}

func inAlphabet(text string) bool {
	for _, r := range text {
		if septets[r] == 0 {
			return false
		}
	}
	return true
}
