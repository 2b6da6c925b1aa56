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

	// Progress counts the event's deliveries; CodeNotFound if there is no such event.
	Progress(ctx context.Context, id string) (schoolbell.Progress, error)

	// Events returns up to limit events, newest first, those created before the
	// event with the given id ("" for the newest).
	Events(ctx context.Context, f schoolbell.EventFilter, before string, limit int) ([]*schoolbell.Event, error)

	// Deliveries returns up to limit deliveries of the event ordered by channel
	// and user number, those after the cursor (zero for the first page), and the
	// cursor of the last one returned. CodeNotFound if there is no such event.
	Deliveries(ctx context.Context, eventID string, f schoolbell.DeliveryFilter, after ledger.DeliveryCursor, limit int) ([]schoolbell.Delivery, ledger.DeliveryCursor, error)

	// AuditEntries returns up to limit entries of the audit, newest first, those before
	// the entry with the given id ("" for the newest).
	AuditEntries(ctx context.Context, f schoolbell.AuditFilter, before string, limit int) ([]schoolbell.AuditEntry, error)

	// PutAuditEntry stores an entry. If it is stored already, it gets the new target and changes.
	PutAuditEntry(ctx context.Context, e schoolbell.AuditEntry) error
}
