package ledger

import (
	"context"

	"schoolbell"
)

// Changes change events after they were created. Each method is one transaction; implementations are safe for
// concurrent use. apply makes of the event what it becomes, and may be called several times; its errors are returned.
// What it returns has a higher revision: workers send no older one from then on.
type Changes interface {
	// ChangeEvent changes an event of which nothing was sent: once the walk over its audience has begun, and for a
	// cancelled, expired or held event, it returns CodeConflict; for an unknown one CodeNotFound. Names that the ledger
	// does not know are the faults that Events.CreateEvent returns. The category stays.
	ChangeEvent(ctx context.Context, id string, setUp []schoolbell.Channel, apply func(*schoolbell.Event) (*schoolbell.Event, error)) (*schoolbell.Event, error)

	// UpdateEvent changes an event of which messages were or are being sent, and adds a wave that tells those of the change
	// whom the event has reached before. Audience, channels, start and category stay. A wave with an earlier change that was not walked yet tells of both.
	// The wave is zero if the event has no channel but the inbox. An event of which nothing was sent,
	// a cancelled, expired or held one, and more than schoolbell.MaxWaves or schoolbell.MaxRevisions are CodeConflict; an unknown one is CodeNotFound.
	UpdateEvent(ctx context.Context, id string, apply func(*schoolbell.Event) (*schoolbell.Event, error)) (*schoolbell.Event, schoolbell.Wave, error)

	// RetractEvent cancels an event, also a completed or held one, and adds a wave that tells those whom it has
	// reached. A second call changes nothing. The wave is zero if there is nobody to tell. An expired event is CodeConflict, and so is
	// one whose deliveries were removed; an unknown one is CodeNotFound.
	RetractEvent(ctx context.Context, id string) (*schoolbell.Event, schoolbell.Wave, error)
}
