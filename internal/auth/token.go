package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"schoolbell"
)

// A user token is tokenPrefix, then base64url of (expiry in milliseconds as 8
// bytes, big endian; user id), a dot, and base64url of the HMAC-SHA256 of all
// that stands before the dot. The prefix carries the version.
const (
	tokenPrefix = "sbu1."
	secretName  = "user-token-v1"
	expiryBytes = 8
	maxToken    = 512
)

// Limits on the life of user tokens.
const (
	DefaultTokenTTL = time.Hour
	MinTokenTTL     = 10 * time.Second
	MaxTokenTTL     = 24 * time.Hour
)

var encoding = base64.RawURLEncoding.Strict()

// IsToken reports whether s looks like a user token rather than an API key.
func IsToken(s string) bool { return strings.HasPrefix(s, tokenPrefix) }

// Token makes a token that speaks for the user for ttl (0 means
// DefaultTokenTTL) and returns it with the time at which it ends. Whether there
// is such a user the caller knows.
func (s *Service) Token(ctx context.Context, userID string, ttl time.Duration) (token string, expires time.Time, err error) {
	if ttl == 0 {
		ttl = DefaultTokenTTL
	}
	if ttl < MinTokenTTL || ttl > MaxTokenTTL {
		return "", time.Time{}, schoolbell.Invalid("ttl", "must be from %d to %d seconds",
			int(MinTokenTTL.Seconds()), int(MaxTokenTTL.Seconds()))
	}
	if !schoolbell.ValidID(userID) {
		return "", time.Time{}, schoolbell.Invalid("id", "is not a valid id")
	}
	secret, err := s.tokenSecret(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	expires = schoolbell.Time(s.now().Add(ttl))
	return encodeToken(secret, userID, expires), expires, nil
}

// TokenUser returns the id of the user a token speaks for; CodeUnauthorized if
// the token was not made here or has ended.
func (s *Service) TokenUser(ctx context.Context, token string) (userID string, err error) {
	secret, err := s.tokenSecret(ctx)
	if err != nil {
		return "", err
	}
	userID, expires, ok := decodeToken(secret, token)
	switch {
	case !ok:
		return "", &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "the user token is not valid"}
	case !s.now().Before(expires):
		return "", &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "the user token has expired"}
	}
	return userID, nil
}

func (s *Service) tokenSecret(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	secret := s.secret
	s.mu.Unlock()
	if secret != nil {
		return secret, nil
	}
	fresh := make([]byte, sha256.Size)
	_, _ = rand.Read(fresh) // never fails: it ends the program instead
	secret, err := s.store.Secret(ctx, secretName, fresh)
	if err != nil {
		return nil, fmt.Errorf("load the secret of user tokens: %w", err)
	}
	if len(secret) < sha256.Size {
		return nil, fmt.Errorf("load the secret of user tokens: it has only %d bytes", len(secret))
	}
	s.mu.Lock()
	s.secret = secret
	s.mu.Unlock()
	return secret, nil
}

func encodeToken(secret []byte, userID string, expires time.Time) string {
	payload := make([]byte, expiryBytes, expiryBytes+len(userID))
	binary.BigEndian.PutUint64(payload, uint64(expires.UnixMilli()))
	signed := tokenPrefix + encoding.EncodeToString(append(payload, userID...))
	return signed + "." + encoding.EncodeToString(sign(secret, signed))
}

// decodeToken checks the signature before it looks at what was signed.
func decodeToken(secret []byte, token string) (userID string, expires time.Time, ok bool) {
	if len(token) > maxToken || !IsToken(token) {
		return "", time.Time{}, false
	}
	dot := strings.LastIndexByte(token, '.')
	mac, err := encoding.DecodeString(token[dot+1:])
	if err != nil || !hmac.Equal(mac, sign(secret, token[:dot])) || dot < len(tokenPrefix) {
		return "", time.Time{}, false
	}
	payload, err := encoding.DecodeString(token[len(tokenPrefix):dot])
	if err != nil || len(payload) <= expiryBytes {
		return "", time.Time{}, false
	}
	userID = string(payload[expiryBytes:])
	expires = time.UnixMilli(int64(binary.BigEndian.Uint64(payload))).UTC()
	return userID, expires, schoolbell.ValidID(userID)
}

func sign(secret []byte, text string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}
