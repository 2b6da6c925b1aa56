package sqlite

import (
	"context"
	"database/sql"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// eventState is where an event stands, as the moves of its deliveries need it.
type eventState struct {
	seq       int64
	status    schoolbell.EventStatus
	walked    bool
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

func eventStateOf(ctx context.Context, c *conn, id string) (*eventState, error) {
	var e eventState
	err := c.get(ctx, findEventState, args{"id": id},
		&e.seq, &e.status, &e.walked, &e.expiresAt, &e.now)
	return &e, orNotFound(err, "event", id)
}

// findEventState selects the state of an event, with the clock.
const findEventState = `
SELECT seq, status, walked, expires_at, ` + now + `
FROM events
WHERE id = @id`

// closeDeliveries ends the rows of the event that no live lease holds.
func (e *eventState) closeDeliveries(ctx context.Context, c *conn, status int) error {
	_, err := c.exec(ctx, closeRows, args{"event": e.seq, "status": status, "now": e.now})
	return err
}

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

// closeBatchRows does the same to the rows of one batch.
var closeBatchRows = closeRows + `
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
		p, err = progress(ctx, c, e)
		return err
	})
	return p, err
}

func progress(ctx context.Context, c *conn, e *eventState) (schoolbell.Progress, error) {
	var counts []row.Count
	err := c.each(ctx, countRows, args{"event": e.seq}, func(scan func(...any) error) error {
		var n row.Count
		err := scan(&n.Channel, &n.Status, &n.Rows)
		counts = append(counts, n)
		return err
	})
	return row.Progress(counts, e.walked || e.status.Terminal()), err
}

// countRows counts the deliveries of an event by channel and status.
const countRows = `
SELECT channel, status, count(*)
FROM deliveries
WHERE event_seq = @event
GROUP BY channel, status`

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
			if err := e.closeDeliveries(ctx, c, row.Cancelled); err != nil {
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

// RetryFailed implements ledger.Events.
func (s Events) RetryFailed(ctx context.Context, id string) (rows int, err error) {
	err = s.DB.write(ctx, "retry failed deliveries", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		switch {
		case err != nil:
			return err
		case e.status == schoolbell.EventCancelled:
			return row.Conflict("the event is cancelled")
		case e.expired():
			return row.Conflict("the event has expired")
		case !e.walked:
			return row.Conflict("the event's audience is still being walked")
		}
		if _, err := c.exec(ctx, reopenBatches, args{"event": e.seq}); err != nil {
			return err
		}
		if rows, err = c.exec(ctx, retryRows, args{"event": e.seq, "now": e.now}); err != nil || rows == 0 {
			return err
		}
		_, err = c.exec(ctx, reopenEvent, args{"event": e.seq})
		return err
	})
	return rows, err
}

// reopenBatches makes the event's finished batches that have failed rows look as if they had never started.
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
			AND d.channel = batches.channel
			AND d.user_seq BETWEEN batches.first_user AND batches.last_user
			AND d.status = {failed}
	)`)

// retryRows makes the event's failed rows pending, with all their attempts before them.
var retryRows = row.SQL(`
UPDATE deliveries
SET status = {pending},
	attempts = 0,
	retry_at = NULL,
	reason = NULL,
	provider_id = NULL,
	updated_at = @now
WHERE event_seq = @event
	AND status = {failed}`)

// reopenEvent makes a completed event processing.
var reopenEvent = row.SQL(`
UPDATE events
SET status = {event_processing},
	completed_at = NULL
WHERE seq = @event
	AND status = {event_completed}`)

// FinishEvent implements ledger.Events.
func (s Events) FinishEvent(ctx context.Context, id string) (sum ledger.Summary, err error) {
	err = s.DB.write(ctx, "finish event", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		if err != nil {
			return err
		}
		if closing := e.closing(); closing != 0 && e.status != schoolbell.EventCompleted {
			if err := e.closeDeliveries(ctx, c, closing); err != nil {
				return err
			}
		}
		p, err := progress(ctx, c, e)
		if err != nil {
			return err
		}
		if e.walked && !e.status.Terminal() && p.Done == p.Total {
			e.status = schoolbell.EventCompleted
			if err := e.end(ctx, c, e.status); err != nil {
				return err
			}
		}
		sum = ledger.Summary{EventID: id, Status: e.status, Progress: p}
		return nil
	})
	return sum, err
}
