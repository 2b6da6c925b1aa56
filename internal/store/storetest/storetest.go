// Package storetest is the definition of a ledger: a suite that every store
// engine passes, and benchmarks of its two hot paths.
package storetest

import (
	"testing"

	"schoolbell/internal/store"
)

// Database makes an empty, migrated database. Each call of the function it
// returns opens a ledger on it, as another process would; all are closed, and the
// database removed, when the test ends.
type Database func(t testing.TB) (open func() *store.Ledger)

// promise is one thing a ledger does, in a sentence.
type promise struct {
	name string
	test func(t *testing.T, open func() *store.Ledger)
}

// Run holds the engine to every promise. The subtests run in parallel, each on a database of its own.
func Run(t *testing.T, database Database) {
	run(t, database, events, personals, outbox, eventJobs, changes, eventsMany, fanOuts, audiences, advances, advanceGroups, smallEvents, leases, endings, crowds, persons, directory, groups, inboxes, calendars, keys, keyLives, audits, settings, categories, templates, addresses, receipts, awaiting, suppressions, webhooks, waves, counts, retentions, exports, quotas, restored, restoredRetractions, previews, digests, households, accounts, overviews, eventReports, within, personDeliveries)
}

// RunDeliveries holds the engine to the promises about rows of deliveries, for a database that stores them in another way.
func RunDeliveries(t *testing.T, database Database) {
	run(t, database, advances, advanceGroups, endings, receipts, awaiting, retentions, households)
}

func run(t *testing.T, database Database, groups ...[]promise) {
	for _, group := range groups {
		for _, p := range group {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				p.test(t, database(t))
			})
		}
	}
}
