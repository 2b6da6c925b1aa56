package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// work is the batch that Advance works on.
type work struct {
	waveState
	channel     int
	batch       int
	first, last int64 // the users of the batch
	unfinished  bool
	restored    bool // its wave: each row may have been sent before
	follows     bool // a row of it follows another one
	personal    bool // its wave: each recipient needs a message of their own
	shared      bool // the caller wants to know which addresses are shared
	revision    int  // of the event
	sent        int  // revision that the caller sends
	digest      bool // the event
	lease       int64
	hold        time.Duration // of rows whose lease has ended, see ledger.Step
	alive       bool          // the lease
	category    schoolbell.Category
	addressed   bool // the channel
	every       bool // it uses every address

	claims []*claim // of the batch
	moved  map[kind]int
}

// Deliveries implements ledger.Deliveries.
type Deliveries struct{ DB *DB }

// Advance implements ledger.Deliveries.
func (s Deliveries) Advance(ctx context.Context, steps []ledger.Step) (grants []ledger.Grant, err error) {
	err = s.DB.writeTogether(ctx, "advance batches", func(ctx context.Context, c *conn) error {
		grants, err = s.steps(ctx, c, steps)
		return err
	})
	if err != nil {
		return nil, err
	}
	return grants, nil
}

// steps does steps in the transaction of its caller.
func (s Deliveries) steps(ctx context.Context, c *conn, steps []ledger.Step) ([]ledger.Grant, error) {
	var grants []ledger.Grant
	for _, step := range steps {
		g, err := s.step(ctx, c, step)
		switch {
		case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
			g = ledger.Grant{Err: err}
		case err != nil:
			return nil, err
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// step does one step of Advance.
func (s Deliveries) step(ctx context.Context, c *conn, step ledger.Step) (g ledger.Grant, err error) {
	w, err := s.workOf(ctx, c, step.Lease, step.Batch)
	if err != nil {
		return g, err
	}
	w.hold, w.sent, w.shared = step.Hold, step.Revision, step.Shared
	if g, err = w.advance(ctx, c, step.Attempts, step.Claim); err != nil {
		return g, err
	}
	if err := addTotals(ctx, c, w.seq, w.wave, w.channel, w.moved); err != nil {
		return g, fmt.Errorf("add to totals: %w", err)
	}
	if len(g.Recipients) > 0 {
		return g, nil
	}
	err = w.batchState(ctx, c, &g)
	return g, err
}

// advance records, and then claims or ends rows. It notes in w.moved what that changes in the totals.
func (w *work) advance(ctx context.Context, c *conn, attempts []ledger.Attempt, claim int) (g ledger.Grant, err error) {
	if g.Lost, err = record(ctx, c, w, attempts); err != nil {
		return g, fmt.Errorf("record attempts: %w", err)
	}
	if err := follow(ctx, c, w, attempts); err != nil {
		return g, fmt.Errorf("record followers: %w", err)
	}
	if err := settleFollowers(ctx, c, w); err != nil {
		return g, fmt.Errorf("settle followers: %w", err)
	}
	g.LeaseEnded, g.Notice, g.Changed = !w.alive, w.notice, w.revision != w.sent
	closed := w.closing() != 0
	if !closed && (claim == 0 || g.LeaseEnded || g.Changed || w.status == schoolbell.EventHeld) {
		return g, nil
	}
	if err := awaitReceipts(ctx, c, w); err != nil {
		return g, fmt.Errorf("hold rows of lost workers: %w", err)
	}
	if w.claims, err = takeOver(ctx, c, w.claims, w.now); err != nil {
		return g, fmt.Errorf("take claims over: %w", err)
	}
	if closed {
		err = w.endRows(ctx, c, batchRows, args{"wave": w.wave, "channel": w.channel, "first": w.first, "last": w.last})
		return g, err
	}
	if g.Recipients, err = w.claim(ctx, c, claim); err != nil {
		return g, fmt.Errorf("claim: %w", err)
	}
	if w.digest && len(g.Recipients) > 0 {
		err = fillItems(ctx, c, w, g.Recipients)
	}
	return g, err
}

func (s Deliveries) workOf(ctx context.Context, c *conn, lease ledger.Lease, b ledger.Batch) (*work, error) {
	channel, _, err := s.DB.channels.number(ctx, c, b.Channel) // 0 for an unknown one, which no batch has
	if err != nil {
		return nil, err
	}
	w := work{waveState: waveState{wave: b.Wave}, channel: channel, batch: b.Seq, lease: lease.ID, moved: map[kind]int{}}
	err = c.get(ctx, findWork, args{"event_id": b.EventID, "wave": b.Wave, "channel": channel, "batch": b.Seq, "lease": lease.ID},
		&w.now, &w.seq, &w.status, &w.expiresAt, &w.category, &w.addressed, &w.every, &w.first, &w.last, &w.unfinished, &w.follows, &w.restored, &w.personal, &w.notice, &w.revision, &w.digest, &w.alive)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, row.NoBatch(b)
	case err != nil:
		return nil, err
	}
	w.claims, err = claimsOf(ctx, c, claimsOfBatch, args{"event": w.seq, "wave": w.wave, "channel": w.channel, "batch": w.batch})
	return &w, err
}

// findWork selects the batch with its channel and the state of its event, and whether its lease is alive. One
// reading of the clock serves the whole transaction.
var findWork = row.SQL(`
WITH clock(now) AS MATERIALIZED (SELECT ` + now + `)
SELECT now, e.seq, e.status, e.expires_at, e.category, h.addressed, h.every_address, b.first_user, b.last_user, b.finished_at IS NULL,
	b.follows, w.restored, w.only_if = {unacknowledged}, w.notice, e.revision, e.digest,
	EXISTS (SELECT 1 FROM leases WHERE id = @lease AND expires_at > now)
FROM clock
CROSS JOIN events e
CROSS JOIN batches b ON b.event_seq = e.seq
CROSS JOIN waves w ON w.event_seq = b.event_seq AND w.n = b.wave
CROSS JOIN channels h ON h.id = b.channel
WHERE e.id = @event_id
	AND b.wave = @wave
	AND b.channel = @channel
	AND b.seq = @batch`)

// move notes that rows change from one kind to another.
func (w *work) move(from, to kind, n int) {
	w.moved[from] -= n
	w.moved[to] += n
}

// claim claims up to n rows for the lease. Rows that must not be sent any more end
// as suppressed and do not count.
func (w *work) claim(ctx context.Context, c *conn, n int) ([]ledger.Recipient, error) {
	for {
		found, err := w.claimable(ctx, c, n)
		if err != nil || len(found) == 0 {
			return nil, err
		}
		claimed, err := w.claimOrSuppress(ctx, c, found)
		if err != nil || len(claimed) > 0 {
			return claimed, err
		}
	}
}

// claimOrSuppress claims the candidates for the lease, or ends them as suppressed.
func (w *work) claimOrSuppress(ctx context.Context, c *conn, found []candidate) ([]ledger.Recipient, error) {
	claimed := make([]ledger.Recipient, 0, len(found))
	users := make([]int64, 0, len(found))
	for _, d := range found {
		if !d.reason.Valid {
			d.Uncertain, d.Restored = d.Uncertain || w.restored, w.restored
			claimed, users = append(claimed, d.Recipient), append(users, d.Seq)
			continue
		}
		status := row.Suppressed
		if d.Uncertain { // an earlier attempt may have reached the recipient
			status = row.Uncertain
		}
		_, err := c.exec(ctx, suppressRow, args{"event": w.seq, "wave": w.wave, "channel": w.channel, "user": d.Seq,
			"status": status, "reason": d.reason.String, "now": w.now})
		if err != nil {
			return nil, err
		}
		w.move(kind{row.Pending, d.outcome}, kind{status, d.outcome}, 1)
		if d.reason.String == schoolbell.ReasonInDigest && status == row.Suppressed {
			if _, err := c.exec(ctx, addItem, args{"event": w.seq, "channel": w.channel, "user": d.Seq, "now": w.now}); err != nil {
				return nil, err
			}
		}
	}
	if len(claimed) == 0 {
		return nil, nil
	}
	return claimed, insertClaim(ctx, c, &claim{event: w.seq, wave: w.wave, channel: w.channel, batch: w.batch, revision: w.sent, lease: w.lease, users: users})
}

// suppressRow ends a row that must not be sent any more.
const suppressRow = `
UPDATE deliveries
SET status = @status,
	retry_at = NULL,
	reason = @reason,
	updated_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq = @user`

// held returns the users whose rows are claimed, as a JSON array.
func (w *work) held() string {
	var users []int64
	for _, k := range w.claims {
		users = append(users, k.users...)
	}
	return jsonOf(users)
}

// batchState counts the batch's rows by status and outcome, and marks the batch finished when all are terminal.
func (w *work) batchState(ctx context.Context, c *conn, g *ledger.Grant) error {
	next := int64(math.MaxInt64)
	for _, k := range w.claims {
		next = min(next, k.leaseEndsAt)
	}
	a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "first": w.first, "last": w.last, "held": w.held()}
	err := c.each(ctx, countBatchRows, a, func(scan func(...any) error) error {
		var status, outcome, n int
		var retryAt int64
		if err := scan(&status, &outcome, &n, &retryAt); err != nil {
			return err
		}
		g.Counts.Add(row.Status(status), row.Outcome(outcome), n)
		switch status {
		case row.Pending:
			g.Pending += n
			next = min(next, retryAt)
		case row.Sending:
			g.Sending += n
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count rows: %w", err)
	}
	if g.Finished = g.Pending+g.Sending == 0; !g.Finished {
		g.NextIn = duration(max(next-w.now, 0))
		return nil
	}
	if w.unfinished {
		_, err = c.exec(ctx, finishBatch, args{"event": w.seq, "wave": w.wave, "channel": w.channel, "batch": w.batch, "now": w.now})
	}
	return err
}

// countBatchRows counts the batch's rows by status and outcome, and says when the first of each kind
// may be retried. Those of the users @held are being sent.
var countBatchRows = row.SQL(`
SELECT CASE WHEN status = {pending} AND user_seq IN (SELECT value FROM json_each(@held)) THEN {sending} ELSE status END AS shown,
	outcome,
	count(*),
	min(coalesce(retry_at, 0))
FROM deliveries
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq BETWEEN @first AND @last
GROUP BY shown, outcome`)

// finishBatch marks a batch as finished.
const finishBatch = `
UPDATE batches
SET finished_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND seq = @batch`
