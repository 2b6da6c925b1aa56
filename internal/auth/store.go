package auth

import (
	"context"

	"schoolbell"
)

// Store is what authentication needs of the ledger. Every method is one
// transaction; implementations are safe for concurrent use.
type Store interface {
	// PutAPIKey stores a key; one with the same digest gets the new name and scope.
	PutAPIKey(ctx context.Context, k schoolbell.APIKey) error

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
