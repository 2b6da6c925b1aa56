package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// eventsPerPiece is the maximum number of events that one transaction touches.
const eventsPerPiece = 100

// endedEvent is an event whose deliveries are removed.
type endedEvent struct {
	eventState
	endedAt time.Time
	open    bool // a wave is not finished
}

// removeDeliveries removes deliveries of the oldest ended events, up to limit, and then their batches.
func (s Retention) removeDeliveries(ctx context.Context, c *conn, before time.Time, at ledger.RemovalCursor, limit int) (r ledger.Removed, err error) {
	r.Next = at
	for visited := 0; r.Rows < limit && visited < eventsPerPiece; visited++ {
		e, err := nextEnded(ctx, c, before, r.Next)
		if errors.Is(err, sql.ErrNoRows) {
			r.Done = true
			return r, nil
		}
		if err != nil {
			return r, err
		}
		if e.seq != r.Next.Event {
			r.Next = ledger.RemovalCursor{EndedAt: e.endedAt, Event: e.seq}
		}
		left, err := s.removeRows(ctx, c, e, &r, limit-r.Rows)
		if err != nil {
			return r, err
		}
		if left {
			return r, nil
		}
		r.Next = ledger.RemovalCursor{EndedAt: e.endedAt, Event: e.seq + 1}
	}
	return r, nil
}

func nextEnded(ctx context.Context, c *conn, before time.Time, at ledger.RemovalCursor) (*endedEvent, error) {
	var e endedEvent
	var ended sql.NullInt64
	err := c.get(ctx, findEnded, args{"before": before.UnixMilli(), "ended_at": at.EndedAt.UnixMilli(), "event": at.Event},
		&e.seq, &e.status, &e.expiresAt, &e.removed, &e.now, &e.open, &ended)
	e.endedAt = timeOf(ended)
	return &e, err
}

// findEnded selects the event that ended first of those that have deliveries, from an event on.
const findEnded = `
SELECT e.seq, e.status, e.expires_at, e.deliveries_removed_at IS NOT NULL, ` + now + `,
	EXISTS (SELECT 1 FROM waves w WHERE w.event_seq = e.seq AND w.finished_at IS NULL), e.completed_at
FROM events e
WHERE e.deliveries_left
	AND e.completed_at IS NOT NULL
	AND e.completed_at < @before
	AND (e.completed_at, e.seq) >= (@ended_at, @event)
ORDER BY e.completed_at, e.seq
LIMIT 1`

// removeRows removes deliveries of the event after the cursor, up to limit, and its batches once there are none.
// left means that there is more to remove.
func (s Retention) removeRows(ctx context.Context, c *conn, e *endedEvent, r *ledger.Removed, limit int) (left bool, err error) {
	if !e.removed {
		if ready, err := s.settle(ctx, c, e); err != nil || !ready {
			return false, err
		}
	}
	from := args{"event": e.seq, "wave": r.Next.Wave, "channel": r.Next.Channel, "user": r.Next.User}
	next := r.Next
	err = c.get(ctx, endOfPiece, from.and(args{"skip": limit - 1}), &next.Wave, &next.Channel, &next.User)
	if err == nil {
		n, err := c.exec(ctx, deletePiece, from.and(args{"last_wave": next.Wave, "last_channel": next.Channel, "last_user": next.User}))
		r.Next, r.Rows = next, r.Rows+n
		return true, err
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	n, err := c.exec(ctx, deleteRest, from)
	if err != nil {
		return false, err
	}
	r.Rows += n
	n, err = c.exec(ctx, deleteBatches, args{"event": e.seq, "limit": limit})
	if err != nil || n == limit {
		return true, err
	}
	for _, statement := range []string{deleteClaims, deleteHouseholdMessages, noteRemoved} {
		if _, err := c.exec(ctx, statement, args{"event": e.seq}); err != nil {
			return false, err
		}
	}
	return false, nil
}

// settle makes the totals of an ended event final, and notes that its deliveries are removed from now on. It is
// not ready if it is not at its end: a wave is not finished, or a worker holds one of its deliveries.
func (s Retention) settle(ctx context.Context, c *conn, e *endedEvent) (ready bool, err error) {
	if e.open {
		return false, nil
	}
	if e.closing() != 0 {
		if err := e.closeRows(ctx, c, eventRows, nil); err != nil {
			return false, err
		}
	}
	counts, err := s.DB.totals(ctx, c, e.seq)
	if err != nil {
		return false, err
	}
	for _, rows := range row.Open(counts) {
		if rows != 0 {
			return false, nil
		}
	}
	_, err = c.exec(ctx, noteRemoval, args{"event": e.seq, "now": e.now})
	return true, err
}

// noteRemoval stores that deliveries of an event are removed from now on.
const noteRemoval = "UPDATE events SET deliveries_removed_at = @now WHERE seq = @event"

// afterCursor is true for the deliveries of an event after the given one.
const afterCursor = `event_seq = @event
	AND (wave, channel, user_seq) > (@wave, @channel, @user)`

// endOfPiece selects the last of the next deliveries of an event, if there are so many.
const endOfPiece = `
SELECT wave, channel, user_seq
FROM deliveries
WHERE ` + afterCursor + `
ORDER BY wave, channel, user_seq
LIMIT 1 OFFSET @skip`

// deletePiece deletes the deliveries of an event up to the one that endOfPiece selected.
const deletePiece = `
DELETE FROM deliveries
WHERE ` + afterCursor + `
	AND (wave, channel, user_seq) <= (@last_wave, @last_channel, @last_user)`

// deleteRest deletes the last deliveries of an event.
const deleteRest = `
DELETE FROM deliveries
WHERE ` + afterCursor

// deleteBatches deletes batches of an event, up to a number.
const deleteBatches = `
DELETE FROM batches
WHERE (event_seq, wave, channel, seq) IN (
	SELECT event_seq, wave, channel, seq
	FROM batches
	WHERE event_seq = @event
	LIMIT @limit
)`

// deleteClaims deletes claims of an event that nobody recorded.
const deleteClaims = "DELETE FROM claims WHERE event_seq = @event"

// deleteHouseholdMessages deletes to whom messages of an event were sent for several people.
const deleteHouseholdMessages = "DELETE FROM household_messages WHERE event_seq = @event"

// noteRemoved stores that an event has no deliveries and no batches any more.
const noteRemoved = "UPDATE events SET deliveries_left = 0 WHERE seq = @event"

// removeEvents removes the oldest ended events whose deliveries and inbox items are gone.
func (Retention) removeEvents(ctx context.Context, c *conn, before time.Time, at ledger.RemovalCursor, limit int) (r ledger.Removed, err error) {
	r.Next = at
	events, n := []int64{}, 0
	err = c.each(ctx, findRemovable, args{"before": before.UnixMilli(), "ended_at": at.EndedAt.UnixMilli(), "event": at.Event, "limit": min(limit, eventsPerPiece)},
		func(scan func(...any) error) error {
			var ended sql.NullInt64
			var inInboxes bool
			if err := scan(&r.Next.Event, &ended, &inInboxes); err != nil {
				return err
			}
			r.Next.EndedAt = timeOf(ended)
			if n++; !inInboxes {
				events = append(events, r.Next.Event)
			}
			return nil
		})
	if err != nil {
		return r, err
	}
	if r.Rows, err = removePersonal(ctx, c, events, limit); err != nil || r.Rows == limit {
		r.Next = at // there may be more of it
		return r, err
	}
	r.Rows, r.Done = r.Rows+len(events), n < min(limit, eventsPerPiece)
	for _, event := range events {
		for _, statement := range deleteEvent {
			if _, err := c.exec(ctx, statement, args{"event": event}); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// findRemovable selects events without deliveries that ended before a time, and whether inboxes have them.
const findRemovable = `
SELECT e.seq, e.completed_at, EXISTS (SELECT 1 FROM chunks k WHERE k.event_seq = e.seq)
FROM events e
WHERE NOT e.deliveries_left
	AND e.completed_at < @before
	AND (e.completed_at, e.seq) > (@ended_at, @event)
ORDER BY e.completed_at, e.seq
LIMIT @limit`

// deleteEvent are the statements that delete an event, with what is left of it.
var deleteEvent = []string{
	"DELETE FROM totals WHERE event_seq = @event",
	"DELETE FROM waves WHERE event_seq = @event",
	"DELETE FROM digest_items WHERE event_seq = @event",
	"DELETE FROM digest_items WHERE digest_seq = @event",
	"DELETE FROM events WHERE seq = @event",
}
