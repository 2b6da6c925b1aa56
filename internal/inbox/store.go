package inbox

import (
	"context"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Store is what the inbox needs of the ledger. Every method is one
// transaction; implementations are safe for concurrent use. An unknown user is CodeNotFound.
type Store interface {
	// Inbox returns up to limit items of the user's inbox, newest first, those
	// with a position below before (0 for the newest), and how many of the whole inbox are unread.
	Inbox(ctx context.Context, userID string, before int64, limit int) (items []schoolbell.InboxItem, unread int, err error)

	// MarkRead notes that the user read the event, also as the outcome of the delivery, and
	// returns how many are unread after it. Reading twice keeps the first time.
	// CodeNotFound if the event is not in the inbox.
	MarkRead(ctx context.Context, userID, eventID string) (unread int, err error)

	// Acknowledge is MarkRead, and notes that the user confirmed the event. Confirming twice
	// keeps the first time.
	Acknowledge(ctx context.Context, userID, eventID string) (unread int, err error)

	// MarkAllRead notes that the user read every item up to position upTo (0: all
	// there are now), and returns how many are unread after it.
	MarkAllRead(ctx context.Context, userID string, upTo int64) (unread int, err error)

	// Message returns the event as the user with this number gets it. CodeNotFound if there is no such
	// event, or no such user any more.
	Message(ctx context.Context, eventID string, user int64) (ledger.PersonalMessage, error)

	// InboxTail returns a position at or below which no item appears any more: the ledger has all
	// of them, and Inbox returns no items above it. last is the highest position that the
	// ledger has given to an item, which may not have appeared yet.
	InboxTail(ctx context.Context) (tail, last int64, err error)

	// UserRefs returns the users with these ids, by id; those who are not there are left out.
	UserRefs(ctx context.Context, ids []string) (map[string]ledger.UserRef, error)

	// InboxSince returns the items with positions above after that arrived for
	// any of the users, oldest first, up to limit, by user. Users of
	// another generation than they have now get nothing.
	InboxSince(ctx context.Context, users []ledger.UserRef, after int64, limit int) (map[ledger.UserRef][]schoolbell.InboxItem, error)
}
