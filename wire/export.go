package wire

import "schoolbell"

// Receipt is what a provider told about a delivery after it was sent.
type Receipt struct {
	Provider string                 `json:"provider"`
	ID       string                 `json:"id" doc:"The provider's id of the receipt."`
	EventID  string                 `json:"event_id"`
	Wave     int                    `json:"wave"`
	Channel  schoolbell.Channel     `json:"channel,omitempty"`
	Kind     schoolbell.ReceiptKind `json:"kind"`
	At       Time                   `json:"at"`
}

// ReceiptOf shows r.
func ReceiptOf(r schoolbell.Receipt) Receipt {
	return Receipt{Provider: r.Provider, ID: r.ID, EventID: r.EventID, Wave: r.Wave, Channel: r.Channel, Kind: r.Kind, At: At(r.At)}
}

// PersonalRecord is what an event says of a user.
type PersonalRecord struct {
	EventID   string            `json:"event_id"`
	Data      map[string]string `json:"data,omitempty" doc:"The event's data of the user."`
	Students  []string          `json:"students,omitempty" doc:"Ids of the students whom the messages of the event to the user are about."`
	Guardians []string          `json:"guardians,omitempty" doc:"Ids of the guardians to whom its messages are about the user."`
}

// UserExport is everything that is stored about a user. The server writes the lists while
// it reads them: a document that ends early is incomplete.
type UserExport struct {
	ExportedAt  Time                    `json:"exported_at"`
	User        *schoolbell.User        `json:"user"`
	CreatedAt   Time                    `json:"created_at"`
	UpdatedAt   Time                    `json:"updated_at"`
	Guardians   []string                `json:"guardians" nullable:"false" doc:"Ids of the user's guardians."`
	Preferences []schoolbell.Preference `json:"preferences" nullable:"false"`
	Schedule    Schedule                `json:"schedule"`
	Calendar    bool                    `json:"calendar_feed" doc:"Whether the user has a calendar feed. Its URL is a secret."`
	Inbox       []InboxItem             `json:"inbox" nullable:"false" doc:"Newest first."`
	Deliveries  []Delivery              `json:"deliveries" nullable:"false" doc:"Oldest event first."`
	Personal    []PersonalRecord        `json:"personal" nullable:"false" doc:"What events say of the user, oldest event first."`
	Receipts    []Receipt               `json:"receipts" nullable:"false"`
	Audit       []AuditEntry            `json:"audit" nullable:"false" doc:"What the user changed, and then what was changed about the user. Each newest first."`
}
