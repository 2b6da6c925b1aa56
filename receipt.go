package schoolbell

import "time"

// ReceiptKind is what a provider, or the recipient, tells about a message after it was sent.
type ReceiptKind string

// The kinds of receipts.
const (
	ReceiptDelivered    ReceiptKind = "delivered"
	ReceiptBounced      ReceiptKind = "bounced" // for good
	ReceiptComplained   ReceiptKind = "complained"
	ReceiptRead         ReceiptKind = "read"         // by the recipient, on the message page
	ReceiptAcknowledged ReceiptKind = "acknowledged" // by the recipient, on the message page
)

// Outcome returns the outcome that a receipt of this kind gives its delivery.
func (k ReceiptKind) Outcome() Outcome { return Outcome(k) }

// Failed reports whether a receipt of this kind says that the message did not reach the recipient,
// or is unwanted.
func (k ReceiptKind) Failed() bool { return k == ReceiptBounced || k == ReceiptComplained }

// ReceiptProviderPage is the provider of receipts that the recipient gives on the message page.
const ReceiptProviderPage = "page"

// Receipt is news about one delivery, from its provider or from the message page.
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
