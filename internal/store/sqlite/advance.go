package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// work is one batch in the hands of Advance.
type work struct {
	eventState
	channel     int
	batch       int
	first, last int64 // the users of the batch
	started     bool
	lease       int64
	alive       bool // the lease
	category    schoolbell.Category
}

// Deliveries implements ledger.Deliveries.
type Deliveries struct{ DB *DB }

// Advance implements ledger.Deliveries.
func (s Deliveries) Advance(ctx context.Context, lease ledger.Lease, batch ledger.Batch, outcomes []ledger.Outcome, claim int) (g ledger.Grant, err error) {
	err = s.DB.writeTogether(ctx, "advance batch", func(ctx context.Context, c *conn) error {
		g = ledger.Grant{}
		w, err := workOf(ctx, c, lease, batch)
		if err != nil {
			return err
		}
		if g.Lost, err = w.record(ctx, c, outcomes); err != nil {
			return fmt.Errorf("record outcomes: %w", err)
		}
		if closing := w.closing(); closing != 0 {
			if _, err := c.exec(ctx, closeRows+" AND channel = ?4 AND user_seq BETWEEN ?5 AND ?6", w.seq, closing, w.now, w.channel, w.first, w.last); err != nil {
				return fmt.Errorf("close rows: %w", err)
			}
			claim = 0
		}
		if g.LeaseEnded = !w.alive; g.LeaseEnded {
			claim = 0
		}
		if g.Recipients, err = w.claim(ctx, c, claim); err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		if len(g.Recipients) > 0 {
			return nil
		}
		return w.batchState(ctx, c, &g)
	})
	if err != nil {
		return ledger.Grant{}, err
	}
	return g, nil
}

func workOf(ctx context.Context, c *conn, lease ledger.Lease, b ledger.Batch) (*work, error) {
	w := work{channel: row.ChannelNumber(b.Channel), batch: b.Seq, lease: lease.ID}
	var ended bool
	err := c.get(ctx, `WITH clock(now) AS MATERIALIZED (SELECT `+now+`)
		SELECT now, e.seq, e.status, e.expires_at, e.category, b.first_user, b.last_user, b.started_at IS NOT NULL,
			EXISTS (SELECT 1 FROM leases WHERE id = ?4 AND expires_at > now), EXISTS (SELECT 1 FROM leases WHERE expires_at <= now)
		FROM clock CROSS JOIN events e JOIN batches b ON b.event_seq = e.seq
		WHERE e.id = ?1 AND b.channel = ?2 AND b.seq = ?3`, []any{b.EventID, w.channel, b.Seq, lease.ID},
		&w.now, &w.seq, &w.status, &w.expiresAt, &w.category, &w.first, &w.last, &w.started, &w.alive, &ended)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, row.NoBatch(b)
	case err != nil:
		return nil, err
	case ended: // the claim below asks only whether a lease is there
		_, err = c.exec(ctx, "DELETE FROM leases WHERE expires_at <= ?1", w.now)
	}
	return &w, err
}

// record stores outcomes of rows that the lease still holds and returns how many
// it does not. One statement a row: joining the table to a list makes SQLite walk
// the whole event.
func (w *work) record(ctx context.Context, c *conn, outcomes []ledger.Outcome) (lost int, err error) {
	for _, o := range outcomes {
		status, retryAt := row.StatusNumber(o.Status), sql.NullInt64{}
		switch {
		case o.Status != schoolbell.DeliveryPending:
		case w.closing() != 0:
			status = w.closing() // it will not be tried again
		case o.RetryIn > 0:
			retryAt = sql.NullInt64{Int64: w.now + o.RetryIn.Milliseconds(), Valid: true}
		}
		n, err := c.exec(ctx, recordRow, w.seq, w.channel, o.Seq, w.lease, w.now, status, o.Attempts, o.Uncertain, retryAt, row.Text(o.Reason), row.Text(o.ProviderID))
		if err != nil {
			return 0, err
		}
		lost += 1 - n
	}
	return lost, nil
}

// A row that an earlier or this try may have reached ends as uncertain instead
// of sent, cancelled or expired.
const recordRow = `UPDATE deliveries SET
		status = CASE WHEN (uncertain OR ?8) AND ?6 IN (2, 7, 8) THEN 6 ELSE ?6 END,
		attempts = ?7, uncertain = uncertain OR ?8, lease_id = NULL, retry_at = ?9,
		reason = nullif(?10, ''), provider_id = nullif(?11, ''), updated_at = ?5
	WHERE event_seq = ?1 AND channel = ?2 AND user_seq = ?3 AND status = 1 AND lease_id = ?4`

// claim takes up to n rows for the lease. Rows that may no longer be sent are
// ended on the way and do not count.
func (w *work) claim(ctx context.Context, c *conn, n int) ([]ledger.Recipient, error) {
	for n > 0 {
		found, err := w.claimable(ctx, c, n)
		if err != nil || len(found) == 0 {
			return nil, err
		}
		claimed, err := w.take(ctx, c, found)
		if err != nil || len(claimed) > 0 {
			return claimed, err
		}
	}
	return nil, nil
}

// candidate is a row that can be claimed, and why it may not be sent, if so.
type candidate struct {
	ledger.Recipient
	reason sql.NullString
}

const claimableRows = `SELECT d.user_seq, d.attempts, d.uncertain OR d.status = 1, u.id, u.name, u.email, u.phone, u.locale, u.timezone,
		CASE WHEN ` + noAddress + ` THEN 'no_address' WHEN ` + optedOut + ` THEN 'opted_out' END
	FROM deliveries d CROSS JOIN users u ON u.seq = d.user_seq
	WHERE d.event_seq = ?1 AND d.channel = ?2 AND d.user_seq BETWEEN ?4 AND ?5
		AND (d.status = 0 AND (d.retry_at IS NULL OR d.retry_at <= ?6) OR d.status = 1 AND d.lease_id NOT IN (SELECT id FROM leases))
	ORDER BY d.user_seq LIMIT ?7`

func (w *work) claimable(ctx context.Context, c *conn, n int) ([]candidate, error) {
	found := make([]candidate, 0, n)
	err := c.each(ctx, claimableRows, []any{w.seq, w.channel, optOutCategory(w.category), w.first, w.last, w.now, n}, func(scan func(...any) error) error {
		var d candidate
		err := scan(&d.Seq, &d.Attempts, &d.Uncertain, &d.UserID, &d.Name, &d.Email, &d.Phone, &d.Locale, &d.Timezone, &d.reason)
		found = append(found, d)
		return err
	})
	return found, err
}

// take moves the candidates: to the lease, or to suppressed.
func (w *work) take(ctx context.Context, c *conn, found []candidate) ([]ledger.Recipient, error) {
	claimed := make([]ledger.Recipient, 0, len(found))
	mine := make([]int64, 0, len(found))
	for _, d := range found {
		if !d.reason.Valid {
			claimed, mine = append(claimed, d.Recipient), append(mine, d.Seq)
			continue
		}
		if _, err := c.exec(ctx, suppressRow, w.seq, w.channel, d.Seq, w.now, d.reason.String); err != nil {
			return nil, err
		}
	}
	if len(claimed) == 0 {
		return nil, nil
	}
	if _, err := c.exec(ctx, claimRows, w.seq, w.channel, w.lease, w.now, jsonOf(mine)); err != nil {
		return nil, err
	}
	if !w.started {
		if _, err := c.exec(ctx, "UPDATE batches SET started_at = ?4 WHERE event_seq = ?1 AND channel = ?2 AND seq = ?3", w.seq, w.channel, w.batch, w.now); err != nil {
			return nil, err
		}
	}
	return claimed, nil
}

const (
	claimRows = `UPDATE deliveries SET uncertain = uncertain OR status = 1, status = 1, lease_id = ?3, retry_at = NULL, updated_at = ?4
		WHERE event_seq = ?1 AND channel = ?2 AND user_seq IN (SELECT value FROM json_each(?5))`

	suppressRow = `UPDATE deliveries SET status = CASE WHEN uncertain OR status = 1 THEN 6 ELSE 5 END, uncertain = uncertain OR status = 1,
			lease_id = NULL, retry_at = NULL, reason = ?5, updated_at = ?4
		WHERE event_seq = ?1 AND channel = ?2 AND user_seq = ?3`
)

// batchState says how the batch's rows stand, and marks the batch finished when all are terminal.
func (w *work) batchState(ctx context.Context, c *conn, g *ledger.Grant) error {
	next := int64(-1)
	err := c.each(ctx, `SELECT d.status, count(*), min(max(coalesce(CASE d.status WHEN 0 THEN d.retry_at WHEN 1 THEN l.expires_at END, 0) - ?5, 0))
			FROM deliveries d LEFT JOIN leases l ON d.status = 1 AND l.id = d.lease_id
			WHERE d.event_seq = ?1 AND d.channel = ?2 AND d.user_seq BETWEEN ?3 AND ?4 GROUP BY d.status`,
		[]any{w.seq, w.channel, w.first, w.last, w.now}, func(scan func(...any) error) error {
			var status, n int
			var in int64
			if err := scan(&status, &n, &in); err != nil {
				return err
			}
			g.Counts.Add(row.Status(status), n)
			switch status {
			case row.Pending:
				g.Pending = n
			case row.Sending:
				g.Sending = n
			default:
				return nil
			}
			if next < 0 || in < next {
				next = in
			}
			return nil
		})
	if err != nil {
		return fmt.Errorf("count rows: %w", err)
	}
	g.NextIn = duration(max(next, 0))
	if g.Finished = g.Pending+g.Sending == 0; g.Finished {
		_, err = c.exec(ctx, "UPDATE batches SET finished_at = ?4 WHERE event_seq = ?1 AND channel = ?2 AND seq = ?3 AND finished_at IS NULL", w.seq, w.channel, w.batch, w.now)
	}
	return err
}
