package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// eventsPerPiece is the maximum number of events that one transaction locks.
const eventsPerPiece = 100

// endedEvent is an event whose deliveries are removed.
type endedEvent struct {
	eventState
	endedAt time.Time
	open    bool // a wave is not finished
}

// removeDeliveries removes deliveries of the oldest ended events, up to limit, and then their batches.
func removeDeliveries(ctx context.Context, tx pgx.Tx, before time.Time, at ledger.RemovalCursor, limit int) (r ledger.Removed, err error) {
	r.Next = at
	for visited := 0; r.Rows < limit && visited < eventsPerPiece; visited++ {
		e, err := nextEnded(ctx, tx, before, r.Next)
		if noRows(err) {
			r.Done = true
			return r, nil
		}
		if err != nil {
			return r, err
		}
		if e.seq != r.Next.Event {
			r.Next = ledger.RemovalCursor{EndedAt: e.endedAt, Event: e.seq}
		}
		left, err := e.removeRows(ctx, tx, &r, limit-r.Rows)
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

func nextEnded(ctx context.Context, tx pgx.Tx, before time.Time, at ledger.RemovalCursor) (*endedEvent, error) {
	var e endedEvent
	err := tx.QueryRow(ctx, lockEnded, named{"before": before, "ended_at": stored(at.EndedAt), "event": at.Event}).
		Scan(&e.seq, &e.status, &e.expired, &e.removed, &e.open, &e.endedAt)
	return &e, err
}

// lockEnded selects the event that ended first of those that have deliveries, from @event on, and keeps others
// from changing it. One that another transaction changes at this moment is left out.
const lockEnded = `
	SELECT e.seq, e.status, coalesce(e.expires_at <= clock_timestamp(), false), e.deliveries_removed_at IS NOT NULL,
		EXISTS (SELECT 1 FROM waves w WHERE w.event_seq = e.seq AND w.finished_at IS NULL), e.completed_at
	FROM events e
	WHERE e.deliveries_left AND e.completed_at < @before
		AND (e.completed_at, e.seq) >= (coalesce(@ended_at, '-infinity'::timestamptz), @event::bigint)
	ORDER BY e.completed_at, e.seq
	LIMIT 1
	FOR UPDATE OF e SKIP LOCKED`

// removeRows removes deliveries of the event after the cursor, up to limit, and its batches once there are none.
// left means that there is more to remove.
func (e *endedEvent) removeRows(ctx context.Context, tx pgx.Tx, r *ledger.Removed, limit int) (left bool, err error) {
	if !e.removed {
		if ready, err := e.settle(ctx, tx); err != nil || !ready {
			return false, err
		}
	}
	from := named{"event": e.seq, "wave": r.Next.Wave, "channel": r.Next.Channel, "user": r.Next.User}
	next := r.Next
	err = tx.QueryRow(ctx, endOfPiece, from.with(named{"skip": limit - 1})).Scan(&next.Wave, &next.Channel, &next.User)
	if err == nil {
		r.Next = next
		tag, err := tx.Exec(ctx, deletePiece, from.with(named{"last_wave": next.Wave, "last_channel": next.Channel, "last_user": next.User}))
		r.Rows += int(tag.RowsAffected())
		return true, err
	}
	if !noRows(err) {
		return false, err
	}
	tag, err := tx.Exec(ctx, deleteRest, from)
	if err != nil {
		return false, err
	}
	r.Rows += int(tag.RowsAffected())
	tag, err = tx.Exec(ctx, deleteBatches, e.seq, limit)
	if err != nil || int(tag.RowsAffected()) == limit {
		return true, err
	}
	for _, statement := range []string{deleteClaims, deleteHouseholdMessages, noteRemoved} {
		if _, err := tx.Exec(ctx, statement, e.seq); err != nil {
			return false, err
		}
	}
	return false, nil
}

// settle makes the totals of an ended event final, and notes that its deliveries are removed from now on. It is
// not ready if it is not at its end: a wave is not finished, or a worker holds one of its deliveries.
func (e *endedEvent) settle(ctx context.Context, tx pgx.Tx) (ready bool, err error) {
	if e.open {
		return false, nil
	}
	if closing := e.closing(); closing != row.Pending {
		err = closeEventRows(ctx, tx, e.seq, closing)
	} else {
		_, err = tx.Exec(ctx, endWork, e.seq)
	}
	if err != nil {
		return false, err
	}
	_, open, err := progress(ctx, tx, &e.eventState)
	if err != nil {
		return false, err
	}
	for _, rows := range open {
		if rows != 0 {
			return false, nil
		}
	}
	_, err = tx.Exec(ctx, noteRemoval, e.seq)
	return true, err
}

// noteRemoval stores that deliveries of an event are removed from now on.
const noteRemoval = "UPDATE events SET deliveries_removed_at = " + now + " WHERE seq = $1"

// afterCursor is true for the deliveries of an event after the given one.
const afterCursor = `event_seq = @event AND (wave, channel, user_seq) > (@wave::smallint, @channel::smallint, @user::bigint)`

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
		AND (wave, channel, user_seq) <= (@last_wave::smallint, @last_channel::smallint, @last_user::bigint)`

// deleteRest deletes the last deliveries of an event.
const deleteRest = "DELETE FROM deliveries WHERE " + afterCursor

// deleteBatches deletes batches of an event, up to a number.
const deleteBatches = `
	DELETE FROM batches
	WHERE ctid = ANY (ARRAY(SELECT ctid FROM batches WHERE event_seq = $1 LIMIT $2))`

// deleteClaims deletes claims of an event that nobody recorded.
const deleteClaims = "DELETE FROM claims WHERE event_seq = $1"

// deleteHouseholdMessages deletes to whom messages of an event were sent for several people.
const deleteHouseholdMessages = "DELETE FROM household_messages WHERE event_seq = $1"

// noteRemoved stores that an event has no deliveries and no batches any more.
const noteRemoved = "UPDATE events SET deliveries_left = false WHERE seq = $1"

// removeEvents removes the oldest ended events whose deliveries and inbox items are gone.
func removeEvents(ctx context.Context, tx pgx.Tx, before time.Time, at ledger.RemovalCursor, limit int) (r ledger.Removed, err error) {
	r.Next = at
	rows, err := tx.Query(ctx, lockRemovable, named{"before": before, "ended_at": stored(at.EndedAt), "event": at.Event, "limit": min(limit, eventsPerPiece)})
	if err != nil {
		return r, err
	}
	var events []int64
	var seq int64
	var endedAt time.Time
	var inInboxes bool
	n := 0
	if _, err := pgx.ForEachRow(rows, []any{&seq, &endedAt, &inInboxes}, func() error {
		if n++; !inInboxes {
			events = append(events, seq)
		}
		r.Next = ledger.RemovalCursor{EndedAt: endedAt, Event: seq}
		return nil
	}); err != nil {
		return r, err
	}
	if r.Rows, err = removePersonal(ctx, tx, events, limit); err != nil || r.Rows == limit {
		r.Next = at // there may be more of it
		return r, err
	}
	r.Rows, r.Done = r.Rows+len(events), n < min(limit, eventsPerPiece)
	for _, statement := range deleteEvents {
		if _, err := tx.Exec(ctx, statement, events); err != nil {
			return r, err
		}
	}
	return r, nil
}

// lockRemovable selects events without deliveries that ended before a time, and whether inboxes have them.
const lockRemovable = `
	SELECT e.seq, e.completed_at, EXISTS (SELECT 1 FROM chunks k WHERE k.event_seq = e.seq)
	FROM events e
	WHERE NOT e.deliveries_left AND e.completed_at < @before
		AND (e.completed_at, e.seq) > (coalesce(@ended_at, '-infinity'::timestamptz), @event::bigint)
	ORDER BY e.completed_at, e.seq
	LIMIT @limit
	FOR UPDATE OF e SKIP LOCKED`

// deleteEvents are the statements that delete events, with what is left of them.
var deleteEvents = []string{
	"DELETE FROM totals WHERE event_seq = ANY ($1)",
	"DELETE FROM waves WHERE event_seq = ANY ($1)",
	"DELETE FROM digest_items WHERE event_seq = ANY ($1)",
	"DELETE FROM digest_items WHERE digest_seq = ANY ($1)",
	"DELETE FROM events WHERE seq = ANY ($1)",
}
