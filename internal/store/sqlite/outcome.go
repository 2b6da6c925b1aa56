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
	err := c.get(ctx, "SELECT seq, status, walked, expires_at, "+now+" FROM events WHERE id = ?1", []any{id},
		&e.seq, &e.status, &e.walked, &e.expiresAt, &e.now)
	return &e, orNotFound(err, "event", id)
}

// closeRows ends the rows of a closed event that nobody holds: pending ones, and
// sending ones whose lease has ended. One that an earlier try may have reached
// is uncertain: to call it cancelled would hide that.
const closeRows = `UPDATE deliveries SET
		status = CASE WHEN uncertain OR status = 1 THEN 6 ELSE ?2 END,
		uncertain = uncertain OR status = 1, lease_id = NULL, retry_at = NULL, updated_at = ?3
	WHERE event_seq = ?1 AND (status = 0 OR status = 1 AND lease_id NOT IN (SELECT id FROM leases WHERE expires_at > ?3))`

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
	err := c.each(ctx, "SELECT channel, status, count(*) FROM deliveries WHERE event_seq = ?1 GROUP BY channel, status", []any{e.seq},
		func(scan func(...any) error) error {
			var n row.Count
			err := scan(&n.Channel, &n.Status, &n.Rows)
			counts = append(counts, n)
			return err
		})
	return row.Progress(counts, e.walked || e.status.Terminal()), err
}

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
			if _, err := c.exec(ctx, "UPDATE events SET status = 'cancelled', completed_at = ?2 WHERE seq = ?1", e.seq, e.now); err != nil {
				return err
			}
			if _, err := c.exec(ctx, closeRows, e.seq, row.Cancelled, e.now); err != nil {
				return err
			}
		}
		ev, err = getEvent(ctx, c, id)
		return err
	})
	return ev, err
}

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
		if _, err := c.exec(ctx, reopenBatches, e.seq); err != nil {
			return err
		}
		if rows, err = c.exec(ctx, retryRows, e.seq, e.now); err != nil || rows == 0 {
			return err
		}
		_, err = c.exec(ctx, "UPDATE events SET status = 'processing', completed_at = NULL WHERE seq = ?1 AND status = 'completed'", e.seq)
		return err
	})
	return rows, err
}

const (
	reopenBatches = `UPDATE batches SET started_at = NULL, finished_at = NULL WHERE event_seq = ?1 AND finished_at IS NOT NULL
		AND EXISTS (SELECT 1 FROM deliveries d WHERE d.event_seq = ?1 AND d.channel = batches.channel
			AND d.user_seq BETWEEN batches.first_user AND batches.last_user AND d.status = 4)`

	retryRows = `UPDATE deliveries SET status = 0, attempts = 0, retry_at = NULL, reason = NULL, provider_id = NULL, updated_at = ?2
		WHERE event_seq = ?1 AND status = 4`
)

// FinishEvent implements ledger.Events.
func (s Events) FinishEvent(ctx context.Context, id string) (sum ledger.Summary, err error) {
	err = s.DB.write(ctx, "finish event", func(c *conn) error {
		e, err := eventStateOf(ctx, c, id)
		if err != nil {
			return err
		}
		if closing := e.closing(); closing != 0 && e.status != schoolbell.EventCompleted {
			if _, err := c.exec(ctx, closeRows, e.seq, closing, e.now); err != nil {
				return err
			}
		}
		p, err := progress(ctx, c, e)
		if err != nil {
			return err
		}
		if e.walked && !e.status.Terminal() && p.Done == p.Total {
			e.status = schoolbell.EventCompleted
			if _, err := c.exec(ctx, "UPDATE events SET status = 'completed', completed_at = ?2 WHERE seq = ?1", e.seq, e.now); err != nil {
				return err
			}
		}
		sum = ledger.Summary{EventID: id, Status: e.status, Progress: p}
		return nil
	})
	return sum, err
}
