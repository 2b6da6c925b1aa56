package wire

import "schoolbell"

// Delivery says what became of one event for one user on one channel.
type Delivery struct {
	EventID    string                    `json:"event_id"`
	UserID     string                    `json:"user_id"`
	Channel    schoolbell.Channel        `json:"channel"`
	Status     schoolbell.DeliveryStatus `json:"status"`
	Attempts   int                       `json:"attempts" doc:"Tries that were spent."`
	Reason     string                    `json:"reason,omitempty" doc:"Why it failed, was suppressed or is uncertain."`
	ProviderID string                    `json:"provider_id,omitempty" doc:"The provider's own id for the message."`
	ReadAt     Time                      `json:"read_at,omitzero" doc:"When the user read it in the app."`
	UpdatedAt  Time                      `json:"updated_at"`
}

// DeliveryOf shows d.
func DeliveryOf(d schoolbell.Delivery) Delivery {
	out := Delivery{EventID: d.EventID, UserID: d.UserID, Channel: d.Channel, Status: d.Status, Attempts: d.Attempts,
		Reason: d.Reason, ProviderID: d.ProviderID, UpdatedAt: At(d.UpdatedAt)}
	if d.ReadAt != nil {
		out.ReadAt = At(*d.ReadAt)
	}
	return out
}

// DeliveryPage is one page of an event's deliveries.
type DeliveryPage struct {
	Deliveries []Delivery `json:"deliveries"`
	Next       string     `json:"next,omitempty" doc:"Cursor of the next page; not there on the last."`
}
