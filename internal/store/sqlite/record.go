package sqlite

import (
	"context"
	"database/sql"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// past is what earlier attempts and receipts left in a row.
type past struct {
	outcome   int
	uncertain bool
}

// record stores the attempts of rows that the lease still holds, gives these rows up, and returns how many
// rows it no longer holds. It runs one statement for each row: one for all of them was measured not to be faster.
func record(ctx context.Context, c *conn, w *work, attempts []ledger.Attempt) (lost int, err error) {
	if len(attempts) == 0 {
		return 0, nil
	}
	mine := map[int64]bool{}
	for _, k := range w.claims {
		for _, user := range k.users {
			mine[user] = k.lease == w.lease
		}
	}
	before, err := pastOf(ctx, c, w, attempts)
	if err != nil {
		return 0, err
	}
	done := make(map[int64]bool, len(attempts))
	a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "revision": w.sent, "now": w.now} // of all rows
	for _, t := range attempts {
		if !mine[t.Seq] || done[t.Seq] {
			lost++
			continue
		}
		done[t.Seq] = true
		if err := recordRow(ctx, c, w, a, t, before[t.Seq]); err != nil {
			return 0, err
		}
		if err := changeAddresses(ctx, c, w, t); err != nil {
			return 0, err
		}
	}
	return lost, giveUp(ctx, c, w, done)
}

// pastOf returns what is remarkable about the rows of the attempts, by user.
func pastOf(ctx context.Context, c *conn, w *work, attempts []ledger.Attempt) (map[int64]past, error) {
	first, last := attempts[0].Seq, attempts[0].Seq
	for _, t := range attempts {
		first, last = min(first, t.Seq), max(last, t.Seq)
	}
	found := map[int64]past{}
	a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "first": first, "last": last}
	err := c.each(ctx, findPast, a, func(scan func(...any) error) error {
		var user int64
		var p past
		err := scan(&user, &p.outcome, &p.uncertain)
		found[user] = p
		return err
	})
	return found, err
}

// findPast selects the rows of a range of users that have an outcome or are uncertain.
const findPast = `
SELECT user_seq, outcome, uncertain
FROM deliveries
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq BETWEEN @first AND @last
	AND (outcome <> 0 OR uncertain)`

// recordRow stores the attempt of one row. If this or an earlier attempt may have reached the recipient, the
// row ends as uncertain instead of sent, cancelled or expired. It sets the parameters in a that are about the row.
func recordRow(ctx context.Context, c *conn, w *work, a args, t ledger.Attempt, before past) error {
	accepted, err := isAccepted(ctx, c, w, t)
	if err != nil {
		return err
	}
	if accepted {
		t.Status, t.Uncertain, t.Reason = schoolbell.DeliverySent, false, ""
	}
	status, retryAt := row.StatusNumber(t.Status), sql.NullInt64{}
	uncertain := t.Uncertain || before.uncertain
	switch {
	case t.Status != schoolbell.DeliveryPending:
	case w.closing() != 0:
		status = w.closing() // it will not be tried again
	case t.RetryIn > 0:
		retryAt = sql.NullInt64{Int64: w.now + t.RetryIn.Milliseconds(), Valid: true}
	}
	if uncertain && (status == row.Sent || status == row.Cancelled || status == row.Expired) {
		status = row.Uncertain
	}
	w.move(kind{row.Pending, before.outcome}, kind{status, before.outcome}, 1)
	a["user"], a["status"], a["attempts"], a["uncertain"], a["retry_at"] = t.Seq, status, t.Spent, uncertain, retryAt
	a["reason"], a["provider_id"] = row.Text(t.Reason), row.Text(t.ProviderID)
	_, err = c.exec(ctx, updateRow, a)
	return err
}

// updateRow stores the attempt of one row.
const updateRow = `
UPDATE deliveries
SET status = @status,
	attempts = @attempts,
	uncertain = @uncertain,
	retry_at = @retry_at,
	reason = nullif(@reason, ''),
	provider_id = nullif(@provider_id, ''),
	revision = @revision,
	updated_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq = @user`

// changeAddresses stores what an attempt found out about addresses of its user.
func changeAddresses(ctx context.Context, c *conn, w *work, t ledger.Attempt) error {
	for _, change := range t.Addresses {
		_, err := c.exec(ctx, addressFails, args{"user": t.Seq, "channel": w.channel, "address": row.Text(change.Address), "now": w.now,
			"state": row.StateNumber(change.State), "reason": row.Text(change.Reason)})
		if err != nil {
			return err
		}
	}
	return nil
}

// giveUp removes the rows of users from the claims of the lease.
func giveUp(ctx context.Context, c *conn, w *work, users map[int64]bool) error {
	var left []*claim
	for _, k := range w.claims {
		rest := slices.DeleteFunc(slices.Clone(k.users), func(user int64) bool { return users[user] })
		if len(rest) == len(k.users) {
			left = append(left, k)
			continue
		}
		if err := deleteClaim(ctx, c, k); err != nil {
			return err
		}
		if k.users = rest; len(rest) == 0 {
			continue
		}
		if err := insertClaim(ctx, c, k); err != nil {
			return err
		}
		left = append(left, k)
	}
	w.claims = left
	return nil
}
