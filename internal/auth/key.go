package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	"schoolbell"
)

const (
	keyPrefix    = "sb_"
	keyBytes     = 32
	minSecret    = 16              // characters of a configured key
	maxSecret    = 512             // characters of any key; longer ones are not even looked up
	maxName      = 200             // bytes
	cacheTTL     = 5 * time.Second // how long a revoked key is still taken for good
	cacheEntries = 1024
)

// SeededName is the name of keys that came from the settings. Revoked, such a
// key comes back when a process that still has it starts.
const SeededName = "SCHOOLBELL_API_KEY"

// Options are the settings of a Service. The zero value works.
type Options struct {
	Clock func() time.Time // nil means time.Now
}

// Service makes and checks API keys and user tokens. It is safe for concurrent use.
type Service struct {
	store Store
	now   func() time.Time

	mu     sync.Mutex
	known  map[[sha256.Size]byte]knownKey
	secret []byte // signs user tokens; nil until first needed
}

type knownKey struct {
	key   schoolbell.APIKey
	until time.Time
}

// New returns a Service over the keys in store. Nothing is read yet.
func New(store Store, o Options) *Service {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Service{store: store, now: o.Clock, known: map[[sha256.Size]byte]knownKey{}}
}

// Seed makes secret, which the settings gave, an admin key. Seeding the same
// secret again changes nothing.
func (s *Service) Seed(ctx context.Context, secret string) error {
	switch {
	case len(secret) < minSecret:
		return schoolbell.Invalid("SCHOOLBELL_API_KEY", "must have at least %d characters", minSecret)
	case len(secret) > maxSecret:
		return schoolbell.Invalid("SCHOOLBELL_API_KEY", "must have at most %d characters", maxSecret)
	case strings.HasPrefix(secret, tokenPrefix):
		return schoolbell.Invalid("SCHOOLBELL_API_KEY", "must not begin with %q, as user tokens do", tokenPrefix)
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		return schoolbell.Invalid("SCHOOLBELL_API_KEY", "must be printable ASCII without spaces")
	}
	_, err := s.put(ctx, secret, SeededName, schoolbell.ScopeAdmin)
	return err
}

// FirstStart makes an admin key if no key exists and returns its secret, which is
// kept nowhere: the caller prints it once. When there are keys it returns "".
func (s *Service) FirstStart(ctx context.Context) (secret string, err error) {
	some, err := s.store.HasAPIKeys(ctx)
	if err != nil {
		return "", fmt.Errorf("look for API keys: %w", err)
	}
	if some {
		return "", nil
	}
	secret, _, err = s.CreateKey(ctx, "first start", schoolbell.ScopeAdmin)
	return secret, err
}

// CreateKey makes a key and returns it with its secret, which is kept nowhere.
// Several keys may have one name. An unknown scope or a name that cannot be shown
// is CodeInvalid.
func (s *Service) CreateKey(ctx context.Context, name string, scope schoolbell.Scope) (secret string, k schoolbell.APIKey, err error) {
	var f schoolbell.Faults
	if len(name) > maxName || strings.TrimSpace(name) != name || schoolbell.CheckLine("name", name, maxName) != nil {
		f.Add("name", "must be one line of at most %d bytes, without blanks at its ends", maxName)
	}
	if !scope.Allows(schoolbell.ScopeRead) {
		f.Add("scope", "must be one of %s", strings.Trim(fmt.Sprint(schoolbell.Scopes()), "[]"))
	}
	if err := f.Err(); err != nil {
		return "", schoolbell.APIKey{}, err
	}
	random := make([]byte, keyBytes)
	_, _ = rand.Read(random) // never fails: it ends the program instead
	secret = fmt.Sprintf("%s%x", keyPrefix, random)
	if k, err = s.put(ctx, secret, name, scope); err != nil {
		return "", schoolbell.APIKey{}, err
	}
	return secret, k, nil
}

func (s *Service) put(ctx context.Context, secret, name string, scope schoolbell.Scope) (schoolbell.APIKey, error) {
	digest := sha256.Sum256([]byte(secret))
	k := schoolbell.APIKey{Digest: digest[:], Name: name, Scope: scope, CreatedAt: schoolbell.Time(s.now())}
	if err := s.store.PutAPIKey(ctx, k); err != nil {
		return schoolbell.APIKey{}, fmt.Errorf("store API key %s: %w", name, err)
	}
	return k, nil
}

// Key returns the key that has this secret; CodeUnauthorized if none has. A key
// that was good is taken for good for another few seconds without asking the ledger.
func (s *Service) Key(ctx context.Context, secret string) (schoolbell.APIKey, error) {
	if secret == "" || len(secret) > maxSecret {
		return schoolbell.APIKey{}, errBadKey()
	}
	digest := sha256.Sum256([]byte(secret))
	if k, ok := s.cached(digest); ok {
		return k, nil
	}
	k, err := s.store.APIKey(ctx, digest[:])
	switch {
	case schoolbell.CodeOf(err) == schoolbell.CodeUnauthorized:
		return schoolbell.APIKey{}, errBadKey()
	case err != nil:
		return schoolbell.APIKey{}, fmt.Errorf("look up API key: %w", err)
	}
	s.remember(digest, k)
	return k, nil
}

func (s *Service) cached(digest [sha256.Size]byte) (schoolbell.APIKey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.known[digest]
	return k.key, ok && s.now().Before(k.until)
}

func (s *Service) remember(digest [sha256.Size]byte, k schoolbell.APIKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= cacheEntries {
		clear(s.known)
	}
	s.known[digest] = knownKey{key: k, until: s.now().Add(cacheTTL)}
}

func errBadKey() error {
	return &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "the API key is not known"}
}
