package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// Receipts implements ledger.Receipts.
type Receipts struct{ DB *DB }

// RecordReceipts implements ledger.Receipts.
func (s Receipts) RecordReceipts(ctx context.Context, receipts []schoolbell.Receipt) (recorded int, err error) {
	if len(receipts) == 0 {
		return 0, nil
	}
	err = s.DB.write(ctx, "record receipts", func(c *conn) error {
		recorded = 0
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		for _, r := range receipts {
			isNew, err := s.record(ctx, c, r, at)
			if err != nil {
				return err
			}
			if isNew {
				recorded++
			}
		}
		return nil
	})
	return recorded, err
}

// record stores one receipt, if it is new, and what it says.
func (s Receipts) record(ctx context.Context, c *conn, r schoolbell.Receipt, at int64) (isNew bool, err error) {
	channel, _, err := s.DB.channels.number(ctx, c, r.Channel) // 0 for an unknown one, which no delivery has
	if err != nil {
		return false, err
	}
	n, err := c.exec(ctx, insertReceipt, args{"provider": row.Text(r.Provider), "id": row.Text(r.ID), "event_id": row.Text(r.EventID), "wave": r.Wave,
		"channel": channel, "user": r.User, "kind": string(r.Kind), "at": r.At.UnixMilli()})
	if err != nil || n == 0 {
		return false, err
	}
	if channel == row.InApp {
		return true, nil
	}
	if r.EventID == "" {
		return true, changeByReceipt(ctx, c, r, channel, addressOfAnybody, at)
	}
	var event int64
	delivery := args{"event_id": r.EventID, "wave": r.Wave, "channel": channel, "user": r.User}
	if err := c.get(ctx, findEventOfDelivery, delivery, &event); err != nil {
		return true, ignoreNoRows(err)
	}
	if r.Kind.Accepted() {
		a := args{"event": event, "wave": r.Wave, "channel": channel, "user": r.User}
		if _, err := c.exec(ctx, countAwaited, a); err != nil {
			return true, err
		}
		if _, err := c.exec(ctx, acceptAwaited, a.and(args{"now": at})); err != nil {
			return true, err
		}
	}
	if outcome := r.Kind.Outcome(); outcome != "" {
		a := args{"event": event, "wave": r.Wave, "channel": channel, "user": r.User, "outcome": row.OutcomeNumber(outcome)}
		if _, err := c.exec(ctx, countOutcome, a); err != nil {
			return true, err
		}
		told := args{"failed": r.Kind.Failed(), "reason": row.Text(r.Reason), "now": at}
		if _, err := c.exec(ctx, moveOutcome, a.and(told)); err != nil {
			return true, err
		}
		if outcome == schoolbell.OutcomeBounced {
			if err := failFollowers(ctx, c, event, r, channel, at); err != nil {
				return true, err
			}
		}
	}
	return true, changeByReceipt(ctx, c, r, channel, addressOfUser, at)
}

// changeByReceipt gives the addresses that a receipt names its state. those is the condition for them.
func changeByReceipt(ctx context.Context, c *conn, r schoolbell.Receipt, channel int, those string, at int64) error {
	state := r.Kind.AddressState()
	if state == "" || r.Address == "" {
		return nil
	}
	change, limits := weaker, args{}
	switch r.Kind {
	case schoolbell.ReceiptSoftBounced:
		if those == addressOfAnybody { // it says nothing about deliveries
			return nil
		}
		change, limits = whereSuspended, args{"bounces": schoolbell.SuspensionBounces, "span": schoolbell.SuspensionSpan.Milliseconds(), "window": schoolbell.SuspensionWindow.Milliseconds()}
	case schoolbell.ReceiptDelivered:
		change = whereUnknown
	case schoolbell.ReceiptStarted:
		change = whereStopped
	}
	a := args{"channel": channel, "address": row.Text(r.Address), "state": row.StateNumber(state), "reason": "", "now": at}
	if !state.Usable() {
		a["reason"] = row.Text(r.Reason)
	}
	if those == addressOfUser {
		a["user"] = r.User
	}
	_, err := c.exec(ctx, changeAddressState+those+" AND "+change, a.and(limits))
	return err
}

// insertReceipt inserts a receipt that is new.
const insertReceipt = `
INSERT INTO receipts (provider, id, event_id, wave, channel, user_seq, kind, at)
VALUES (@provider, @id, @event_id, @wave, @channel, @user, @kind, @at)
ON CONFLICT DO NOTHING`

// findEventOfDelivery selects the number of the event of a delivery, if there is such a delivery.
const findEventOfDelivery = `
SELECT d.event_seq
FROM events e
CROSS JOIN deliveries d ON d.event_seq = e.seq
WHERE e.id = @event_id
	AND d.wave = @wave
	AND d.channel = @channel
	AND d.user_seq = @user`

// movable says that a receipt changes the outcome of a delivery: it was or is being sent, and the outcome that
// it has is weaker.
var movable = `event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq = @user
	AND (status IN ({sent}, {uncertain}) OR status = {pending} AND ` + held("deliveries") + `)
	AND outcome < @outcome`

// awaited says that a delivery awaits a receipt.
var awaited = `event_seq = @event
	AND wave = @wave
	AND channel = @channel
	AND user_seq = @user
	AND status = {pending}
	AND uncertain
	AND reason = {awaiting_receipt}
	AND NOT ` + held("deliveries")

// acceptAwaited makes a delivery sent that awaits a receipt.
var acceptAwaited = row.SQL(`
UPDATE deliveries
SET status = {sent},
	uncertain = 0,
	retry_at = NULL,
	reason = NULL,
	updated_at = @now
WHERE ` + awaited)

// countAwaited does the same in the totals, before it.
var countAwaited = row.SQL(moveTotals(awaited, "{sent}", "outcome"))

// moveOutcome moves the outcome of a delivery forward. If it did not arrive, the reason is the provider's.
var moveOutcome = row.SQL(`
UPDATE deliveries
SET outcome = @outcome,
	reason = CASE WHEN @failed THEN nullif(@reason, '') ELSE reason END,
	updated_at = @now
WHERE ` + movable)

// countOutcome does the same in the totals, before it.
var countOutcome = row.SQL(moveTotals(movable, "status", "@outcome"))

// changeAddressState gives addresses a state. The conditions for which ones follow.
const changeAddressState = `
UPDATE addresses
SET state = @state,
	reason = @reason,
	updated_at = @now
WHERE channel = @channel
	AND lower(address) = lower(@address)
	AND `

// Which addresses a receipt changes.
const (
	addressOfUser    = "user_seq = @user"
	addressOfAnybody = "user_seq > 0"
)

// weaker says that a state in which an address is not used may replace the one that it has.
var weaker = row.SQL("(state < @state OR state = {address_suspended})")

// Which states become good.
var (
	whereUnknown = row.SQL("state IN ({address_unverified}, {address_suspended})")
	whereStopped = row.SQL("state = {address_stopped}")
)

// whereSuspended says that a usable address becomes suspended: it had enough soft bounces over enough time since its state
// changed and since the last delivery.
var whereSuspended = row.SQL(`state IN ({usable})
	AND (
		SELECT count(*) >= @bounces AND max(r.at) - min(r.at) >= @span
		FROM receipts r
		WHERE r.user_seq = @user
			AND r.channel = @channel
			AND r.kind = 'soft_bounced'
			AND r.at >= addresses.updated_at
			AND r.at > @now - @window
			AND r.at > (
				SELECT coalesce(max(d.at), 0)
				FROM receipts d
				WHERE d.user_seq = @user
					AND d.channel = @channel
					AND d.kind = 'delivered'
			)
	)`)

// addressFails gives an address a state in which it is not used, unless it has a stronger one.
var addressFails = `
UPDATE addresses
SET state = @state,
	reason = @reason,
	updated_at = @now
WHERE user_seq = @user
	AND channel = @channel
	AND address = @address
	AND ` + weaker
