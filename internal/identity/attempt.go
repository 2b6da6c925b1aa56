package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// AttemptTTL is how long somebody may take at the identity provider.
const AttemptTTL = 10 * time.Minute

const (
	secretBytes = 32
	maxCookie   = 3000
)

// Attempt is one sign-in of one browser. Its secret stays in a cookie of that browser, and everything by which the answer is
// recognized is made of it. The cookie has no signature: who can write it can as well begin an attempt of their own.
type Attempt struct {
	secret string
	begun  time.Time
	Next   string // where to go afterwards, as the cookie has it
}

// NewAttempt begins an attempt.
func NewAttempt(next string, now time.Time) Attempt {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return Attempt{base64.RawURLEncoding.EncodeToString(b), now, next}
}

// Cookie is the attempt as the value of a cookie.
func (a Attempt) Cookie() string {
	text := a.secret + "." + strconv.FormatInt(a.begun.Unix(), 10) + "." + url.QueryEscape(a.Next)
	if len(text) > maxCookie {
		return Attempt{a.secret, a.begun, ""}.Cookie()
	}
	return text
}

// ParseAttempt returns the attempt of a cookie; the zero Attempt, which has expired, if it has none.
func ParseAttempt(cookie string) Attempt {
	parts := strings.SplitN(cookie, ".", 3)
	if len(parts) != 3 || len(parts[0]) != base64.RawURLEncoding.EncodedLen(secretBytes) || len(cookie) > maxCookie {
		return Attempt{}
	}
	begun, err := strconv.ParseInt(parts[1], 10, 64)
	next, nextErr := url.QueryUnescape(parts[2])
	if err != nil || nextErr != nil {
		return Attempt{}
	}
	return Attempt{parts[0], time.Unix(begun, 0), next}
}

func (a Attempt) expired(now time.Time) bool {
	age := now.Sub(a.begun)
	return a.secret == "" || age < -time.Minute || age >= AttemptTTL
}

// derived is a value for one purpose, from which nobody finds the secret or the values for other purposes.
func (a Attempt) derived(purpose string) string {
	sum := sha256.Sum256([]byte(purpose + " " + a.secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (a Attempt) state() string    { return a.derived("state") }
func (a Attempt) nonce() string    { return a.derived("nonce") }
func (a Attempt) verifier() string { return a.derived("verifier") } // of PKCE

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
