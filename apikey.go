package schoolbell

import "time"

// Scope is what an API key allows.
type Scope string

const (
	ScopeAdmin Scope = "admin" // everything
	ScopeSend  Scope = "send"  // events and whatever reading them needs, user tokens
	ScopeRead  Scope = "read"  // reading only
)

// Scopes lists every scope, widest first.
func Scopes() []Scope { return []Scope{ScopeAdmin, ScopeSend, ScopeRead} }

// Allows reports whether a key of scope s may do what needs scope need.
func (s Scope) Allows(need Scope) bool {
	rank := map[Scope]int{ScopeRead: 1, ScopeSend: 2, ScopeAdmin: 3}
	return rank[s] > 0 && rank[s] >= rank[need]
}

// APIKey is an API key as it is kept: the secret itself is not.
type APIKey struct {
	ID         string // the same for all secrets that a key ever has
	Digest     []byte // SHA-256 of the secret
	Name       string // for people to tell keys apart
	Scope      Scope
	CreatedAt  time.Time // of this secret
	ExpiresAt  time.Time // the secret is refused from then on; zero if never
	ReplacedAt time.Time // when the key got another secret; zero if it has not
	LastUsedAt time.Time // to within ten minutes; zero if never
}

// Expired reports whether the key's secret is refused at the time now.
func (k APIKey) Expired(now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}
