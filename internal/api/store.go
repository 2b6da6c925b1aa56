package api

import (
	"context"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Store is what the API reads of the ledger beside the use cases. Every method
// is one transaction; implementations are safe for concurrent use.
type Store interface {
	// Event returns the event; CodeNotFound if there is none.
	Event(ctx context.Context, id string) (*schoolbell.Event, error)

	// Progress counts the event's deliveries from their rows; CodeNotFound if there is no such event.
	Progress(ctx context.Context, id string) (schoolbell.Progress, error)

	// Events returns up to limit events, newest first, those created before the
	// event with the given id ("" for the newest); status "" means any.
	Events(ctx context.Context, status schoolbell.EventStatus, before string, limit int) ([]*schoolbell.Event, error)

	// Deliveries returns up to limit deliveries of the event ordered by channel
	// and user number, those after the cursor (zero for the first page), and the
	// cursor of the last one returned. CodeNotFound if there is no such event.
	Deliveries(ctx context.Context, eventID string, f schoolbell.DeliveryFilter, after ledger.DeliveryCursor, limit int) ([]schoolbell.Delivery, ledger.DeliveryCursor, error)
}
