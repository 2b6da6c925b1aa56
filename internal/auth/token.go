package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// A user token is tokenPrefix, then base64url of its claims, a dot, and base64url of
// the HMAC-SHA256 of all that stands before the dot. The claims are 30 bytes: expiry
// in milliseconds, the user's number and generation (8 bytes each, big endian), and the
// fingerprint of the key that made the token. The prefix carries the version: tokens
// of version 1 named the user by id, and nothing could end them.
const (
	tokenPrefix  = "sbu2."
	anyToken     = "sbu"
	secretName   = "user-token-v2"
	claimsBytes  = 3*8 + fingerprintBytes
	maxToken     = 512
	tokenEntries = 10_000 // users and keys whose state is remembered
)

// Limits on the life of user tokens.
const (
	DefaultTokenTTL = time.Hour
	MinTokenTTL     = 10 * time.Second
	MaxTokenTTL     = 24 * time.Hour
)

var encoding = base64.RawURLEncoding.Strict()

// IsToken reports whether s looks like a user token, of this version or an earlier
// one, rather than an API key.
func IsToken(s string) bool {
	version, _, dot := strings.Cut(s, ".")
	return dot && strings.HasPrefix(version, anyToken)
}

// claims are what a token says.
type claims struct {
	expires time.Time
	user    ledger.UserRef
	key     [fingerprintBytes]byte
}

// TokenUser is whom a good token speaks for.
type TokenUser struct {
	ID      string
	Ref     ledger.UserRef
	Key     string // fingerprint of the key that made the token
	Expires time.Time
}

// Token makes a token that speaks for the user for ttl (0 means DefaultTokenTTL) and
// returns it with the time at which it ends. It ends before that when the key by, which
// asks for it, is revoked, when the user is deleted, and by [Service.RevokeTokens].
// CodeNotFound if there is no such user.
func (s *Service) Token(ctx context.Context, by schoolbell.APIKey, userID string, ttl time.Duration) (token string, expires time.Time, err error) {
	if ttl == 0 {
		ttl = DefaultTokenTTL
	}
	if ttl < MinTokenTTL || ttl > MaxTokenTTL {
		return "", time.Time{}, schoolbell.Invalid("ttl", "must be from %d to %d seconds",
			int(MinTokenTTL.Seconds()), int(MaxTokenTTL.Seconds()))
	}
	refs, err := s.store.UserRefs(ctx, []string{userID})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("look for the user of a token: %w", err)
	}
	user, ok := refs[userID]
	if !ok {
		return "", time.Time{}, schoolbell.NotFound("user", userID)
	}
	secret, err := s.tokenSecret(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	c := claims{expires: schoolbell.Time(s.now().Add(ttl)), user: user}
	copy(c.key[:], by.Digest)
	return c.encode(secret), c.expires, nil
}

// TokenUser returns whom a token speaks for; CodeUnauthorized if the token was not made
// here or has ended. The ledger is asked once in a few seconds for each user and key.
func (s *Service) TokenUser(ctx context.Context, token string) (TokenUser, error) {
	secret, err := s.tokenSecret(ctx)
	if err != nil {
		return TokenUser{}, err
	}
	c, ok := decodeToken(secret, token)
	switch {
	case !ok:
		return TokenUser{}, refuse("the user token is not valid", ReasonUnknown, "")
	case !s.now().Before(c.expires):
		return TokenUser{}, refuse("the user token has expired", ReasonExpired, "")
	}
	id, err := s.holders.get(c.user, s.now(), func() (string, error) { return s.store.UserByRef(ctx, c.user) })
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return TokenUser{}, revokedToken()
	}
	if err != nil {
		return TokenUser{}, fmt.Errorf("look for the user of a token: %w", err)
	}
	exists, err := s.makers.get(c.key, s.now(), func() (bool, error) { return s.store.HasFingerprint(ctx, c.key[:], s.now()) })
	switch {
	case err != nil:
		return TokenUser{}, fmt.Errorf("look for the key of a token: %w", err)
	case !exists:
		return TokenUser{}, revokedToken()
	}
	return TokenUser{ID: id, Ref: c.user, Key: hex.EncodeToString(c.key[:]), Expires: c.expires}, nil
}

func revokedToken() error {
	return refuse("the user token has been revoked", ReasonRevoked, "")
}

// RevokeTokens ends every token of the user, in each process within five seconds.
// CodeNotFound if there is no such user.
func (s *Service) RevokeTokens(ctx context.Context, userID string) error {
	return s.store.RevokeTokens(ctx, userID)
}

func (s *Service) tokenSecret(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	secret := s.secret
	s.mu.Unlock()
	if secret != nil {
		return secret, nil
	}
	fresh := make([]byte, sha256.Size)
	_, _ = rand.Read(fresh)                                                       // never fails: it ends the program instead
	secret, err := s.store.Secret(ledger.WithChange(ctx, nil), secretName, fresh) // the change that needs it is another
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

func (c claims) encode(secret []byte) string {
	b := make([]byte, 0, claimsBytes)
	for _, n := range []int64{c.expires.UnixMilli(), c.user.Number, c.user.Generation} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	signed := tokenPrefix + encoding.EncodeToString(append(b, c.key[:]...))
	return signed + "." + encoding.EncodeToString(sign(secret, signed))
}

// decodeToken checks the signature before it looks at what was signed.
func decodeToken(secret []byte, token string) (c claims, ok bool) {
	if len(token) > maxToken || !strings.HasPrefix(token, tokenPrefix) {
		return claims{}, false
	}
	dot := strings.LastIndexByte(token, '.')
	mac, err := encoding.DecodeString(token[dot+1:])
	if err != nil || !hmac.Equal(mac, sign(secret, token[:dot])) || dot < len(tokenPrefix) {
		return claims{}, false
	}
	b, err := encoding.DecodeString(token[len(tokenPrefix):dot])
	if err != nil || len(b) != claimsBytes {
		return claims{}, false
	}
	number := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	c = claims{expires: time.UnixMilli(number(0)).UTC(), user: ledger.UserRef{Number: number(1), Generation: number(2)}}
	copy(c.key[:], b[3*8:])
	return c, true
}

func sign(secret []byte, text string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}
