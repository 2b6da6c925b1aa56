package wire

import "schoolbell"

// Suppression is an address of a user to which nothing is sent.
type Suppression struct {
	ID      string                  `json:"id"`
	UserID  string                  `json:"user_id"`
	Channel schoolbell.Channel      `json:"channel"`
	Address string                  `json:"address"`
	State   schoolbell.AddressState `json:"state"`
	Reason  string                  `json:"reason,omitempty" doc:"The words of the provider or of the staff."`
	Since   Time                    `json:"since"`
	Until   Time                    `json:"until,omitzero" doc:"When the address is used again; never if left out."`
}

// SuppressionPage is a page of suppressions.
type SuppressionPage struct {
	Suppressions []Suppression `json:"suppressions"`
	Next         string        `json:"next,omitempty" doc:"Cursor of the next page. The last page has none."`
}

// SuppressionPageOf shows suppressions.
func SuppressionPageOf(list []schoolbell.Suppression) SuppressionPage {
	p := SuppressionPage{Suppressions: make([]Suppression, 0, len(list))}
	for _, s := range list {
		p.Suppressions = append(p.Suppressions, Suppression{ID: s.Key.String(), UserID: s.UserID, Channel: s.Key.Channel, Address: s.Address,
			State: s.State, Reason: s.Reason, Since: At(s.Since), Until: At(s.Until)})
	}
	return p
}

// NewSuppression is an address that gets no more messages.
type NewSuppression struct {
	Channel schoolbell.Channel `json:"channel"`
	Address string             `json:"address"`
	Reason  string             `json:"reason,omitempty" doc:"For the staff, one line."`
}
