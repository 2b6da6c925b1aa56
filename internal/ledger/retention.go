package ledger

import (
	"context"
	"time"
)

// Kept is a kind of row that the ledger keeps for a time.
type Kept string

const (
	KeptKeys       Kept = "idempotency"      // idempotency keys, by their first use
	KeptInbox      Kept = "inbox"            // inbox items, by their arrival
	KeptDeliveries Kept = "deliveries"       // deliveries and batches, by the end of their event
	KeptEvents     Kept = "events"           // events with their waves and totals, by their end
	KeptReceipts   Kept = "receipts"         // receipts, by the time that the provider told
	KeptAudit      Kept = "audit"            // entries of the audit, by their time
	KeptAttempts   Kept = "webhook_attempts" // attempts of webhooks, by their time
	KeptMessages   Kept = "webhook_messages" // messages to webhooks that were not sent, such as those of disabled ones, by their time
	KeptTraffic    Kept = "traffic"          // counts of messages by minute, by their minute
)

// AllKept lists every kind in the order in which a round removes them: what belongs to
// an event goes before the event.
func AllKept() []Kept {
	return []Kept{KeptKeys, KeptInbox, KeptDeliveries, KeptEvents, KeptReceipts, KeptAudit, KeptAttempts, KeptMessages, KeptTraffic}
}

// RemovalCursor is where the next piece of a removal begins; the zero value is the
// oldest row. Without it each piece would read the places of those before it again.
type RemovalCursor struct {
	EndedAt  time.Time // of Event
	Event    int64
	Wave     int
	Channel  int
	User     int64
	Position int64 // the last position that a walk over the inboxes removes
	ID       string
}

// Removed is what one piece of a removal did.
type Removed struct {
	Rows int // of the kind itself
	Next RemovalCursor
	Done bool // nothing old is left behind Next
}

// Retention removes rows that are old. Every method is one transaction. Any number of
// processes may call it at the same time: a row is removed once. A process may die after
// any piece: what is left is consistent, and the next removal from the start goes on.
type Retention interface {
	// TakeTurn makes holder the process that removes old rows, for that time, and reports
	// whether it is. It is not while another process has the turn, or if no round is due
	// yet. The holder extends its turn by taking it again.
	TakeTurn(ctx context.Context, holder string, length time.Duration) (taken bool, err error)

	// EndTurn ends the turn of holder, if it still has it. The next round is due after rest.
	EndTurn(ctx context.Context, holder string, rest time.Duration) error

	// OldestInbox returns when the oldest inbox items arrived; ok is false if there are none.
	OldestInbox(ctx context.Context) (arrived time.Time, ok bool, err error)

	// RemoveOld removes rows of a kind that are older than a time, the oldest first: up to
	// limit, or somewhat more small ones that belong to them. Nothing that is open is removed.
	//
	// KeptDeliveries: before the first delivery of an event is removed, the event gets its
	// DeliveriesRemovedAt; its totals stay as they are, and it cannot be retried or get
	// waves any more. Cancelled and completed events have no open deliveries unless a worker
	// holds one; such events and those with a wave that is not finished are left out.
	//
	// KeptEvents: only events whose deliveries and inbox items are all removed.
	//
	// KeptInbox: first the items of each person, then the chunks to which they belong.
	RemoveOld(ctx context.Context, kind Kept, before time.Time, at RemovalCursor, limit int) (Removed, error)

	// ScrubErased deletes the texts and ids of providers from deliveries to a person who was
	// erased before a time, up to limit events in one call, and returns how many deliveries
	// it changed. done means that nobody is left.
	ScrubErased(ctx context.Context, before time.Time, limit int) (rows int, done bool, err error)

	// EndSuspensions makes addresses unverified that were suspended before a time, and returns how many.
	EndSuspensions(ctx context.Context, before time.Time) (addresses int, err error)
}
