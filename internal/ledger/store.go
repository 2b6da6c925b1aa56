// Package ledger is what the pipeline and the stores agree on: the transactions by
// which events become deliveries and deliveries get their outcomes, and the types
// that cross between the two. It has promises only; internal/store keeps them,
// internal/notify relies on them, and storetest checks them.
package ledger

import (
	"context"
	"time"

	"schoolbell"
)

// Stores are what the pipeline needs of a ledger: the only truth about events,
// batches and deliveries. Every method is one transaction. All clocks are the
// database's. Implementations are safe for concurrent use by many goroutines
// and many processes; storetest holds them to every promise made here.
type Stores struct {
	Events     Events
	FanOuts    FanOuts
	Deliveries Deliveries
	Leases     Leases
}

// Events are the ledger's events and where they stand.
type Events interface {
	// CreateEvent stores ev, whose ID, CreatedAt and Status the caller set, as
	// not yet queued. If idem.Key was used before in idem.Scope with the same fingerprint it
	// stores nothing and returns the earlier event and replayed true; with
	// another fingerprint it returns CodeInvalid with Field "Idempotency-Key".
	// Groups and users that the audience names and the ledger does not know are
	// CodeInvalid faults, each with its field ("audience.exclude.users[0]"); nothing is stored then.
	CreateEvent(ctx context.Context, ev *schoolbell.Event, idem Idempotency) (stored *schoolbell.Event, replayed bool, err error)

	// ForgetKeys forgets up to limit idempotency keys that were used before a time, the
	// oldest first, and returns how many.
	ForgetKeys(ctx context.Context, before time.Time, limit int) (n int, err error)

	// EventByKey returns the event that was created under idem.Key, and false if
	// none was; with another fingerprint the same error as CreateEvent.
	EventByKey(ctx context.Context, idem Idempotency) (ev *schoolbell.Event, found bool, err error)

	// Event returns the event; CodeNotFound if there is none.
	Event(ctx context.Context, id string) (*schoolbell.Event, error)

	// Progress counts the event's deliveries from their rows; CodeNotFound if there is no such event.
	Progress(ctx context.Context, id string) (schoolbell.Progress, error)

	// UnqueuedEvents returns up to limit non-terminal events that were never
	// marked queued, oldest first, scheduled ones included.
	UnqueuedEvents(ctx context.Context, limit int) ([]QueuedEvent, error)

	// MarkQueued notes that the events have their jobs.
	MarkQueued(ctx context.Context, ids []string) error

	// OpenEvents returns up to limit non-terminal events that were marked
	// queued, in order of id, those after the given id ("" for the first page).
	OpenEvents(ctx context.Context, after string, limit int) ([]QueuedEvent, error)

	// CancelEvent makes a non-terminal event cancelled and its pending deliveries
	// cancelled, at once and for good; rows claimed at this moment keep their
	// lease and get the outcome their worker records. Cancelling a cancelled event
	// changes nothing; a completed one is CodeConflict; an unknown one CodeNotFound.
	CancelEvent(ctx context.Context, id string) (*schoolbell.Event, error)

	// RetryFailed makes the failed deliveries of a walked event pending again
	// with no attempts spent, reopens their batches and, if there were any, makes
	// a completed event processing. It returns how many rows. A cancelled event is
	// CodeConflict; an expired one too; an unknown one CodeNotFound.
	RetryFailed(ctx context.Context, id string) (int, error)

	// FinishEvent makes the event completed if its audience is walked and every
	// delivery is terminal (a cancelled event stays cancelled), and returns where
	// it stands now with its counts. CodeNotFound if there is no such event.
	FinishEvent(ctx context.Context, id string) (Summary, error)
}

// FanOuts turns events into deliveries.
type FanOuts interface {
	// FanOut walks the next chunk of up to users people of the event's audience
	// and, in one transaction that also moves the event's cursor, inserts their
	// delivery rows for every channel, their inbox rows for in_app, and batch rows
	// of up to batchSize pending deliveries a channel. A queued or due scheduled
	// event becomes processing. Who has no address or opted out gets a suppressed
	// row; in_app rows are delivered at once. Concurrent calls for one event take turns.
	// After the last chunk, and for a terminal event, it does nothing and returns Done.
	// An event past its expires_at has the rest of its audience recorded as expired: no inbox rows.
	FanOut(ctx context.Context, eventID string, users, batchSize int) (FanOutStep, error)

	// OpenBatches returns up to limit batches of the event that are not finished,
	// ordered by channel and seq, those after the given one (nil for the first page).
	OpenBatches(ctx context.Context, eventID string, after *Batch, limit int) ([]Batch, error)
}

// Deliveries moves the rows of a batch.
type Deliveries interface {
	// Advance records outcomes of rows the lease holds and then claims up to
	// claim further rows of the batch for it, both in one transaction. A row can be
	// claimed when it is pending and its retry time has come, or when it is sending
	// under a lease that has ended: then its Recipient is Uncertain. Opt-outs and
	// addresses are looked at again: rows that may no longer be sent become
	// suppressed; those of a cancelled event cancelled, of an expired one expired.
	// When nothing could be claimed (claim may be 0 only to record), Grant says how the batch stands.
	// When the lease itself has ended nothing is claimed, but outcomes of rows that
	// nobody has taken over since are still recorded (they are the truth),
	// and Grant.LeaseEnded is set. CodeNotFound if there is no such batch.
	Advance(ctx context.Context, lease Lease, batch Batch, outcomes []Outcome, claim int) (Grant, error)
}

// Leases are the heartbeats of worker processes.
type Leases interface {
	// OpenLease starts a lease of the given length. holder is for people to read.
	OpenLease(ctx context.Context, holder string, ttl time.Duration) (Lease, error)

	// RenewLease makes the lease end ttl from now; CodeConflict if it has already
	// ended, after which it can never be renewed.
	RenewLease(ctx context.Context, lease Lease, ttl time.Duration) error

	// CloseLease ends the lease. Rows still claimed under it become pending again
	// at no cost: its holder says that it did not offer them to a provider.
	CloseLease(ctx context.Context, lease Lease) error
}
