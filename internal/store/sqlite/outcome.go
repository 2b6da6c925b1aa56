package sqlite

import (
	"context"
	"database/sql"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// eventState is where an event stands, as the moves of its deliveries need it.
type eventState struct {
	seq          int64
	status       schoolbell.EventStatus
	expiresAt    sql.NullInt64
	removed      bool  // its deliveries have been removed, or are being
	wasCancelled bool  // also if it is held now
	now          int64 // the database's clock
}

func (e *eventState) expired() bool { return e.expiresAt.Valid && e.expiresAt.Int64 <= e.now }

// closing returns the status that rows of the event get in place of being sent, 0 if they may be sent.
func (e *eventState) closing() int {
	switch {
	case e.status == schoolbell.EventCancelled:
		return row.Cancelled
	case e.expired():
		return row.Expired
	}
	return 0
}

// mayGoOn returns an error if nothing more is sent for the event.
func (e *eventState) mayGoOn() error {
	switch e.closing() {
	case row.Cancelled:
		return row.Conflict("the event is cancelled")
	case row.Expired:
		return row.Conflict("the event has expired")
	}
	switch {
	case e.status == schoolbell.EventHeld:
		return row.Held()
	case e.removed:
		return row.DeliveriesRemoved()
	}
	return nil
}

func eventStateOf(ctx context.Context, c *conn, id string) (*eventState, error) {
	var e eventState
	err := c.get(ctx, findEventState, args{"id": id},
		&e.seq, &e.status, &e.expiresAt, &e.removed, &e.wasCancelled, &e.now)
	return &e, orNotFound(err, "event", id)
}

// findEventState selects the state of an event, with the clock.
const findEventState = `
SELECT seq, status, expires_at, deliveries_removed_at IS NOT NULL, cancelled_at IS NOT NULL, ` + now + `
FROM events
WHERE id = @id`

// CancelEvent implements ledger.Events.
func (s Events) CancelEvent(ctx context.Context, id string) (ev *schoolbell.Event, err error) {
	err = s.DB.write(ctx, "cancel event", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		if err != nil {
			return err
		}
		switch e.status {
		case schoolbell.EventCompleted:
			return row.Conflict("the event is completed and cannot be cancelled")
		case schoolbell.EventCancelled:
		default:
			if err := cancel(ctx, c, e); err != nil {
				return err
			}
		}
		ev, err = getEvent(ctx, c, id)
		return err
	})
	return ev, err
}

// cancel cancels the event, and ends its waves and deliveries.
func cancel(ctx context.Context, c *conn, e *eventState) error {
	if err := e.end(ctx, c, schoolbell.EventCancelled); err != nil {
		return err
	}
	if _, err := c.exec(ctx, endWaves, args{"event": e.seq, "now": e.now}); err != nil {
		return err
	}
	e.status = schoolbell.EventCancelled
	return e.closeRows(ctx, c, eventRows, nil)
}

// end stores the terminal status of the event.
func (e *eventState) end(ctx context.Context, c *conn, status schoolbell.EventStatus) error {
	_, err := c.exec(ctx, endEvent, args{"event": e.seq, "status": string(status), "now": e.now})
	return err
}

// endEvent gives an event its terminal status.
var endEvent = row.SQL(`
UPDATE events
SET status = @status,
	completed_at = @now,
	cancelled_at = CASE WHEN @status = {event_cancelled} THEN coalesce(cancelled_at, @now) END
WHERE seq = @event`)

// endWaves finishes the waves of a cancelled event, also those that have not started. One that tells of a cancellation would be
// walked to its end otherwise: the event was cancelled before, and is cancelled again because it was held.
var endWaves = row.SQL(`
UPDATE waves
SET finished_at = @now,
	walked = walked OR notice = {notice_cancelled}
WHERE event_seq = @event
	AND finished_at IS NULL`)

// RetryFailed implements ledger.Events.
func (s Events) RetryFailed(ctx context.Context, id string, only schoolbell.RetryFilter) (rows int, err error) {
	err = s.DB.write(ctx, "retry failed deliveries", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		if err != nil {
			return err
		}
		if err := e.mayGoOn(); err != nil {
			return err
		}
		going, err := e.going(ctx, c)
		switch {
		case err != nil:
			return err
		case going.unwalked > 0:
			return row.Conflict("the event's audience is still being walked")
		}
		a := args{"event": e.seq, "channel": nil, "reasons": jsonOf(only.Reasons), "any_reason": only.Reasons == nil}
		if only.Channel != "" {
			if a["channel"], err = s.DB.channels.asked(ctx, c, "channel", only.Channel); err != nil {
				return err
			}
		}
		for _, query := range []string{reopenBatches, countRetried} {
			if _, err := c.exec(ctx, query, a); err != nil {
				return err
			}
		}
		a["now"] = e.now
		if rows, err = c.exec(ctx, retryRows, a); err != nil || rows == 0 {
			return err
		}
		for _, query := range []string{reopenWaves, reopenEvent} {
			if _, err := c.exec(ctx, query, args{"event": e.seq}); err != nil {
				return err
			}
		}
		return nil
	})
	return rows, err
}

// reopenBatches makes the event's finished batches unfinished that have rows to retry.
var reopenBatches = row.SQL(`
UPDATE batches
SET finished_at = NULL
WHERE event_seq = @event
	AND finished_at IS NOT NULL
	AND EXISTS (
		SELECT 1
		FROM deliveries d
		WHERE d.event_seq = @event
			AND d.wave = batches.wave
			AND d.channel = batches.channel
			AND d.user_seq BETWEEN batches.first_user AND batches.last_user
			AND ` + retried + `
	)`)

// retried says that RetryFailed sends a row of deliveries again: it has failed or bounced, and is on the channel and has
// one of the reasons that were asked for.
const retried = `(status = {failed} OR status IN ({sent}, {uncertain}) AND outcome = {outcome_bounced})
	AND channel = coalesce(@channel, channel)
	AND (@any_reason OR coalesce(reason, '') IN (SELECT value FROM json_each(@reasons)))`

// countRetried moves the event's rows to retry to the totals of pending ones.
var countRetried = row.SQL(moveTotals("event_seq = @event AND "+retried, "{pending}", "0"))

// reopenWaves makes the event's waves unfinished that have batches to work again.
const reopenWaves = `
UPDATE waves
SET finished_at = NULL
WHERE event_seq = @event
	AND finished_at IS NOT NULL
	AND EXISTS (
		SELECT 1
		FROM batches b
		WHERE b.event_seq = @event
			AND b.wave = waves.n
			AND b.finished_at IS NULL
	)`

// retryRows makes the event's rows to retry pending, with all their attempts before them.
var retryRows = row.SQL(`
UPDATE deliveries
SET status = {pending},
	outcome = 0,
	attempts = 0,
	retry_at = NULL,
	reason = NULL,
	provider_id = NULL,
	updated_at = @now
WHERE event_seq = @event
	AND ` + retried)

// reopenEvent makes a completed event processing.
var reopenEvent = row.SQL(`
UPDATE events
SET status = {event_processing},
	completed_at = NULL
WHERE seq = @event
	AND status = {event_completed}`)
