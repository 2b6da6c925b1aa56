package schoolbell

import (
	"fmt"
	"strings"
)

// Limits on the secret of an API key that people choose.
const (
	MinKeyLength   = 20 // characters
	minKeyDistinct = 8  // different characters, also of what remains without common words
	shortestRun    = 4  // characters that follow one another, such as 1234 or abcd
)

// commonInKeys are words that stand in examples and in lists of leaked passwords.
var commonInKeys = []string{"changeme", "password", "passwort", "passwd", "secret", "letmein", "welcome", "qwertyuiop", "asdfghjkl", "zxcvbnm",
	"qwerty", "iloveyou", "administrator", "admin", "default", "example", "schoolbell", "apikey", "api-key", "monkey", "dragon", "football"}

// CheckKeyStrength reports why a secret is too easy to guess for an API key.
func CheckKeyStrength(secret string) error {
	switch {
	case len(secret) < MinKeyLength:
		return fmt.Errorf("must have at least %d characters", MinKeyLength)
	case distinct(secret) < minKeyDistinct:
		return fmt.Errorf("must have at least %d different characters", minKeyDistinct)
	}
	rest := strings.ToLower(secret)
	for _, word := range commonInKeys {
		rest = strings.ReplaceAll(rest, word, "")
	}
	if distinct(withoutRuns(rest)) < minKeyDistinct {
		return fmt.Errorf("is too easy to guess: it is made of common words or of characters that follow one another")
	}
	return nil
}

func distinct(s string) int {
	seen := map[byte]bool{}
	for _, c := range []byte(s) {
		seen[c] = true
	}
	return len(seen)
}

// withoutRuns leaves out stretches of characters of which each follows the one before,
// in either direction.
func withoutRuns(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		n := max(runAt(s[i:], 1), runAt(s[i:], -1))
		if n < shortestRun {
			b.WriteByte(s[i])
			n = 1
		}
		i += n
	}
	return b.String()
}

// runAt is the length of the run of that step with which s begins.
func runAt(s string, step int) int {
	n := 1
	for n < len(s) && int(s[n]) == int(s[n-1])+step {
		n++
	}
	return n
}
