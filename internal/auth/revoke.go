package auth

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"schoolbell"
)

const (
	fingerprintBytes = 6
	minFingerprint   = 4 // characters that name a key; fewer are a slip
)

// Fingerprint is what people call a key by: the beginning of its digest in hex.
// It tells nothing about the secret.
func Fingerprint(k schoolbell.APIKey) string {
	return hex.EncodeToString(k.Digest[:min(fingerprintBytes, len(k.Digest))])
}

// Keys returns every key, the oldest first.
func (s *Service) Keys(ctx context.Context) ([]schoolbell.APIKey, error) {
	keys, err := s.store.ListAPIKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	return keys, nil
}

// Revoke revokes the key whose digest begins with fingerprint, in hex, at least
// four characters, and returns what it was. Every process refuses it within five
// seconds. CodeNotFound if no key has it, CodeConflict if several do, CodeInvalid
// if it is no fingerprint.
func (s *Service) Revoke(ctx context.Context, fingerprint string) (schoolbell.APIKey, error) {
	k, err := s.byFingerprint(ctx, strings.ToLower(fingerprint))
	if err != nil {
		return schoolbell.APIKey{}, err
	}
	if err := s.store.DeleteAPIKey(s.changing(ctx, "key.revoke", k), k.Digest); err != nil {
		return schoolbell.APIKey{}, fmt.Errorf("revoke API key %s: %w", Fingerprint(k), err)
	}
	return k, nil
}

func (s *Service) byFingerprint(ctx context.Context, fingerprint string) (schoolbell.APIKey, error) {
	if len(fingerprint) < minFingerprint || strings.Trim(fingerprint, "0123456789abcdef") != "" {
		return schoolbell.APIKey{}, schoolbell.Invalid("fingerprint", "must be at least %d characters of a key's fingerprint, 0 to 9 and a to f", minFingerprint)
	}
	keys, err := s.Keys(ctx)
	if err != nil {
		return schoolbell.APIKey{}, err
	}
	var found []schoolbell.APIKey
	for _, k := range keys {
		if strings.HasPrefix(hex.EncodeToString(k.Digest), fingerprint) {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return schoolbell.APIKey{}, schoolbell.NotFound("API key", fingerprint)
	case 1:
		return found[0], nil
	}
	return schoolbell.APIKey{}, &schoolbell.Error{Code: schoolbell.CodeConflict,
		Message: fmt.Sprintf("%d API keys have fingerprints that begin with %s", len(found), fingerprint)}
}
