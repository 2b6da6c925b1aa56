// Package storetest is the definition of a ledger: a suite that every store
// engine passes, and benchmarks of its two hot paths.
package storetest

import (
	"testing"

	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/inbox"
	"schoolbell/internal/ledger"
	"schoolbell/internal/people"
)

// Store is everything that the parts of the program ask of the ledger.
type Store interface {
	ledger.Store
	people.Store
	inbox.Store
	auth.Store
	api.Store
}

// Database makes an empty, migrated database. Each call of the function it
// returns opens a Store on it, as another process would; all are closed, and the
// database removed, when the test ends.
type Database func(t testing.TB) (open func() Store)

// promise is one thing a ledger does, in a sentence.
type promise struct {
	name string
	test func(t *testing.T, open func() Store)
}

// Run holds the engine to every promise. The subtests run in parallel, each on a database of its own.
func Run(t *testing.T, database Database) {
	for _, group := range [][]promise{
		events, fanOuts, audiences, advances, leases, endings, crowds, persons, groups, inboxes, keys,
	} {
		for _, p := range group {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				p.test(t, database(t))
			})
		}
	}
}
