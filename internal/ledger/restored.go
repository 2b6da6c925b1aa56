package ledger

import (
	"context"
	"time"
)

// Restored says what was done about a ledger that was restored from a copy.
type Restored struct {
	Found    bool      // the ledger was restored, or the caller said so
	CopiedAt time.Time // when the copy was made; zero if the copy does not tell
	Held     int       // events
}

// Restores recognizes ledgers that were restored from a copy. Such a ledger is older than the
// world: what it believes to be unsent may have been sent after the copy was made.
type Restores interface {
	// HoldRestored looks whether the ledger was restored from a copy since it was last opened, or takes
	// the caller's word for it. If so, it holds every event that may have been sent: that is not cancelled and
	// has a wave that is not finished and was due longer than age ago, by the database's clock. Deliveries of such a wave
	// that are sent after a release are claimed as Restored. It ends all leases,
	// so that what the copy's workers were sending becomes uncertain; all user tokens, because some may have been
	// revoked after the copy was made; and it skips inbox positions, so that nobody waits behind one
	// that was given out after the copy was made. It is one transaction. Of several processes that call it, one gets Found.
	// A ledger that was never opened before is not restored.
	HoldRestored(ctx context.Context, declared bool, age time.Duration) (Restored, error)
}

// SkippedPositions is how many inbox positions a restored ledger skips: more than a
// ledger gives out between two backups, and few enough for the positions to remain exact in JavaScript.
const SkippedPositions = 1_000_000_000
