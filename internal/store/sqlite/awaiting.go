package sqlite

import (
	"context"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// receiptCame says that a receipt told that the provider has the message of the delivery d. Receipts of an earlier sending,
// before somebody retried the event, do not count: clocks of providers may differ by a minute.
const receiptCame = `EXISTS (
		SELECT 1
		FROM receipts r
		WHERE r.user_seq = d.user_seq
			AND r.event_id = (SELECT id FROM events WHERE seq = d.event_seq)
			AND r.wave = d.wave
			AND r.channel = d.channel
			AND r.kind NOT IN ('stopped', 'started')
			AND r.at >= d.updated_at - 60000
	)`

// isAccepted reports whether the attempt of a row, which the provider may have accepted, awaits a receipt that came already.
func isAccepted(ctx context.Context, c *conn, w *work, t ledger.Attempt) (came bool, err error) {
	if t.Status != schoolbell.DeliveryPending || t.Reason != schoolbell.ReasonAwaitingReceipt {
		return false, nil
	}
	err = c.get(ctx, hasReceipt, args{"event": w.seq, "wave": w.wave, "channel": w.channel, "user": t.Seq}, &came)
	return came, err
}

// hasReceipt says whether a delivery has a receipt by which the provider has the message.
const hasReceipt = `
SELECT count(*)
FROM deliveries d
WHERE d.event_seq = @event
	AND d.wave = @wave
	AND d.channel = @channel
	AND d.user_seq = @user
	AND ` + receiptCame

// awaitReceipts lets the rows await a receipt that claims hold whose lease has ended, and makes those sent of which one
// came. Rows of which an earlier attempt is uncertain do not wait: one receipt could not tell about both.
func awaitReceipts(ctx context.Context, c *conn, w *work) error {
	if w.hold <= 0 {
		return nil
	}
	for _, k := range w.claims {
		if k.live(w.now) {
			continue
		}
		a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "users": jsonOf(k.users)}
		accepted := map[int64]int{} // outcomes of rows that become sent
		err := c.each(ctx, findAccepted, a, func(scan func(...any) error) error {
			var user int64
			var outcome int
			err := scan(&user, &outcome)
			accepted[user] = outcome
			return err
		})
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, holdRows, a.and(args{"now": w.now, "until": w.now + w.hold.Milliseconds()})); err != nil {
			return err
		}
		if err := accept(ctx, c, w, k, accepted); err != nil {
			return err
		}
	}
	w.claims = slices.DeleteFunc(w.claims, func(k *claim) bool { return len(k.users) == 0 })
	return nil
}

// accept makes rows of a claim sent, and takes them out of the claim.
func accept(ctx context.Context, c *conn, w *work, k *claim, accepted map[int64]int) error {
	var left []int64
	for _, user := range k.users {
		outcome, ok := accepted[user]
		if !ok {
			left = append(left, user)
			continue
		}
		a := args{"event": w.seq, "wave": w.wave, "channel": w.channel, "user": user, "now": w.now}
		if _, err := c.exec(ctx, acceptRow, a); err != nil {
			return err
		}
		w.move(kind{row.Pending, outcome}, kind{row.Sent, outcome}, 1)
	}
	if len(accepted) == 0 {
		return nil
	}
	if err := deleteClaim(ctx, c, k); err != nil {
		return err
	}
	if k.users = left; len(left) == 0 {
		return nil
	}
	return insertClaim(ctx, c, k)
}

// ofUsers says that a claim names the delivery d.
const ofUsers = `d.event_seq = @event
	AND d.wave = @wave
	AND d.channel = @channel
	AND d.user_seq IN (SELECT value FROM json_each(@users))`

// findAccepted selects the rows of a claim that a receipt makes sent.
const findAccepted = `
SELECT d.user_seq, d.outcome
FROM deliveries d
WHERE ` + ofUsers + `
	AND NOT d.uncertain
	AND ` + receiptCame

// holdRows lets rows of a claim await a receipt, unless an earlier attempt is uncertain.
var holdRows = row.SQL(`
UPDATE deliveries AS d
SET reason = CASE WHEN uncertain THEN NULL ELSE {awaiting_receipt} END,
	retry_at = CASE WHEN uncertain THEN NULL ELSE @until END,
	updated_at = @now
WHERE ` + ofUsers)

// acceptRow makes a row sent.
var acceptRow = row.SQL(`
UPDATE deliveries
SET status = {sent},
	retry_at = NULL,
	reason = NULL,
	updated_at = @now
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq = @user`)
