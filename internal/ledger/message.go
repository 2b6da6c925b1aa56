package ledger

import "schoolbell"

// PersonalMessage is an event as one user gets it, on all channels.
type PersonalMessage struct {
	Event    *schoolbell.Event
	UserID   string
	Locale   string                   // of the user, BCP 47; may be empty
	Timezone string                   // of the user, IANA name; may be empty
	Personal *schoolbell.PersonalText // of a personalized event; nil otherwise

	// Deliveries are those of the event to the user, of every wave and channel. Only wave,
	// channel, status and outcome are filled in. They are empty if they were removed because of their age.
	Deliveries []schoolbell.Delivery
}

// Outcome returns whether the user read or acknowledged the event on any channel: the stronger
// of the two, or empty for neither.
func (m PersonalMessage) Outcome() (strongest schoolbell.Outcome) {
	for _, d := range m.Deliveries {
		switch {
		case d.Outcome == schoolbell.OutcomeAcknowledged:
			return d.Outcome
		case d.Outcome == schoolbell.OutcomeRead:
			strongest = d.Outcome
		}
	}
	return strongest
}
