package schoolbell

import "time"

// DeliveryStatus is the status of one delivery.
type DeliveryStatus string

const (
	DeliveryPending    DeliveryStatus = "pending"    // not tried yet, or to be tried again
	DeliverySending    DeliveryStatus = "sending"    // claimed by a worker this moment
	DeliverySent       DeliveryStatus = "sent"       // accepted by the provider
	DeliveryDelivered  DeliveryStatus = "delivered"  // known to have arrived; in-app: it is in the inbox
	DeliveryFailed     DeliveryStatus = "failed"     // refused for good, or every attempt used up
	DeliverySuppressed DeliveryStatus = "suppressed" // not to be sent: no address, opted out
	DeliveryUncertain  DeliveryStatus = "uncertain"  // sent, but a crash or a lost reply hid whether once or twice, or at all
	DeliveryCancelled  DeliveryStatus = "cancelled"  // its event was cancelled first
	DeliveryExpired    DeliveryStatus = "expired"    // its event expired first
)

// DeliveryStatuses lists every status in the order of a delivery's life.
func DeliveryStatuses() []DeliveryStatus {
	return []DeliveryStatus{DeliveryPending, DeliverySending, DeliverySent, DeliveryDelivered, DeliveryFailed,
		DeliverySuppressed, DeliveryUncertain, DeliveryCancelled, DeliveryExpired}
}

// Valid reports whether s is a known status.
func (s DeliveryStatus) Valid() bool {
	switch s {
	case DeliveryPending, DeliverySending, DeliverySent, DeliveryDelivered, DeliveryFailed,
		DeliverySuppressed, DeliveryUncertain, DeliveryCancelled, DeliveryExpired:
		return true
	}
	return false
}

// Terminal reports whether the pipeline is done with the delivery.
func (s DeliveryStatus) Terminal() bool { return s != DeliveryPending && s != DeliverySending }

// Delivery is the message of one event to one user on one channel, with its status.
type Delivery struct {
	EventID    string
	UserID     string
	Channel    Channel
	Status     DeliveryStatus
	Attempts   int        // tries that were spent
	Reason     string     // why it failed, was suppressed or is uncertain
	ProviderID string     // the provider's own id for the message, where it gives one
	ReadAt     *time.Time // in-app: when the user read it
	UpdatedAt  time.Time
}

// Reasons for which deliveries are suppressed.
const (
	ReasonNoAddress = "no_address"
	ReasonOptedOut  = "opted_out"
)

// DeliveryFilter narrows a list of deliveries; empty fields do not.
type DeliveryFilter struct {
	Status  DeliveryStatus
	Channel Channel
}
