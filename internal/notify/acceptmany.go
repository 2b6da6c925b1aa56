package notify

import (
	"context"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// CreateMany does for each of the events, in order, what Create does for one, in one transaction
// of the ledger. Callers set Event, Idempotency and Change. Faults of an event are in its result
// and do not stop the others; after an error nothing is stored.
func (p *Pipeline) CreateMany(ctx context.Context, events []ledger.NewEvent) ([]ledger.CreatedEvent, error) {
	now := schoolbell.Time(time.Now())
	for i := range events {
		e := &events[i]
		e.Event.Normalize()
		if e.Faults = p.validate(e.Event, now); e.Faults != nil {
			continue
		}
		if err := identify(e.Event, now); err != nil {
			return nil, err
		}
		e.Change.Target(e.Event.ID)
	}
	created, err := p.ledger.Events.CreateEvents(ctx, events, p.cfg.Channels)
	if err != nil {
		return nil, err
	}
	for _, c := range created {
		if c.Err == nil && !c.Replayed {
			p.metrics.accepted.Inc()
			p.notifyOutbox(c.Event)
		}
	}
	return created, nil
}
