package staff

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"

	"schoolbell"
)

// Parameters of argon2id: those of OWASP's password storage cheat sheet that need the least memory, 7 MiB with five passes. It
// gives them as equal in strength to 19 MiB with two passes and to 46 MiB with one.
const (
	argonMemory  = 7 << 10 // KiB
	argonTime    = 5
	argonThreads = 1
	saltBytes    = 16
	hashBytes    = 32
)

const (
	minPassword = 10  // characters
	maxPassword = 256 // bytes
)

// hasher computes one hash at a time, because each takes 7 MiB. Others wait for their turn.
type hasher struct{ turn *semaphore.Weighted }

func newHasher() hasher { return hasher{semaphore.NewWeighted(1)} }

// hash returns the hash of a password as a PHC string: the parameters, the salt and the hash.
func (h hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails: it ends the program instead
	sum, err := h.sum(ctx, password, salt, argonTime, argonMemory)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum)), nil
}

// matches reports whether a password has the hash, which may have other parameters than new ones get.
func (h hasher) matches(ctx context.Context, password, encoded string) (bool, error) {
	var version, memory, passes, threads uint32
	fields := strings.Split(encoded, "$")
	if len(fields) != 6 || fields[1] != "argon2id" {
		return false, fmt.Errorf("the hash of a password cannot be read")
	}
	_, err := fmt.Sscanf(fields[2]+" "+fields[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &passes, &threads)
	salt, saltErr := base64.RawStdEncoding.DecodeString(fields[4])
	want, wantErr := base64.RawStdEncoding.DecodeString(fields[5])
	if err != nil || saltErr != nil || wantErr != nil || version != argon2.Version || threads != argonThreads || len(want) != hashBytes {
		return false, fmt.Errorf("the hash of a password cannot be read")
	}
	sum, err := h.sum(ctx, password, salt, passes, memory)
	return err == nil && subtle.ConstantTimeCompare(sum, want) == 1, err
}

func (h hasher) sum(ctx context.Context, password string, salt []byte, passes, memory uint32) ([]byte, error) {
	if err := h.turn.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait for the turn to hash a password: %w", err)
	}
	defer h.turn.Release(1)
	defer debug.FreeOSMemory() // many sign-ins would otherwise leave several times 7 MiB of garbage
	return argon2.IDKey([]byte(password), salt, passes, memory, argonThreads, hashBytes), nil
}

// checkPassword returns what is wrong with a new password of somebody.
func checkPassword(password string, a schoolbell.StaffAccount) error {
	lower := strings.ToLower(password)
	local, _, _ := strings.Cut(a.Email, "@")
	switch {
	case !utf8.ValidString(password):
		return schoolbell.Invalid("password", "must be valid UTF-8")
	case utf8.RuneCountInString(password) < minPassword:
		return schoolbell.Invalid("password", "must have at least %d characters", minPassword)
	case len(password) > maxPassword:
		return schoolbell.Invalid("password", "must have at most %d bytes", maxPassword)
	case distinct(lower) < 5:
		return schoolbell.Invalid("password", "must have at least five different characters")
	case a.Email != "" && (strings.Contains(lower, a.Email) || len(local) > 3 && strings.Contains(lower, local)):
		return schoolbell.Invalid("password", "must not contain the email address")
	case commonPassword(lower):
		return schoolbell.Invalid("password", "is one of those that attackers try first")
	}
	return nil
}

// distinct counts the different characters of a text.
func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

// commonPassword reports whether a password of lower-case letters is a common word, with or without digits and signs around it.
func commonPassword(lower string) bool {
	word := strings.Trim(lower, "0123456789!?.,-_*#@$ ")
	switch word {
	case "", "password", "passwort", "schoolbell", "qwertyuiop", "qwerty", "qwertz", "letmein", "welcome", "administrator",
		"admin", "iloveyou", "changeme", "teacher", "student", "school", "secret":
		return true
	}
	return strings.Contains("abcdefghijklmnopqrstuvwxyz", word) && len(word) > 3
}
