package ledger

import (
	"context"

	"schoolbell"
)

// SuppressionCursor is a place in the list of suppressions: an address of a user. Zero is before the first.
type SuppressionCursor struct {
	User     int64
	Channel  int // its number in the ledger
	Position int
}

// Suppressions are the addresses to which nothing is sent. Every method is one transaction.
type Suppressions interface {
	// Suppressions returns up to limit of them after a place, in the order of users, channels and positions, and the
	// place of the last one returned.
	Suppressions(ctx context.Context, after SuppressionCursor, limit int) ([]schoolbell.Suppression, SuppressionCursor, error)

	// SuppressionsOf returns those of an address of a channel, in upper or lower case: one for each user who has it.
	SuppressionsOf(ctx context.Context, channel schoolbell.Channel, address string) ([]schoolbell.Suppression, error)

	// Suppress makes an address stopped, in upper or lower case, of every user who has it on the channel, with a reason.
	// One that is stopped already stays as it is. It returns all of them; CodeNotFound if nobody has the address.
	Suppress(ctx context.Context, channel schoolbell.Channel, address, reason string) ([]schoolbell.Suppression, error)

	// RemoveSuppression makes an address unverified again, so that messages are sent to it. CodeNotFound if there is no such
	// address, or it is not suppressed.
	RemoveSuppression(ctx context.Context, key schoolbell.SuppressionKey) error
}
