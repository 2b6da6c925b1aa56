package schoolbell

import "time"

// The types below cross between the pipeline and the ledger. They are here
// because both sides need them and neither may import the other.

// Idempotency is a caller's promise that creating an event under the same Key
// means the same event. Fingerprint is a digest of the request body.
type Idempotency struct {
	Scope       string // whose key it is: the fingerprint of the API key
	Key         string
	Fingerprint string // of the request, without what may differ in a repetition
}

// Batch names a stretch of the deliveries of one event and channel: the unit that a job works.
type Batch struct {
	EventID string
	Channel Channel
	Seq     int // 1, 2, 3 … within (EventID, Channel)
	Size    int // deliveries in it that were pending when it was made
}

// FanOutStep is what one chunk of a fan-out did. It was committed as a whole.
type FanOutStep struct {
	Batches []Batch // made by this chunk
	Users   int     // picked by this chunk
	Done    bool    // the audience is walked to its end
}

// Lease is a worker process's sign of life in the ledger. Deliveries claimed
// under a lease belong to its holder until the lease ends, by the database's clock.
type Lease struct {
	ID int64
}

// Recipient is one claimed delivery with what is needed to send it.
type Recipient struct {
	Seq       int64 // the user's number in the ledger; names the row within its batch
	UserID    string
	Name      string
	Email     string
	Phone     string
	Locale    string
	Timezone  string
	Attempts  int  // tries spent before this one
	Uncertain bool // an earlier try may have reached the user
}

// Outcome is what a try means for the delivery's row.
type Outcome struct {
	Seq        int64          // Recipient.Seq
	Status     DeliveryStatus // pending (to be tried again), or a terminal status
	Attempts   int            // tries spent in all
	Uncertain  bool           // an earlier or this try may have reached the user
	RetryIn    time.Duration  // pending: not to be claimed again before, from the database's now
	Reason     string
	ProviderID string
}

// Grant is what [Batch] rows a worker may send now, and what stands of the rest.
type Grant struct {
	Recipients []Recipient // claimed for the caller, in order of Seq

	// Counted only when Recipients is empty; of rows the caller cannot have now.
	Pending  int           // waiting for their retry time
	Sending  int           // claimed under another lease, or under this one by another job
	NextIn   time.Duration // until the earliest retry time or end of such a lease; at least zero
	Finished bool          // every row is terminal, and the batch is now marked so

	Counts     ChannelProgress // of the batch's rows; only when Recipients is empty
	LeaseEnded bool            // the caller's lease has ended: nothing was claimed
	Lost       int             // outcomes passed in that were not recorded because the row is no longer the caller's
}

// QueuedEvent is what the relay and the reconciler need to know of an event.
type QueuedEvent struct {
	ID     string
	SendIn time.Duration // until its send_at by the database's clock; zero when due
	Walked bool          // the fan-out is finished
}

// Summary is an event's result, kept as the return value of its job.
type Summary struct {
	EventID  string      `json:"event_id"`
	Status   EventStatus `json:"status"`
	Progress Progress    `json:"progress"`
}

// InboxItem is one event in one user's in-app inbox.
type InboxItem struct {
	Position  int64 // grows with arrival over the whole ledger, in the order of commit
	EventID   string
	Title     string
	Body      string
	Category  Category
	Data      []byte // the event's data object; nil for none
	Location  string
	StartsAt  time.Time
	EndsAt    time.Time
	ArrivedAt time.Time
	ReadAt    time.Time // zero while unread
	Cancelled bool      // the event was cancelled after it arrived
}

// Change says what putting a user did.
type Change string

const (
	ChangeCreated Change = "created"
	ChangeUpdated Change = "updated"
)

// DeliveryFilter narrows a list of deliveries; empty fields do not.
type DeliveryFilter struct {
	Status  DeliveryStatus
	Channel Channel
}

// DeliveryCursor is a place in an event's deliveries.
type DeliveryCursor struct {
	Channel Channel
	Seq     int64 // the user's number
}
