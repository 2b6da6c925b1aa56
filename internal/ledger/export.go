package ledger

import (
	"context"
	"time"

	"schoolbell"
)

// PersonRecord is what the ledger has of a person beside the lists of [Exports].
type PersonRecord struct {
	*schoolbell.User
	Number    int64    // that deliveries and receipts have
	Guardians []string // ids of the people who are guardians of the person
	CreatedAt time.Time
	UpdatedAt time.Time
}

// PersonalRecord is what an event says of a person.
type PersonalRecord struct {
	EventID   string
	Data      map[string]string // nil for none
	Students  []string          // ids of the person's students whom the event's message to the person is about
	Guardians []string          // ids of those to whom its messages are about the person
}

// ReceiptCursor names a receipt in the order of its key; the zero value is before all.
type ReceiptCursor struct{ Provider, ID string }

// PersonDeliveries reads what was sent to one person. It is safe for concurrent use.
type PersonDeliveries interface {
	// DeliveriesOf returns the deliveries to a user of up to limit events before one, "" for the newest: newest event first, then
	// by wave and channel. With groups, only events that were created within them count. No index leads from a person to the
	// deliveries, so it looks through a number of events and no more, and may find fewer, or none, although older ones follow.
	// next is the event before which the next page begins, "" after the last page. CodeNotFound if there is no such user or event.
	DeliveriesOf(ctx context.Context, userID string, within []string, before string, limit int) (found []schoolbell.PersonDelivery, next string, err error)
}

// Exports reads everything that belongs to one person, in pages. Each method is one
// transaction; implementations are safe for concurrent use.
type Exports interface {
	// Person returns the person; CodeNotFound if there is none.
	Person(ctx context.Context, id string) (PersonRecord, error)

	// DeliveriesTo returns the deliveries to the person with a number among the next limit
	// events after one, and the last of these events: 0 if there are no more.
	DeliveriesTo(ctx context.Context, person, afterEvent int64, limit int) (found []schoolbell.Delivery, lastEvent int64, err error)

	// PersonalOf returns what up to limit events after one say of the person, or of the person's students to the person, and
	// the last of these events: 0 if there are no more.
	PersonalOf(ctx context.Context, person, afterEvent int64, limit int) (found []PersonalRecord, lastEvent int64, err error)

	// ReceiptsOf returns up to limit receipts of deliveries to the person, those after the cursor.
	ReceiptsOf(ctx context.Context, person int64, after ReceiptCursor, limit int) ([]schoolbell.Receipt, error)
}
