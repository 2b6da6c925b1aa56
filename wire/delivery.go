package wire

import "schoolbell"

// Delivery is the message of one wave of an event to one user on one channel, with its status.
type Delivery struct {
	EventID    string                    `json:"event_id"`
	Wave       int                       `json:"wave" doc:"0 for the event itself."`
	UserID     string                    `json:"user_id"`
	Channel    schoolbell.Channel        `json:"channel"`
	Status     schoolbell.DeliveryStatus `json:"status"`
	Outcome    schoolbell.Outcome        `json:"outcome,omitempty" doc:"The strongest news after the message was sent; missing until there is some."`
	Attempts   int                       `json:"attempts" doc:"Number of attempts."`
	Reason     string                    `json:"reason,omitempty" doc:"Why the delivery waits, failed, was suppressed or is uncertain."`
	ProviderID string                    `json:"provider_id,omitempty" doc:"The provider's id of the message."`
	SameAs     string                    `json:"same_as,omitempty" doc:"With the reason same_address: the user with the same address to whom the message is sent for this one too."`
	ReadAt     Time                      `json:"read_at,omitzero" doc:"When the user read the message in the inbox."`
	UpdatedAt  Time                      `json:"updated_at"`
}

// DeliveryOf shows d.
func DeliveryOf(d schoolbell.Delivery) Delivery {
	out := Delivery{EventID: d.EventID, Wave: d.Wave, UserID: d.UserID, Channel: d.Channel, Status: d.Status, Outcome: d.Outcome, Attempts: d.Attempts,
		Reason: d.Reason, ProviderID: d.ProviderID, SameAs: d.SameAs, UpdatedAt: At(d.UpdatedAt)}
	if d.ReadAt != nil {
		out.ReadAt = At(*d.ReadAt)
	}
	return out
}

// DeliveryPage is one page of an event's deliveries.
type DeliveryPage struct {
	Deliveries []Delivery `json:"deliveries"`
	Next       string     `json:"next,omitempty" doc:"Cursor of the next page. The last page has none."`
}

// UserDelivery is a delivery in the list of those to one user.
type UserDelivery struct {
	Title string `json:"title" doc:"Of the event."`
	Delivery
}

// UserDeliveryOf shows d.
func UserDeliveryOf(d schoolbell.PersonDelivery) UserDelivery {
	return UserDelivery{Title: d.Title, Delivery: DeliveryOf(d.Delivery)}
}

// UserDeliveryPage is one page of the deliveries to a user.
type UserDeliveryPage struct {
	Deliveries []UserDelivery `json:"deliveries"`
	Next       string         `json:"next,omitempty" doc:"Cursor of the next page. The last page has none."`
}
