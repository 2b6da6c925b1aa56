package ledger

import "schoolbell"

// DeliveryCursor is a place in an event's deliveries.
type DeliveryCursor struct {
	Wave    int
	Channel schoolbell.Channel
	Seq     int64 // the user's number
}
