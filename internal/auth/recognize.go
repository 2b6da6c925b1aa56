package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"
)

// listedFor is how long a list of all keys is used before a credential that is not in
// it makes it be read again.
const listedFor = time.Second

// Recognizes reports whether credential was issued here: it is the secret of a key that
// exists, or a token with a good signature that has not expired. It does not say that
// the credential may be used: a token may have been revoked. The ledger is asked at most
// once a second, however many credentials come, so that guessing them costs it nothing.
func (s *Service) Recognizes(ctx context.Context, credential string) (bool, error) {
	switch {
	case credential == "":
		return false, nil
	case IsToken(credential):
		secret, err := s.tokenSecret(ctx)
		if err != nil {
			return false, err
		}
		c, ok := decodeToken(secret, credential)
		return ok && s.now().Before(c.expires), nil
	case len(credential) > maxSecret:
		return false, nil
	}
	sum := sha256.Sum256([]byte(credential))
	s.listing.Lock()
	defer s.listing.Unlock()
	if s.listed[string(sum[:])] || s.now().Before(s.listedUntil) {
		return s.listed[string(sum[:])], nil
	}
	keys, err := s.store.ListAPIKeys(ctx)
	if err != nil {
		return false, fmt.Errorf("list API keys: %w", err)
	}
	s.listed = make(map[string]bool, len(keys))
	for _, k := range keys {
		s.listed[string(k.Digest)] = true
	}
	s.listedUntil = s.now().Add(listedFor)
	return s.listed[string(sum[:])], nil
}
