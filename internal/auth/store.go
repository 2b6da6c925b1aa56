package auth

import (
	"context"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Store is what authentication needs of the ledger. Every method is one
// transaction; implementations are safe for concurrent use.
type Store interface {
	// PutAPIKey stores a key; one with the same digest gets the new name and scope.
	PutAPIKey(ctx context.Context, k schoolbell.APIKey) error

	// SeedAPIKey stores a key, removes every other one of the same name, and returns
	// those it removed.
	SeedAPIKey(ctx context.Context, k schoolbell.APIKey) (replaced []schoolbell.APIKey, err error)

	// RotateAPIKey stores k and, in the same transaction, the ExpiresAt and ReplacedAt of
	// old. CodeConflict if old is gone or was replaced before.
	RotateAPIKey(ctx context.Context, old, k schoolbell.APIKey) error

	// NoteKeyUse stores when the key with that digest was used, unless a later time is stored.
	NoteKeyUse(ctx context.Context, digest []byte, at time.Time) error

	// HasFingerprint reports whether a key exists whose digest begins with prefix and which
	// has not expired at that time.
	HasFingerprint(ctx context.Context, prefix []byte, at time.Time) (bool, error)

	// UserRefs returns the users with these ids, by id; those who are not there are left out.
	UserRefs(ctx context.Context, ids []string) (map[string]ledger.UserRef, error)

	// UserByRef returns the user's id; CodeNotFound if there is no such user or the
	// user has another generation by now.
	UserByRef(ctx context.Context, ref ledger.UserRef) (id string, err error)

	// RevokeTokens gives the user a new generation; CodeNotFound if there is no such user.
	RevokeTokens(ctx context.Context, userID string) error

	// APIKey returns the key with that digest; CodeUnauthorized if there is none.
	APIKey(ctx context.Context, digest []byte) (schoolbell.APIKey, error)

	// HasAPIKeys reports whether any key exists.
	HasAPIKeys(ctx context.Context) (bool, error)

	// ListAPIKeys returns every key, the oldest first.
	ListAPIKeys(ctx context.Context) ([]schoolbell.APIKey, error)

	// DeleteAPIKey removes the key with that digest; CodeNotFound if there is none.
	DeleteAPIKey(ctx context.Context, digest []byte) error

	// Secret returns the ledger's secret of the given name. If there is none it
	// keeps fresh, the first time only: every process on one ledger gets the same bytes.
	Secret(ctx context.Context, name string, fresh []byte) ([]byte, error)
}
