package cli

import (
	"context"
	"errors"
)

// openPostgres refuses: this build has no PostgreSQL ledger.
func openPostgres(context.Context, string) (ledger, error) {
	return nil, errors.New("this build has no PostgreSQL ledger")
}
