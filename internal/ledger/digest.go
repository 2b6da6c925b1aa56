package ledger

import (
	"context"
	"time"

	"schoolbell"
)

// OpenDigest are the users with items for a digest who have the same time zone and the same window, as their rows say: empty
// and zero for those of the school.
type OpenDigest struct {
	Timezone string
	Window   schoolbell.DigestWindow
	Since    time.Time // when the first of the items was added; zero if it was not asked for
}

// DigestClosing says that the window of some users has closed.
type DigestClosing struct {
	Timezone string
	Window   schoolbell.DigestWindow
	At       time.Time
}

// Digests collects what people want in a digest. An item is an event that a user gets in the next digest on a channel instead of a message:
// its delivery is suppressed with schoolbell.ReasonInDigest in the transaction that adds the item.
type Digests interface {
	// DigestWindows returns the time zones and windows of all users, without Since. It costs as much as there are different ones.
	DigestWindows(ctx context.Context) ([]OpenDigest, error)

	// OpenDigests returns the time zones and windows of the users who have items that are in no digest yet. It reads these items,
	// so it costs next to nothing if there are none.
	OpenDigests(ctx context.Context) ([]OpenDigest, error)

	// CloseDigests stores ev, an event as CreateEvent takes it, as the digest of the users whose window has closed, with
	// their items that were added before that. It returns how many items; if there are none, it stores nothing. A user who got
	// a digest that was created after the window closed gets no second one: items that were committed late wait for the next
	// window. An item is in one digest at most, also if several processes call at the same time.
	CloseDigests(ctx context.Context, ev *schoolbell.Event, closings []DigestClosing) (items int, err error)
}
