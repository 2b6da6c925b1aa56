package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// eventState is where an event stands, as the moves of its deliveries need it.
type eventState struct {
	seq     int64
	status  schoolbell.EventStatus
	walked  bool
	expired bool
}

// closing returns the status that rows of the event get in place of being sent, 0 if they may be sent.
func (e *eventState) closing() int {
	switch {
	case e.status == schoolbell.EventCancelled:
		return row.Cancelled
	case e.expired:
		return row.Expired
	}
	return 0
}

const eventStateQuery = "SELECT seq, status, walked, coalesce(expires_at <= clock_timestamp(), false) FROM events WHERE id = $1"

func eventStateOf(ctx context.Context, tx pgx.Tx, query, id string) (*eventState, error) {
	var e eventState
	err := tx.QueryRow(ctx, query, id).Scan(&e.seq, &e.status, &e.walked, &e.expired)
	return &e, orNotFound(err, "event", id)
}

// lockEvent returns where the event stands and keeps others from moving it until the
// transaction ends.
func lockEvent(ctx context.Context, tx pgx.Tx, id string) (*eventState, error) {
	return eventStateOf(ctx, tx, eventStateQuery+" FOR UPDATE", id)
}

// sweepLeases deletes the leases that have ended, save those that somebody else
// is renewing or deleting at this moment: only then may their rows be taken.
const sweepLeases = `DELETE FROM leases WHERE id IN (SELECT id FROM leases WHERE expires_at <= clock_timestamp() FOR UPDATE SKIP LOCKED)`

// closeRows ends the rows of a closed event that nobody holds: pending ones, and
// sending ones whose lease is gone. One that an earlier try may have reached is
// uncertain: to call it cancelled would hide that. As for goneInBatch, the leases that
// are gone are listed apart.
const closeRows = `UPDATE deliveries d SET
		status = CASE WHEN uncertain OR status = 1 THEN 6 ELSE $2 END,
		uncertain = uncertain OR status = 1, lease_id = NULL, retry_at = NULL, updated_at = ` + now + `
	WHERE event_seq = $1 AND (status = 0 OR status = 1 AND lease_id = ANY(ARRAY(
		SELECT h.lease_id FROM deliveries h WHERE h.event_seq = $1 AND h.status = 1 AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.id = h.lease_id))))`

func closeEventRows(ctx context.Context, tx pgx.Tx, event int64, closing int) error {
	if _, err := tx.Exec(ctx, sweepLeases); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, closeRows, event, closing)
	return err
}

// Progress implements ledger.Events.
func (s Events) Progress(ctx context.Context, id string) (schoolbell.Progress, error) {
	return readProgress(ctx, s.DB, id)
}

// readProgress counts an event's deliveries in a transaction of its own.
func readProgress(ctx context.Context, db *DB, id string) (p schoolbell.Progress, err error) {
	err = db.read(ctx, "count deliveries", func(tx pgx.Tx) error {
		e, err := eventStateOf(ctx, tx, eventStateQuery, id)
		if err != nil {
			return err
		}
		p, err = progress(ctx, tx, e)
		return err
	})
	return p, err
}

func progress(ctx context.Context, tx pgx.Tx, e *eventState) (schoolbell.Progress, error) {
	rows, err := tx.Query(ctx, "SELECT channel, status, count(*) FROM deliveries WHERE event_seq = $1 GROUP BY channel, status", e.seq)
	counts, err := list(rows, err, pgx.RowToStructByPos[row.Count])
	return row.Progress(counts, e.walked || e.status.Terminal()), err
}

// CancelEvent implements ledger.Events.
func (s Events) CancelEvent(ctx context.Context, id string) (ev *schoolbell.Event, err error) {
	err = s.DB.write(ctx, "cancel event", func(tx pgx.Tx) error {
		e, err := lockEvent(ctx, tx, id)
		if err != nil {
			return err
		}
		switch e.status {
		case schoolbell.EventCompleted:
			return row.Conflict("the event is completed and cannot be cancelled")
		case schoolbell.EventCancelled:
		default:
			if _, err := tx.Exec(ctx, "UPDATE events SET status = 'cancelled', completed_at = "+now+" WHERE seq = $1", e.seq); err != nil {
				return err
			}
			if err := closeEventRows(ctx, tx, e.seq, row.Cancelled); err != nil {
				return err
			}
		}
		ev, err = getEvent(ctx, tx, id)
		return err
	})
	return ev, err
}

// RetryFailed implements ledger.Events.
func (s Events) RetryFailed(ctx context.Context, id string) (rows int, err error) {
	err = s.DB.write(ctx, "retry failed deliveries", func(tx pgx.Tx) error {
		e, err := lockEvent(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case e.status == schoolbell.EventCancelled:
			return row.Conflict("the event is cancelled")
		case e.expired:
			return row.Conflict("the event has expired")
		case !e.walked:
			return row.Conflict("the event's audience is still being walked")
		}
		for _, query := range []string{lockBatches, reopenBatches} {
			if _, err := tx.Exec(ctx, query, e.seq); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, retryRows, e.seq)
		if rows = int(tag.RowsAffected()); err != nil || rows == 0 {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE events SET status = 'processing', completed_at = NULL WHERE seq = $1 AND status = 'completed'", e.seq)
		return err
	})
	return rows, err
}

const (
	// A batch must not be found finished between the reopening and the rows' new
	// life: who marks one finished locks it first.
	lockBatches = "SELECT 1 FROM batches WHERE event_seq = $1 ORDER BY channel, seq FOR UPDATE"

	reopenBatches = `UPDATE batches b SET started_at = NULL, finished_at = NULL WHERE event_seq = $1 AND finished_at IS NOT NULL
		AND EXISTS (SELECT 1 FROM deliveries d WHERE d.event_seq = $1 AND d.channel = b.channel
			AND d.user_seq BETWEEN b.first_user AND b.last_user AND d.status = 4)`

	retryRows = `UPDATE deliveries SET status = 0, attempts = 0, retry_at = NULL, reason = NULL, provider_id = NULL, updated_at = ` + now + `
		WHERE event_seq = $1 AND status = 4`
)

// FinishEvent implements ledger.Events.
func (s Events) FinishEvent(ctx context.Context, id string) (sum ledger.Summary, err error) {
	err = s.DB.write(ctx, "finish event", func(tx pgx.Tx) error {
		e, err := lockEvent(ctx, tx, id)
		if err != nil {
			return err
		}
		if closing := e.closing(); closing != 0 && e.status != schoolbell.EventCompleted {
			if err := closeEventRows(ctx, tx, e.seq, closing); err != nil {
				return err
			}
		}
		p, err := progress(ctx, tx, e)
		if err != nil {
			return err
		}
		if e.walked && !e.status.Terminal() && p.Done == p.Total {
			e.status = schoolbell.EventCompleted
			if _, err := tx.Exec(ctx, "UPDATE events SET status = 'completed', completed_at = "+now+" WHERE seq = $1", e.seq); err != nil {
				return err
			}
		}
		sum = ledger.Summary{EventID: id, Status: e.status, Progress: p}
		return nil
	})
	return sum, err
}
