package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// CreateEvents implements ledger.Events.
func (s Events) CreateEvents(ctx context.Context, events []ledger.NewEvent, setUp []schoolbell.Channel) ([]ledger.CreatedEvent, error) {
	created := make([]ledger.CreatedEvent, len(events))
	err := s.DB.write(ledger.WithChange(ctx, nil), "create events", func(c *conn) (err error) {
		for i, e := range events {
			if created[i], err = s.createOneOf(ledger.WithChange(ctx, e.Change), c, e, setUp); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, e := range events {
		if created[i].Err == nil {
			e.Change.Committed()
		}
	}
	return created, nil
}

// createOneOf stores one of many events, with the audit entry of the change that ctx carries. A fault of
// the event is in the result and leaves nothing in the transaction.
func (s Events) createOneOf(ctx context.Context, c *conn, e ledger.NewEvent, setUp []schoolbell.Channel) (out ledger.CreatedEvent, err error) {
	if e.Faults != nil {
		return replayFaulty(ctx, c, e)
	}
	store := audited(ctx, func(c *conn) (err error) {
		out.Event, out.Replayed, err = s.createEvent(ctx, c, e.Event, setUp, e.Idempotency)
		return err
	})
	err, broken := c.part(ctx, func() error { return store(c) })
	switch {
	case broken != nil:
		return out, broken
	case schoolbell.CodeOf(err) == schoolbell.CodeInvalid:
		return ledger.CreatedEvent{Err: err}, nil
	}
	return out, err
}

// replayFaulty returns the event that was created under the key of an event with faults, or the faults.
func replayFaulty(ctx context.Context, c *conn, e ledger.NewEvent) (out ledger.CreatedEvent, err error) {
	if e.Idempotency.Key != "" {
		out.Event, err = earlierEvent(ctx, c, e.Idempotency)
	}
	switch {
	case err != nil && schoolbell.CodeOf(err) != schoolbell.CodeInvalid:
		return out, err
	case out.Event == nil: // under the key of another request the faults come first, too
		return ledger.CreatedEvent{Err: e.Faults}, nil
	}
	e.Change.Void()
	out.Replayed = true
	return out, nil
}
