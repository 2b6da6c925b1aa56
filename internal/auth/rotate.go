package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Limits on how long the secret before works after a rotation. User tokens that it made
// end with it: after DefaultGrace all of them have expired anyway.
const (
	DefaultGrace = MaxTokenTTL
	MaxGrace     = 30 * 24 * time.Hour
)

// Rotate gives the key with that fingerprint, as for [Service.Revoke], a new secret, which
// is kept nowhere. The secret before works until grace has passed. The key keeps its id,
// name and scope, and its expiry unless expires is set. It returns the key with the new
// secret and, as replaced, the one before. CodeConflict if the key comes from the settings,
// has expired or was rotated before.
func (s *Service) Rotate(ctx context.Context, fingerprint string, grace time.Duration, expires time.Time) (secret string, k, replaced schoolbell.APIKey, err error) {
	var f schoolbell.Faults
	s.checkExpiry(&f, expires)
	if grace < 0 || grace > MaxGrace {
		f.Add("grace", "must be from 0 to %d hours", int(MaxGrace.Hours()))
	}
	if err := f.Err(); err != nil {
		return "", k, replaced, err
	}
	old, err := s.byFingerprint(ctx, strings.ToLower(fingerprint))
	if err != nil {
		return "", k, replaced, err
	}
	now := schoolbell.Time(s.now())
	switch {
	case old.Name == SeededName:
		return "", k, replaced, conflict("this key comes from SCHOOLBELL_API_KEY: change the setting instead")
	case old.Expired(now):
		return "", k, replaced, conflict("the API key has expired: create another one")
	case !old.ReplacedAt.IsZero():
		return "", k, replaced, conflict("the API key was rotated before: rotate its new secret")
	}
	secret = newSecret()
	k = s.newKey(secret, old.Name, old.Scope)
	k.ID, k.ExpiresAt = keyID(old), schoolbell.Time(expires)
	if expires.IsZero() {
		k.ExpiresAt = old.ExpiresAt
	}
	replaced = old
	replaced.ReplacedAt = now
	if end := now.Add(grace); old.ExpiresAt.IsZero() || end.Before(old.ExpiresAt) {
		replaced.ExpiresAt = end
	}
	ctx = s.changing(ctx, "key.rotate", k)
	ledger.ChangeOf(ctx).Set("replaced", Fingerprint(replaced))
	ledger.ChangeOf(ctx).Set("replaced_until", replaced.ExpiresAt)
	if err := s.store.RotateAPIKey(ctx, replaced, k); err != nil {
		return "", schoolbell.APIKey{}, schoolbell.APIKey{}, fmt.Errorf("rotate API key %s: %w", Fingerprint(old), err)
	}
	return secret, k, replaced, nil
}

func conflict(message string) error {
	return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: message}
}

func (s *Service) checkExpiry(f *schoolbell.Faults, expires time.Time) {
	switch {
	case expires.IsZero():
	case !schoolbell.ValidTime(expires):
		f.Add("expires_at", "must be within the years 1970 to 9999 in UTC")
	case !expires.After(s.now()):
		f.Add("expires_at", "must be in the future")
	}
}

// changing returns a context whose calls make a change to a key. That of the caller, who knows more of it, is used if there is one.
func (s *Service) changing(ctx context.Context, action string, k schoolbell.APIKey) context.Context {
	c := ledger.ChangeOf(ctx)
	if c == nil {
		c = ledger.NewChange(schoolbell.AuditEntry{At: s.now(), Actor: PrincipalOf(ctx).Actor(), Action: action, Target: schoolbell.Target{Kind: "key"}})
	}
	c.Target(keyID(k))
	c.Set("fingerprint", Fingerprint(k))
	c.Set("name", k.Name)
	c.Set("scope", k.Scope)
	if !k.ExpiresAt.IsZero() {
		c.Set("expires_at", k.ExpiresAt)
	}
	return ledger.WithChange(ctx, c)
}
