package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// work is the batch that Advance works on.
type work struct {
	eventState
	wave        int
	channel     int
	batch       int
	first, last int64 // the users of the batch
	started     bool
	lease       int64
	alive       bool // the lease
	category    schoolbell.Category
	addressed   bool // the channel
	every       bool // it uses every address
}

// Deliveries implements ledger.Deliveries.
type Deliveries struct{ DB *DB }

// Advance implements ledger.Deliveries.
func (s Deliveries) Advance(ctx context.Context, lease ledger.Lease, batch ledger.Batch, attempts []ledger.Attempt, claim int) (g ledger.Grant, err error) {
	err = s.DB.writeTogether(ctx, "advance batch", func(ctx context.Context, c *conn) error {
		g = ledger.Grant{}
		w, err := s.workOf(ctx, c, lease, batch)
		if err != nil {
			return err
		}
		if g.Lost, err = w.record(ctx, c, attempts); err != nil {
			return fmt.Errorf("record attempts: %w", err)
		}
		if closing := w.closing(); closing != 0 {
			a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "first": w.first, "last": w.last, "status": closing, "now": w.now}
			if _, err := c.exec(ctx, closeBatchRows, a); err != nil {
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

func (s Deliveries) workOf(ctx context.Context, c *conn, lease ledger.Lease, b ledger.Batch) (*work, error) {
	channel, _, err := s.DB.channels.number(ctx, c, b.Channel) // 0 for an unknown one, which no batch has
	if err != nil {
		return nil, err
	}
	w := work{wave: b.Wave, channel: channel, batch: b.Seq, lease: lease.ID}
	var ended bool
	err = c.get(ctx, findWork, args{"event_id": b.EventID, "wave": b.Wave, "channel": channel, "batch": b.Seq, "lease": lease.ID},
		&w.now, &w.seq, &w.status, &w.expiresAt, &w.category, &w.addressed, &w.every, &w.first, &w.last, &w.started, &w.alive, &ended)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, row.NoBatch(b)
	case err != nil:
		return nil, err
	case ended: // claimableRows asks only whether a lease exists
		_, err = c.exec(ctx, "DELETE FROM leases WHERE expires_at <= @now", args{"now": w.now})
	}
	return &w, err
}

// findWork selects the batch with its channel and the state of its event, whether its lease is alive, and
// whether any lease has ended. One reading of the clock serves the whole transaction.
const findWork = `
WITH clock(now) AS MATERIALIZED (SELECT ` + now + `)
SELECT now, e.seq, e.status, e.expires_at, e.category, h.addressed, h.every_address, b.first_user, b.last_user, b.started_at IS NOT NULL,
	EXISTS (SELECT 1 FROM leases WHERE id = @lease AND expires_at > now),
	EXISTS (SELECT 1 FROM leases WHERE expires_at <= now)
FROM clock
CROSS JOIN events e
JOIN batches b ON b.event_seq = e.seq
JOIN channels h ON h.id = b.channel
WHERE e.id = @event_id
	AND b.wave = @wave
	AND b.channel = @channel
	AND b.seq = @batch`

// record stores the attempts of rows that the lease still holds and returns how many
// rows it no longer holds. It runs one statement for each row: if the table were joined
// to a list, SQLite would walk the whole event.
func (w *work) record(ctx context.Context, c *conn, attempts []ledger.Attempt) (lost int, err error) {
	a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "lease": w.lease, "now": w.now}
	for _, t := range attempts {
		status, retryAt := row.StatusNumber(t.Status), sql.NullInt64{}
		switch {
		case t.Status != schoolbell.DeliveryPending:
		case w.closing() != 0:
			status = w.closing() // it will not be tried again
		case t.RetryIn > 0:
			retryAt = sql.NullInt64{Int64: w.now + t.RetryIn.Milliseconds(), Valid: true}
		}
		a["user"], a["status"], a["attempts"], a["uncertain"], a["retry_at"] = t.Seq, status, t.Spent, t.Uncertain, retryAt
		a["reason"], a["provider_id"] = row.Text(t.Reason), row.Text(t.ProviderID)
		n, err := c.exec(ctx, recordRow, a)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			lost++
			continue
		}
		if err := w.changeAddresses(ctx, c, t); err != nil {
			return 0, err
		}
	}
	return lost, nil
}

// changeAddresses stores what an attempt found out about addresses of its user.
func (w *work) changeAddresses(ctx context.Context, c *conn, t ledger.Attempt) error {
	for _, change := range t.Addresses {
		_, err := c.exec(ctx, addressFails, args{"user": t.Seq, "channel": w.channel, "address": row.Text(change.Address), "now": w.now,
			"state": row.StateNumber(change.State), "reason": row.Text(change.Reason)})
		if err != nil {
			return err
		}
	}
	return nil
}

// recordRow stores the attempt of one row that the lease holds. If this or an earlier
// attempt may have reached the recipient, the row ends as uncertain instead of sent,
// cancelled or expired.
var recordRow = row.SQL(`
UPDATE deliveries
SET status = CASE
		WHEN (uncertain OR @uncertain) AND @status IN ({sent}, {cancelled}, {expired}) THEN {uncertain}
		ELSE @status
	END,
	attempts = @attempts,
	uncertain = uncertain OR @uncertain,
	lease_id = NULL,
	retry_at = @retry_at,
	reason = nullif(@reason, ''),
	provider_id = nullif(@provider_id, ''),
	updated_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq = @user
	AND status = {sending}
	AND lease_id = @lease`)

// claim claims up to n rows for the lease. Rows that must not be sent any more end
// as suppressed and do not count.
func (w *work) claim(ctx context.Context, c *conn, n int) ([]ledger.Recipient, error) {
	for n > 0 {
		found, err := w.claimable(ctx, c, n)
		if err != nil || len(found) == 0 {
			return nil, err
		}
		claimed, err := w.claimOrSuppress(ctx, c, found)
		if err != nil || len(claimed) > 0 {
			return claimed, err
		}
	}
	return nil, nil
}

// candidate is a claimable row. reason says why it must be suppressed, if it must.
type candidate struct {
	ledger.Recipient
	reason sql.NullString
}

func (w *work) claimable(ctx context.Context, c *conn, n int) ([]candidate, error) {
	found := make([]candidate, 0, n)
	a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "first": w.first, "last": w.last,
		"category": string(w.category), "now": w.now, "limit": n}
	query := claimableRows
	if w.every {
		query = claimableToEvery
	}
	err := c.each(ctx, query, a, func(scan func(...any) error) error {
		var d candidate
		var addresses sql.NullString
		err := scan(&d.Seq, &d.Attempts, &d.Uncertain, &d.UserID, &d.Name, &d.Locale, &d.Timezone, &d.reason, &addresses)
		switch {
		case err != nil:
			return err
		case w.addressed && addresses.Valid && w.every:
			err = json.Unmarshal([]byte(addresses.String), &d.Addresses)
		case w.addressed && addresses.Valid:
			d.Addresses = []string{addresses.String}
		}
		found = append(found, d)
		return err
	})
	return found, err
}

// claimableRows selects the batch's rows that can be claimed, with their users and their
// first usable addresses: pending ones that are due, and sending ones whose lease has ended.
var claimableRows = row.SQL(selectClaimable + unreachable("d.user_seq") + ", " + usableAddress("d.user_seq") + fromClaimable)

// claimableToEvery does the same, with all usable addresses.
var claimableToEvery = row.SQL(selectClaimable + unreachable("d.user_seq") + ", " + usableAddresses("d.user_seq") + fromClaimable)

// selectClaimable is the beginning of claimableRows. Why a row must be suppressed, and the addresses, follow.
const selectClaimable = `
SELECT d.user_seq, d.attempts, d.uncertain OR d.status = {sending},
	u.id, u.name, u.locale, u.timezone, `

// fromClaimable is the end of claimableRows.
const fromClaimable = `
FROM deliveries d
CROSS JOIN users u ON u.seq = d.user_seq
WHERE d.event_seq = @event
	AND d.wave = @wave
	AND d.channel = @channel
	AND d.user_seq BETWEEN @first AND @last
	AND (
		d.status = {pending} AND (d.retry_at IS NULL OR d.retry_at <= @now)
		OR d.status = {sending} AND d.lease_id NOT IN (SELECT id FROM leases)
	)
ORDER BY d.user_seq
LIMIT @limit`

// claimOrSuppress claims the candidates for the lease, or ends them as suppressed.
func (w *work) claimOrSuppress(ctx context.Context, c *conn, found []candidate) ([]ledger.Recipient, error) {
	claimed := make([]ledger.Recipient, 0, len(found))
	users := make([]int64, 0, len(found))
	for _, d := range found {
		if !d.reason.Valid {
			claimed, users = append(claimed, d.Recipient), append(users, d.Seq)
			continue
		}
		_, err := c.exec(ctx, suppressRow, args{"event": w.seq, "wave": w.wave, "channel": w.channel, "user": d.Seq, "reason": d.reason.String, "now": w.now})
		if err != nil {
			return nil, err
		}
	}
	if len(claimed) == 0 {
		return nil, nil
	}
	_, err := c.exec(ctx, claimRows, args{"event": w.seq, "wave": w.wave, "channel": w.channel, "users": jsonOf(users), "lease": w.lease, "now": w.now})
	if err != nil {
		return nil, err
	}
	if !w.started {
		if _, err := c.exec(ctx, startBatch, args{"event": w.seq, "wave": w.wave, "channel": w.channel, "batch": w.batch, "now": w.now}); err != nil {
			return nil, err
		}
	}
	return claimed, nil
}

// claimRows claims rows for the lease. A row that was sending belonged to a lease that
// has ended, so its message may have been sent: it becomes uncertain.
var claimRows = row.SQL(`
UPDATE deliveries
SET uncertain = uncertain OR status = {sending},
	status = {sending},
	lease_id = @lease,
	retry_at = NULL,
	updated_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq IN (SELECT value FROM json_each(@users))`)

// suppressRow ends a row that must not be sent any more. If an earlier attempt may have
// reached the recipient, it ends as uncertain.
var suppressRow = row.SQL(`
UPDATE deliveries
SET status = CASE WHEN uncertain OR status = {sending} THEN {uncertain} ELSE {suppressed} END,
	uncertain = uncertain OR status = {sending},
	lease_id = NULL,
	retry_at = NULL,
	reason = @reason,
	updated_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq = @user`)

// startBatch marks a batch as started by its first claim.
const startBatch = `
UPDATE batches
SET started_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND seq = @batch`

// batchState counts the batch's rows by status and outcome, and marks the batch finished when all are terminal.
func (w *work) batchState(ctx context.Context, c *conn, g *ledger.Grant) error {
	next := int64(-1)
	a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "first": w.first, "last": w.last, "now": w.now}
	err := c.each(ctx, countBatchRows, a, func(scan func(...any) error) error {
		var status, outcome, n int
		var in int64
		if err := scan(&status, &outcome, &n, &in); err != nil {
			return err
		}
		g.Counts.Add(row.Status(status), row.Outcome(outcome), n)
		switch status {
		case row.Pending:
			g.Pending += n
		case row.Sending:
			g.Sending += n
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
		_, err = c.exec(ctx, finishBatch, args{"event": w.seq, "wave": w.wave, "channel": w.channel, "batch": w.batch, "now": w.now})
	}
	return err
}

// countBatchRows counts the batch's rows by status and outcome, and says in how many milliseconds the
// first row of each status can be claimed: pending ones at retry_at, sending ones when
// their lease ends.
var countBatchRows = row.SQL(`
SELECT d.status,
	d.outcome,
	count(*),
	min(max(coalesce(CASE d.status WHEN {pending} THEN d.retry_at WHEN {sending} THEN l.expires_at END, 0) - @now, 0))
FROM deliveries d
LEFT JOIN leases l ON d.status = {sending} AND l.id = d.lease_id
WHERE d.event_seq = @event
	AND d.wave = @wave
	AND d.channel = @channel
	AND d.user_seq BETWEEN @first AND @last
GROUP BY d.status, d.outcome`)

// finishBatch marks a batch as finished.
const finishBatch = `
UPDATE batches
SET finished_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND seq = @batch
	AND finished_at IS NULL`
