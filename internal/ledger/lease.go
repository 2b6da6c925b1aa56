package ledger

import (
	"time"

	"schoolbell"
)

// Lease is a worker process's heartbeat in the ledger. Deliveries claimed
// under a lease belong to its holder until the lease ends, by the database's clock.
type Lease struct {
	ID int64
}

// Recipient is one claimed delivery with what is needed to send it.
type Recipient struct {
	Seq       int64 // the user's number in the ledger; names the row within its batch
	UserID    string
	Name      string
	Addresses []string // usable ones of the batch's channel, the first first; one at least
	Locale    string   // empty for the school's
	Timezone  string   // empty for the school's
	Attempts  int      // spent before this one

	QuietHours schoolbell.QuietHours // of the user; zero for the school's
	Items      []*schoolbell.Event   // of a digest: what it tells the user, the oldest event first; not to be changed
	Shared     bool                  // another user may have the address too; set only where the caller asked

	Uncertain bool // an earlier attempt may have reached the user
	Restored  bool // such an attempt may have been made after the copy from which the ledger was restored; implies Uncertain

	// Personal is what the message does not share with others, of personalized events; nil for others. A claim leaves it out: see
	// Deliveries.Personal.
	Personal *schoolbell.PersonalText

	// ItemTexts is the same for those of Items that are personalized, by the id of the event.
	ItemTexts map[string]*schoolbell.PersonalText
}

// Unlinked returns a recipient whose links lead nowhere and are as long as those that work: user 0 does not exist. So messages
// can be compared and shown without what gives access to somebody.
func (r Recipient) Unlinked() Recipient {
	r.Seq = 0
	return r
}

// Attempt is what an attempt to send a delivery means for its row.
type Attempt struct {
	Seq        int64                     // Recipient.Seq
	Status     schoolbell.DeliveryStatus // pending (to be tried again), or a terminal status
	Spent      int                       // attempts in all
	Uncertain  bool                      // an earlier or this attempt may have reached the user
	RetryIn    time.Duration             // pending: not to be claimed again before, from the database's now
	Reason     string                    // schoolbell.ReasonAwaitingReceipt: see Receipts
	ProviderID string
	Addresses  []AddressChange // addresses of the user that this attempt found unusable
	SameAs     int64           // pending with schoolbell.ReasonSameAddress: user whose message it waits for; 0 for others
}

// AddressChange is a new state of an address.
type AddressChange struct {
	Address string
	State   schoolbell.AddressState
	Reason  string
}

// Step is what a worker has done and wants to do next in a batch.
type Step struct {
	Lease    Lease
	Batch    Batch
	Attempts []Attempt // of rows that the lease holds
	Claim    int       // how many rows it wants to send next, at most; 0 only to record
	Revision int       // of the event that the worker has read: Attempts sent its text, and Claim will

	// Shared asks for Recipient.Shared, on the channels email and sms. It is not set in waves to those who have not acknowledged an
	// event: each of them needs a link of their own.
	Shared bool

	// Hold is for how long rows await a receipt whose worker was lost while it held them; 0 for not at all.
	Hold time.Duration
}

// Grant is what [Batch] rows a worker may send now, and what stands of the rest.
type Grant struct {
	Recipients []Recipient // claimed for the caller, in order of Seq

	// Counted only when Recipients is empty; of rows the caller cannot have now.
	Pending  int           // waiting for their retry time
	Sending  int           // claimed under another lease, or under this one by another job
	NextIn   time.Duration // until the earliest retry time or end of such a lease; at least zero
	Finished bool          // every row is terminal, and the batch is now marked so

	Counts     schoolbell.ChannelProgress // of the batch's rows; only when Recipients is empty
	LeaseEnded bool                       // the caller's lease has ended: nothing was claimed
	Notice     schoolbell.Notice          // of the wave
	Changed    bool                       // the event has another revision by now: nothing was claimed
	Lost       int                        // attempts passed in that were not recorded because the row is no longer the caller's

	Err error // why nothing of the step was done; all else is zero then
}
