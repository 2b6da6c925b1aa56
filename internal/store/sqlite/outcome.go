package sqlite

import (
	"context"
	"database/sql"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// eventState is where an event stands, as the moves of its deliveries need it.
type eventState struct {
	seq       int64
	status    schoolbell.EventStatus
	expiresAt sql.NullInt64
	now       int64 // the database's clock
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
	return nil
}

func eventStateOf(ctx context.Context, c *conn, id string) (*eventState, error) {
	var e eventState
	err := c.get(ctx, findEventState, args{"id": id},
		&e.seq, &e.status, &e.expiresAt, &e.now)
	return &e, orNotFound(err, "event", id)
}

// findEventState selects the state of an event, with the clock.
const findEventState = `
SELECT seq, status, expires_at, ` + now + `
FROM events
WHERE id = @id`

// closeRows ends the rows of a closed event that no live lease holds: pending ones, and
// sending ones whose lease has ended. If an earlier attempt may have reached the
// recipient, the row ends as uncertain: another status would hide that.
var closeRows = row.SQL(`
UPDATE deliveries
SET status = CASE WHEN uncertain OR status = {sending} THEN {uncertain} ELSE @status END,
	uncertain = uncertain OR status = {sending},
	lease_id = NULL,
	retry_at = NULL,
	updated_at = @now
WHERE event_seq = @event
	AND (
		status = {pending}
		OR status = {sending} AND lease_id NOT IN (SELECT id FROM leases WHERE expires_at > @now)
	)`)

// closeWaveRows does the same to the rows of one wave.
var closeWaveRows = closeRows + `
	AND wave = @wave`

// closeBatchRows does the same to the rows of one batch.
var closeBatchRows = closeWaveRows + `
	AND channel = @channel
	AND user_seq BETWEEN @first AND @last`

// Progress implements ledger.Events.
func (s Events) Progress(ctx context.Context, id string) (schoolbell.Progress, error) {
	return readProgress(ctx, s.DB, id)
}

// readProgress counts an event's deliveries in a transaction of its own.
func readProgress(ctx context.Context, db *DB, id string) (p schoolbell.Progress, err error) {
	err = db.read(ctx, "count deliveries", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		if err != nil {
			return err
		}
		counts, err := db.count(ctx, c, e.seq)
		if err != nil {
			return err
		}
		going, err := e.going(ctx, c)
		p = row.Progress(counts, e.status == schoolbell.EventCancelled || going.unwalked == 0)
		return err
	})
	return p, err
}

// count counts the deliveries of an event.
func (db *DB) count(ctx context.Context, c *conn, event int64) (counts []row.Count, err error) {
	err = c.each(ctx, countRows, args{"event": event}, func(scan func(...any) error) error {
		var n row.Count
		var channel int
		if err := scan(&n.Wave, &channel, &n.Status, &n.Outcome, &n.Rows); err != nil {
			return err
		}
		n.Channel, err = db.channels.name(ctx, c, channel)
		counts = append(counts, n)
		return err
	})
	return counts, err
}

// countRows counts the deliveries of an event by wave, channel, status and outcome.
const countRows = `
SELECT wave, channel, status, outcome, count(*)
FROM deliveries
WHERE event_seq = @event
GROUP BY wave, channel, status, outcome`

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
			if err := e.end(ctx, c, schoolbell.EventCancelled); err != nil {
				return err
			}
			if _, err := c.exec(ctx, endWaves, args{"event": e.seq, "now": e.now}); err != nil {
				return err
			}
			if _, err := c.exec(ctx, closeRows, args{"event": e.seq, "status": row.Cancelled, "now": e.now}); err != nil {
				return err
			}
		}
		ev, err = getEvent(ctx, c, id)
		return err
	})
	return ev, err
}

// end stores the terminal status of the event.
func (e *eventState) end(ctx context.Context, c *conn, status schoolbell.EventStatus) error {
	_, err := c.exec(ctx, endEvent, args{"event": e.seq, "status": string(status), "now": e.now})
	return err
}

// endEvent gives an event its terminal status.
const endEvent = `
UPDATE events
SET status = @status,
	completed_at = @now
WHERE seq = @event`

// endWaves finishes the waves of a cancelled event, also those that have not started.
const endWaves = `
UPDATE waves
SET finished_at = @now
WHERE event_seq = @event
	AND finished_at IS NULL`

// RetryFailed implements ledger.Events.
func (s Events) RetryFailed(ctx context.Context, id string) (rows int, err error) {
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
		for _, query := range []string{reopenBatches, reopenWaves} {
			if _, err := c.exec(ctx, query, args{"event": e.seq}); err != nil {
				return err
			}
		}
		if rows, err = c.exec(ctx, retryRows, args{"event": e.seq, "now": e.now}); err != nil || rows == 0 {
			return err
		}
		_, err = c.exec(ctx, reopenEvent, args{"event": e.seq})
		return err
	})
	return rows, err
}

// reopenBatches makes the event's finished batches that have rows to retry look as if they had never started.
var reopenBatches = row.SQL(`
UPDATE batches
SET started_at = NULL,
	finished_at = NULL
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

// retried says that RetryFailed sends a row of deliveries again: it has failed or bounced.
const retried = "(status = {failed} OR status IN ({sent}, {uncertain}) AND outcome = {outcome_bounced})"

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
