package schoolbell

import "time"

// ReceiptKind is what a provider, or the recipient, tells about a message after it was sent.
type ReceiptKind string

// The kinds of receipts.
const (
	ReceiptAccepted     ReceiptKind = "accepted"     // the provider has the message
	ReceiptDelivered    ReceiptKind = "delivered"    // it arrived
	ReceiptFailed       ReceiptKind = "failed"       // the provider gave up, for a reason that is not the address
	ReceiptSoftBounced  ReceiptKind = "soft_bounced" // the provider gave up, because the address does not take messages at the moment
	ReceiptBounced      ReceiptKind = "bounced"      // it came back, because the address does not work
	ReceiptComplained   ReceiptKind = "complained"   // the recipient reported it as unwanted
	ReceiptRefused      ReceiptKind = "refused"      // the provider did not send it, because the recipient had asked for no more messages
	ReceiptStopped      ReceiptKind = "stopped"      // the recipient asks for no more messages
	ReceiptStarted      ReceiptKind = "started"      // the recipient takes that back
	ReceiptRead         ReceiptKind = "read"         // by the recipient, on the message page
	ReceiptAcknowledged ReceiptKind = "acknowledged" // by the recipient, on the message page
)

// Outcome returns the outcome that a receipt of this kind gives its delivery, empty for none.
func (k ReceiptKind) Outcome() Outcome {
	switch k {
	case ReceiptDelivered:
		return OutcomeDelivered
	case ReceiptFailed, ReceiptSoftBounced, ReceiptBounced, ReceiptRefused:
		return OutcomeBounced
	case ReceiptComplained:
		return OutcomeComplained
	case ReceiptRead:
		return OutcomeRead
	case ReceiptAcknowledged:
		return OutcomeAcknowledged
	}
	return ""
}

// Failed reports whether a receipt of this kind says that the message did not reach the recipient,
// or is unwanted.
func (k ReceiptKind) Failed() bool {
	return k.Outcome() == OutcomeBounced || k.Outcome() == OutcomeComplained
}

// ReceiptProviderPage is the provider of receipts that the recipient gives on the message page.
const ReceiptProviderPage = "page"

// Accepted reports whether a receipt of this kind says that the provider has, or had, the message. A recipient on the
// message page may have got the link on another channel.
func (k ReceiptKind) Accepted() bool {
	switch k {
	case ReceiptStopped, ReceiptStarted, ReceiptRead, ReceiptAcknowledged:
		return false
	}
	return true
}

// AddressState returns the state that a receipt of this kind gives its address, empty for none.
// AddressGood is given only to addresses that were unverified or suspended, or of which ReceiptStarted takes a stop back.
// AddressSuspended is given only after [SuspensionBounces] receipts.
func (k ReceiptKind) AddressState() AddressState {
	switch k {
	case ReceiptDelivered, ReceiptStarted:
		return AddressGood
	case ReceiptSoftBounced:
		return AddressSuspended
	case ReceiptBounced:
		return AddressBounced
	case ReceiptComplained:
		return AddressComplained
	case ReceiptRefused, ReceiptStopped:
		return AddressStopped
	}
	return ""
}

// Receipt is news about one delivery or an address, from its provider or from the message page.
type Receipt struct {
	Provider string // such as "ses"
	ID       string // the provider's id of this receipt, by which repetitions are recognized

	// EventID is empty if the receipt is about Address only: then that of every user who has it.
	EventID string
	Wave    int
	Channel Channel
	User    int64 // the user's number in the ledger, which the message carried

	Kind    ReceiptKind
	Address string    // the address it is about; its state changes; may be empty
	Reason  string    // the provider's words, without personal data
	At      time.Time // when it happened, by the provider's clock
}
