package schoolbell

import (
	"slices"
	"time"
)

// DeliveryStatus is the status of one delivery.
type DeliveryStatus string

const (
	DeliveryPending    DeliveryStatus = "pending"    // not tried yet, or to be tried again
	DeliverySending    DeliveryStatus = "sending"    // claimed by a worker this moment
	DeliverySent       DeliveryStatus = "sent"       // accepted by the provider; in-app: it is in the inbox
	DeliveryFailed     DeliveryStatus = "failed"     // refused for good, or every attempt used up
	DeliverySuppressed DeliveryStatus = "suppressed" // not to be sent: no address, opted out
	DeliveryUncertain  DeliveryStatus = "uncertain"  // sent, but a crash, a lost reply or a restored ledger hid whether once or twice, or at all
	DeliveryCancelled  DeliveryStatus = "cancelled"  // its event was cancelled first
	DeliveryExpired    DeliveryStatus = "expired"    // its event expired first
)

// DeliveryStatuses lists every status in the order of a delivery's life.
func DeliveryStatuses() []DeliveryStatus {
	return []DeliveryStatus{DeliveryPending, DeliverySending, DeliverySent, DeliveryFailed,
		DeliverySuppressed, DeliveryUncertain, DeliveryCancelled, DeliveryExpired}
}

// Valid reports whether s is a known status.
func (s DeliveryStatus) Valid() bool {
	switch s {
	case DeliveryPending, DeliverySending, DeliverySent, DeliveryFailed,
		DeliverySuppressed, DeliveryUncertain, DeliveryCancelled, DeliveryExpired:
		return true
	}
	return false
}

// Terminal reports whether the pipeline is done with the delivery.
func (s DeliveryStatus) Terminal() bool { return s != DeliveryPending && s != DeliverySending }

// Outcome is the strongest news about a delivery after it was sent. It only moves forward.
type Outcome string

// The outcomes, from the weakest to the strongest.
const (
	OutcomeDelivered    Outcome = "delivered"    // the provider says that it arrived
	OutcomeBounced      Outcome = "bounced"      // the provider says that it came back
	OutcomeComplained   Outcome = "complained"   // the recipient reported it as unwanted
	OutcomeRead         Outcome = "read"         // the recipient read it, in the inbox or on the message page
	OutcomeAcknowledged Outcome = "acknowledged" // the recipient confirmed it, in the inbox or on the message page
)

// Outcomes lists every outcome, from the weakest to the strongest.
func Outcomes() []Outcome {
	return []Outcome{OutcomeDelivered, OutcomeBounced, OutcomeComplained, OutcomeRead, OutcomeAcknowledged}
}

// Valid reports whether o is a known outcome.
func (o Outcome) Valid() bool { return slices.Contains(Outcomes(), o) }

// Delivery is the message of one wave of an event to one user on one channel, with its status.
type Delivery struct {
	EventID    string
	Wave       int // 0 for the event itself
	UserID     string
	Channel    Channel
	Status     DeliveryStatus
	Outcome    Outcome    // empty until there is news
	Attempts   int        // that were spent
	Reason     string     // why it failed, was suppressed or is uncertain
	ProviderID string     // the provider's own id for the message, where it gives one
	SameAs     string     // id of the user to whom the message is sent for this one too, see ReasonSameAddress; empty for others
	ReadAt     *time.Time // in-app: when the user read it
	UpdatedAt  time.Time
}

// PersonDelivery is a delivery in the list of those to one person.
type PersonDelivery struct {
	Delivery
	Title string // of the event
}

// Reasons for which deliveries are suppressed. Another one is the state of the user's
// first address, where none is usable: bounced, complained or stopped.
const (
	ReasonNoAddress = "no_address"
	ReasonOptedOut  = "opted_out"

	ReasonInDigest    = "in_digest"    // the event is an item of the user's next digest
	ReasonEmptyDigest = "empty_digest" // nothing is left that the digest could tell

	// ReasonSameAddress means that another user has the same address, and gets a message there that reads the same. A pending
	// delivery with this reason waits for the end of that of the other user.
	ReasonSameAddress = "same_address"
)

// ReasonNotInAudience is the reason in a preview for which a person gets nothing who is not in the audience. No delivery has it.
const ReasonNotInAudience = "not_in_audience"

// ReasonAwaitingReceipt is the reason of a pending delivery that the provider may have accepted. It is sent again only
// after a time in which no receipt told so.
const ReasonAwaitingReceipt = "awaiting_receipt"

// ReasonQuietHours is the reason of a pending delivery that waits for the end of the recipient's quiet hours.
const ReasonQuietHours = "quiet_hours"

// DeliveryFilter narrows a list of deliveries; empty fields do not.
type DeliveryFilter struct {
	Status  DeliveryStatus
	Outcome Outcome
	Channel Channel

	Failed  bool     // only those that failed or came back
	Reasons []string // only those with one of these reasons; nil for all
	Person  string   // in the name of the recipient, or at the beginning of their id
}

// RetryFilter narrows a retry of the failed deliveries of an event; empty fields do not.
type RetryFilter struct {
	Channel Channel
	Reasons []string // only those with one of these reasons; nil for all
}
