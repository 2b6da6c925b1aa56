package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/personal"
)

// Create checks ev and stores it, and so promises that it will be sent: the
// row is its own outbox, the relay takes it from there. It sets ID, CreatedAt and
// Status, normalizes the rest, and never waits for Redis or looks at the audience's size.
// An event without channels gets those of its category that are set up here.
// Under an idempotency key that was used for the same body before it returns
// the earlier event and replayed true. Faults in ev are schoolbell.Faults.
func (p *Pipeline) Create(ctx context.Context, ev *schoolbell.Event, idem ledger.Idempotency) (stored *schoolbell.Event, replayed bool, err error) {
	if err := p.draft(ev); err != nil {
		return p.replay(ctx, idem, err)
	}
	ledger.ChangeOf(ctx).Target(ev.ID)
	stored, replayed, err = p.ledger.Events.CreateEvent(ctx, ev, p.cfg.Channels, idem)
	if err != nil {
		return nil, false, err
	}
	if !replayed {
		p.metrics.accepted.Inc()
		p.notifyOutbox(stored)
	}
	return stored, replayed, nil
}

// draft checks a new event, normalizes it and gives it what its caller does not choose.
func (p *Pipeline) draft(ev *schoolbell.Event) error {
	now := schoolbell.Time(time.Now())
	ev.Normalize()
	if err := p.validate(ev, now); err != nil {
		return err
	}
	return identify(ev, now)
}

// Preview checks ev as Create does, and gives visitor its audience with what Create and the fan-out would make of it. It stores
// nothing, and visitor does not see the audience if anything is wrong with ev.
func (p *Pipeline) Preview(ctx context.Context, ev *schoolbell.Event, visitor ledger.PreviewVisitor) error {
	if err := p.draft(ev); err != nil {
		return err
	}
	return p.ledger.Previews.Preview(ctx, ev, p.cfg.Channels, chunkSize, visitor)
}

// identify gives a new event what its caller does not choose.
func identify(ev *schoolbell.Event, now time.Time) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("new event id: %w", err)
	}
	ev.ID, ev.CreatedAt, ev.Status = id.String(), now, statusAt(ev.SendAt, now)
	return nil
}

// statusAt returns the status of an event that is not sent yet.
func statusAt(sendAt, now time.Time) schoolbell.EventStatus {
	if sendAt.After(now) {
		return schoolbell.EventScheduled
	}
	return schoolbell.EventQueued
}

// replay answers a request with faults. If the key has its event, the request
// was good when it came first and only its times have passed since, or the
// channels set up here have changed: it is still a replay.
func (p *Pipeline) replay(ctx context.Context, idem ledger.Idempotency, faults error) (*schoolbell.Event, bool, error) {
	if idem.Key == "" {
		return nil, false, faults
	}
	ev, found, err := p.ledger.Events.EventByKey(ctx, idem)
	switch {
	case err != nil && schoolbell.CodeOf(err) != schoolbell.CodeInvalid:
		return nil, false, err
	case !found: // under the key of another request the faults come first, too
		return nil, false, faults
	}
	return ev, true, nil
}

func (p *Pipeline) validate(ev *schoolbell.Event, now time.Time) error {
	if err := ev.Validate(now); err != nil {
		return err
	}
	if err := personal.Check(ev); err != nil {
		return err
	}
	var f schoolbell.Faults
	for i, ch := range ev.Channels {
		if !slices.Contains(p.cfg.Channels, ch) {
			f.Add(fmt.Sprintf("channels[%d]", i), "channel %s is not configured", ch)
		}
	}
	return f.Err()
}

// Cancel cancels an event: messages not sent yet are never sent. Cancelling
// twice is no error; a completed event is CodeConflict, an unknown one CodeNotFound.
func (p *Pipeline) Cancel(ctx context.Context, id string) (*schoolbell.Event, error) {
	ev, err := p.ledger.Events.CancelEvent(ctx, id)
	if err != nil {
		return nil, err
	}
	p.notifyReconciler(change{eventID: id, jobID: ev.JobID, lane: ev.Lane, cancelled: true})
	return ev, nil
}

// Release lets a held event go on from where the ledger says it is. Messages that were sent after the backup was made
// are sent a second time. An event that is not held is CodeConflict, an unknown one CodeNotFound.
func (p *Pipeline) Release(ctx context.Context, id string) (*schoolbell.Event, error) {
	ev, err := p.ledger.Events.ReleaseEvent(ctx, id)
	if err != nil {
		return nil, err
	}
	p.notifyReconciler(change{eventID: id})
	return ev, nil
}

// ReleaseAll does the same with every held event. If there are not as many as the caller
// knows of, that is CodeConflict and none is released.
func (p *Pipeline) ReleaseAll(ctx context.Context, held int) error {
	if err := p.ledger.Events.ReleaseEvents(ctx, held); err != nil {
		return err
	}
	p.notifyReconciler(change{all: true})
	return nil
}

// Retry sends the failed deliveries of an event again that a filter selects, and only those, and
// returns how many they are. An event still being walked, cancelled or expired
// is CodeConflict, an unknown one CodeNotFound.
func (p *Pipeline) Retry(ctx context.Context, id string, only schoolbell.RetryFilter) (rows int, err error) {
	rows, err = p.ledger.Events.RetryFailed(ctx, id, only)
	if err != nil {
		return 0, err
	}
	if rows > 0 {
		p.notifyReconciler(change{eventID: id})
	}
	return rows, nil
}
