package ledger

import (
	"context"
	"time"

	"schoolbell"
)

// HouseholdMessage is a message to a user whose address others have too.
type HouseholdMessage struct {
	User        int64 // number
	Fingerprint int64 // of the message, see schoolbell.Message.Fingerprint
}

// FollowWait is after how long a delivery that follows another one is looked at again.
const FollowWait = time.Second

// Households lets people who have the same address get one message instead of several that read the same.
type Households interface {
	// FirstOfHouseholds returns to whom each message is sent, by the numbers of the users: the first user for whom
	// a message with the same fingerprint was asked for in the wave and on the channel of the batch. If the
	// delivery of that user has ended without a message, or waits for that of another user, it is sent to the
	// user who asks now. Calls at the same time agree. It is one transaction, safe for concurrent use.
	//
	// The delivery of everybody else gets an Attempt with SameAs. From then on it follows that of the first user: Advance
	// suppresses it with schoolbell.ReasonSameAddress once the message was sent, and makes it failed when the message has failed,
	// or came back. If no such message was sent to the address that both have, the delivery can be claimed again.
	FirstOfHouseholds(ctx context.Context, batch Batch, messages []HouseholdMessage) (map[int64]int64, error)
}

// PreviewShared is a delivery of a preview that would be sent to an address that others have too.
type PreviewShared struct {
	Channel schoolbell.Channel
	Person  int    // index of PreviewChunk.People
	Address string // in lower case
}
