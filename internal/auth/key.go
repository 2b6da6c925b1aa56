package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

const (
	keyPrefix    = "sb_"
	keyBytes     = 32
	maxSecret    = 512             // characters of any key; longer ones are not even looked up
	maxName      = 200             // bytes
	cacheTTL     = 5 * time.Second // how long a revoked key is still taken for good
	cacheEntries = 1024
)

// SeededName is the name of the key that came from the settings. There is one at a
// time. Revoked, it comes back when a process that still has it starts.
const SeededName = "SCHOOLBELL_API_KEY"

// Options are the settings of a Service. The zero value works.
type Options struct {
	Clock func() time.Time // nil means time.Now
}

// Service makes and checks API keys and user tokens. It is safe for concurrent use.
type Service struct {
	store Store
	now   func() time.Time

	keys    cache[[sha256.Size]byte, schoolbell.APIKey]
	holders cache[ledger.UserRef, string]       // users of tokens
	makers  cache[[fingerprintBytes]byte, bool] // keys that made tokens

	mu     sync.Mutex
	secret []byte // signs user tokens; nil until first needed

	uses *uses

	listing     sync.Mutex
	listed      map[string]bool // digests of all keys when they were last listed
	listedUntil time.Time
}

// New returns a Service over the keys in store. Nothing is read yet. A process that calls
// Key for others also runs Run.
func New(store Store, o Options) *Service {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s := &Service{store: store, now: o.Clock, uses: newUses(store)}
	s.keys.most, s.holders.most, s.makers.most = cacheEntries, tokenEntries, cacheEntries
	return s
}

// Seed makes secret, which the settings gave, an admin key, and returns the keys that
// an earlier secret of the settings had made, which it ends. Seeding the same secret
// again changes nothing. Of two processes with different secrets, the one that starts
// last wins; the key of the other ends within five seconds.
func (s *Service) Seed(ctx context.Context, secret string) (replaced []schoolbell.APIKey, err error) {
	if err := checkSecret(secret); err != nil {
		return nil, err
	}
	k := s.newKey(secret, SeededName, schoolbell.ScopeAdmin)
	if replaced, err = s.store.SeedAPIKey(s.changing(ctx, "key.seed", k), k); err != nil {
		return nil, fmt.Errorf("store API key %s: %w", SeededName, err)
	}
	return replaced, nil
}

func checkSecret(secret string) error {
	switch {
	case len(secret) > maxSecret:
		return schoolbell.Invalid("SCHOOLBELL_API_KEY", "must have at most %d characters", maxSecret)
	case IsToken(secret):
		return schoolbell.Invalid("SCHOOLBELL_API_KEY", "must not look like a user token: they begin with %q", tokenPrefix)
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		return schoolbell.Invalid("SCHOOLBELL_API_KEY", "must be printable ASCII without spaces")
	}
	if err := schoolbell.CheckKeyStrength(secret); err != nil {
		return schoolbell.Invalid("SCHOOLBELL_API_KEY", "%v", err)
	}
	return nil
}

// FirstStart makes an admin key if no key exists and returns its secret, which the
// ledger does not keep. Before the key is stored, keep is called with the secret, so
// that no key is stored whose secret is lost; if it fails, nothing is stored. After an
// error of the ledger the caller removes what keep has kept. When there are keys,
// FirstStart returns "" and does not call keep.
func (s *Service) FirstStart(ctx context.Context, keep func(secret string) error) (secret string, err error) {
	some, err := s.store.HasAPIKeys(ctx)
	if err != nil {
		return "", fmt.Errorf("look for API keys: %w", err)
	}
	if some {
		return "", nil
	}
	secret = newSecret()
	if err := keep(secret); err != nil {
		return "", err
	}
	if _, err := s.put(ctx, secret, "first start", schoolbell.ScopeAdmin, time.Time{}); err != nil {
		return "", err
	}
	return secret, nil
}

// CreateKey makes a key and returns it with its secret, which is kept nowhere. The key is
// refused from expires on; zero means never.
// Several keys may have one name. An unknown scope or a name that cannot be shown
// is CodeInvalid.
func (s *Service) CreateKey(ctx context.Context, name string, scope schoolbell.Scope, expires time.Time) (secret string, k schoolbell.APIKey, err error) {
	var f schoolbell.Faults
	if len(name) > maxName || strings.TrimSpace(name) != name || schoolbell.CheckLine("name", name, maxName) != nil {
		f.Add("name", "must be one line of at most %d bytes, without spaces at the start or end", maxName)
	}
	if name == SeededName {
		f.Add("name", "is reserved for the key of the settings")
	}
	if !scope.Allows(schoolbell.ScopeRead) {
		f.Add("scope", "must be one of %s", strings.Trim(fmt.Sprint(schoolbell.Scopes()), "[]"))
	}
	s.checkExpiry(&f, expires)
	if err := f.Err(); err != nil {
		return "", schoolbell.APIKey{}, err
	}
	secret = newSecret()
	if k, err = s.put(ctx, secret, name, scope, expires); err != nil {
		return "", schoolbell.APIKey{}, err
	}
	return secret, k, nil
}

func newSecret() string {
	random := make([]byte, keyBytes)
	_, _ = rand.Read(random) // never fails: it ends the program instead
	return fmt.Sprintf("%s%x", keyPrefix, random)
}

func (s *Service) newKey(secret, name string, scope schoolbell.Scope) schoolbell.APIKey {
	digest := sha256.Sum256([]byte(secret))
	k := schoolbell.APIKey{Digest: digest[:], Name: name, Scope: scope, CreatedAt: schoolbell.Time(s.now())}
	k.ID = Fingerprint(k)
	return k
}

func (s *Service) put(ctx context.Context, secret, name string, scope schoolbell.Scope, expires time.Time) (schoolbell.APIKey, error) {
	k := s.newKey(secret, name, scope)
	k.ExpiresAt = schoolbell.Time(expires)
	if err := s.store.PutAPIKey(s.changing(ctx, "key.create", k), k); err != nil {
		return schoolbell.APIKey{}, fmt.Errorf("store API key %s: %w", name, err)
	}
	return k, nil
}

// Key returns the key that has this secret; CodeUnauthorized, with [Refusal] as the cause,
// if none has or it has expired. A key that was good is taken for good for another few
// seconds without asking the ledger, but not beyond its expiry.
func (s *Service) Key(ctx context.Context, secret string) (schoolbell.APIKey, error) {
	if secret == "" || len(secret) > maxSecret {
		return schoolbell.APIKey{}, refuse("the API key is not valid", ReasonUnknown, "")
	}
	now, digest := s.now(), sha256.Sum256([]byte(secret))
	k, err := s.keys.get(digest, now, func() (schoolbell.APIKey, error) { return s.store.APIKey(ctx, digest[:]) })
	fingerprint := hex.EncodeToString(digest[:fingerprintBytes])
	switch {
	case schoolbell.CodeOf(err) == schoolbell.CodeUnauthorized:
		return schoolbell.APIKey{}, refuse("the API key is not valid", ReasonUnknown, fingerprint)
	case err != nil:
		return schoolbell.APIKey{}, fmt.Errorf("look up API key: %w", err)
	case k.Expired(now):
		return schoolbell.APIKey{}, refuse("the API key has expired", ReasonExpired, fingerprint)
	}
	s.uses.note(k, now)
	return k, nil
}
