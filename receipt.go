package schoolbell

import "time"

// ReceiptKind is what a provider tells about a message after it was sent.
type ReceiptKind string

// The kinds of receipts.
const (
	ReceiptDelivered  ReceiptKind = "delivered"
	ReceiptBounced    ReceiptKind = "bounced" // for good
	ReceiptComplained ReceiptKind = "complained"
)

// Outcome returns the outcome that a receipt of this kind gives its delivery.
func (k ReceiptKind) Outcome() Outcome { return Outcome(k) }

// Receipt is news from a provider about one delivery.
type Receipt struct {
	Provider string // such as "ses"
	ID       string // the provider's id of this receipt, by which repetitions are recognized

	EventID string
	Wave    int
	Channel Channel
	User    int64 // the user's number in the ledger, which the message carried

	Kind    ReceiptKind
	Address string    // the address it is about; its state changes; may be empty
	Reason  string    // the provider's words, without personal data
	At      time.Time // when it happened, by the provider's clock
}
