package schoolbell

import (
	"fmt"
	"strings"
)

// Limits on the secret of an API key that people choose.
const (
	MinKeyLength   = 20 // characters
	minKeyDistinct = 8  // different characters
	minRest        = 10 // characters that no rule below explains
	minRestKinds   = 6  // different characters of those
	shortestRun    = 4  // characters that follow one another, on the keyboard or as in 1234, or that stood before
)

// commonInKeys are words that stand in examples and in lists of leaked passwords.
var commonInKeys = []string{"changeme", "password", "passwort", "passwd", "secret", "letmein", "welcome", "qwertyuiop", "asdfghjkl", "zxcvbnm",
	"qwerty", "iloveyou", "administrator", "admin", "default", "example", "schoolbell", "apikey", "api-key", "monkey", "dragon", "football"}

// CheckKeyStrength reports why a secret is too easy to guess for an API key. Random
// secrets of 32 characters or more, also hexadecimal digits, pass but for one in many
// millions.
func CheckKeyStrength(secret string) error {
	switch {
	case len(secret) < MinKeyLength:
		return fmt.Errorf("must have at least %d characters", MinKeyLength)
	case distinct(secret) < minKeyDistinct:
		return fmt.Errorf("must have at least %d different characters", minKeyDistinct)
	}
	lower := lowerASCII(secret)
	if words := lettersAndDigits(lower); repeats(lower) || 2*len(words) > len(lower) && repeats(words) {
		return fmt.Errorf("is too easy to guess: it is repetitive")
	}
	if rest := unexplained(lower); len(rest) < minRest || distinct(rest) < minRestKinds || mostlyRuns(lower) {
		return fmt.Errorf("is too easy to guess: it consists of common words, repetitions or sequences")
	}
	return nil
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func distinct(s string) int {
	seen := map[byte]bool{}
	for _, c := range []byte(s) {
		seen[c] = true
	}
	return len(seen)
}

// repeats reports whether s is one block over and over, the last time perhaps cut.
func repeats(s string) bool {
	for period := 1; period <= len(s)/2; period++ {
		if s[period:] == s[:len(s)-period] {
			return true
		}
	}
	return false
}

func lettersAndDigits(s string) string {
	return strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			return c
		}
		return -1
	}, s)
}

// unexplained is what remains of s without common words, runs, walks over the
// keyboard, and what stood in s before.
func unexplained(s string) string {
	known := make([]bool, len(s))
	mark := func(from, n int) {
		for i := from; i < from+n; i++ {
			known[i] = true
		}
	}
	for _, text := range []string{s, plainLetters.Replace(s), strings.ReplaceAll(plainLetters.Replace(s), "l", "i")} {
		markWords(text, mark)
	}
	seen := map[string]bool{}
	for i := range len(s) {
		n := longestSequence(s[i:])
		for _, touch := range keyboards {
			n = max(n, distinctStart(s[i:i+runAt(s[i:], touch.follows)]))
		}
		if n >= shortestRun {
			mark(i, n)
		}
		if i+shortestRun > len(s) {
			continue
		}
		part := s[i : i+shortestRun]
		if seen[part] {
			mark(i, shortestRun)
		}
		seen[part] = true
	}
	var rest strings.Builder
	for i := range len(s) {
		if !known[i] {
			rest.WriteByte(s[i])
		}
	}
	return rest.String()
}

// plainLetters undoes what people write for letters. A 1 stands for l here; what it
// and l mean instead, an i, is looked at apart.
var plainLetters = strings.NewReplacer("@", "a", "4", "a", "0", "o", "1", "l", "!", "l", "|", "l", "3", "e", "$", "s", "5", "s", "7", "t", "+", "t")

// markWords marks every common word in text. The words are compared as text is
// written when an i stands for every l.
func markWords(text string, mark func(from, n int)) {
	for _, word := range commonInKeys {
		for _, w := range []string{word, strings.ReplaceAll(word, "l", "i")} {
			for from := 0; ; from++ {
				i := strings.Index(text[from:], w)
				if i < 0 {
					break
				}
				from += i
				mark(from, len(w))
			}
		}
	}
}

// mostlyRuns reports whether runs of three or more, such as abcxyz123, are more than
// two thirds of s.
func mostlyRuns(s string) bool {
	in := 0
	for i := 0; i < len(s); {
		n := longestSequence(s[i:])
		if n >= 3 {
			in += n
		} else {
			n = 1
		}
		i += n
	}
	return 3*in > 2*len(s)
}

// runAt is the length of the run with which s begins: of characters each of which
// goes on from the one before.
func runAt(s string, goesOn func(a, b byte) bool) int {
	n := 1
	for n < len(s) && goesOn(s[n-1], s[n]) {
		n++
	}
	return n
}

// longestSequence is the length of the run with which s begins, as in 1234, dcba or aaaa.
func longestSequence(s string) int {
	n := 0
	for _, step := range []int{-1, 0, 1} {
		n = max(n, runAt(s, func(a, b byte) bool { return int(b) == int(a)+step }))
	}
	return n
}

// distinctStart is how far s goes without a character twice. A walk over the keyboard
// that returns counts only so far: random letters do that often.
func distinctStart(s string) int {
	for i := range len(s) {
		if strings.IndexByte(s[:i], s[i]) >= 0 {
			return i
		}
	}
	return len(s)
}

// touching has the pairs of keys that touch on one keyboard.
type touching map[[2]byte]bool

func (t touching) follows(a, b byte) bool { return t[[2]byte{a, b}] }

// keyboards are the layouts in use, each given by its rows of keys from the top.
var keyboards = []touching{
	keyboard("1234567890", "qwertyuiop", "asdfghjkl;", "zxcvbnm,./"),
	keyboard("1234567890", "qwertzuiop", "asdfghjkl", "yxcvbnm,.-"),
	keyboard("1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn,;:!"),
	keyboard("!@#$%^&*()"),
}

func keyboard(rows ...string) touching {
	t := touching{}
	add := func(a, b byte) { t[[2]byte{a, b}], t[[2]byte{b, a}] = true, true }
	for r, row := range rows {
		for c := range len(row) {
			if c+1 < len(row) {
				add(row[c], row[c+1])
			}
			for _, above := range []int{c, c + 1} { // rows are half a key apart
				if r > 0 && above < len(rows[r-1]) {
					add(row[c], rows[r-1][above])
				}
			}
		}
	}
	return t
}
