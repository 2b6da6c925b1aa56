package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// Receipts implements ledger.Receipts.
type Receipts struct{ DB *DB }

// RecordReceipts implements ledger.Receipts.
func (s Receipts) RecordReceipts(ctx context.Context, receipts []schoolbell.Receipt) (recorded int, err error) {
	n := len(receipts)
	if n == 0 {
		return 0, nil
	}
	providers, ids, events, channels := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	waves, users, kinds, outcomes, accepted := make([]int16, n), make([]int64, n), make([]string, n), make([]int16, n), make([]bool, n)
	addresses, reasons, times := make([]string, n), make([]string, n), make([]time.Time, n)
	for i, r := range receipts {
		providers[i], ids[i], events[i], channels[i] = row.Text(r.Provider), row.Text(r.ID), row.Text(r.EventID), string(r.Channel)
		waves[i], users[i], kinds[i], outcomes[i] = int16(r.Wave), r.User, string(r.Kind), int16(row.OutcomeNumber(r.Kind.Outcome()))
		accepted[i] = r.Kind.Accepted()
		addresses[i], reasons[i], times[i] = row.Text(r.Address), row.Text(r.Reason), schoolbell.Time(r.At)
	}
	err = s.DB.write(ctx, "record receipts", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, lockBatchesOf, named{"events": events, "waves": waves, "channels": channels, "users": users})
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, recordReceipts, named{
			"providers": providers, "ids": ids, "events": events, "waves": waves, "channels": channels, "users": users,
			"kinds": kinds, "outcomes": outcomes, "accepted": accepted, "addresses": addresses, "reasons": reasons, "times": times,
		})
		fresh, err := list(rows, err, pgx.RowToStructByPos[freshReceipt])
		if err != nil {
			return err
		}
		recorded = len(fresh)
		return changeByReceipts(ctx, tx, receipts, fresh)
	})
	return recorded, err
}

// freshReceipt is a receipt that was not recorded before, by its index among those given. Known says that its delivery is
// there.
type freshReceipt struct {
	Index int64
	Known bool
}

// changeByReceipts gives the addresses that new receipts name their states, in the order of the receipts.
// recordReceipts has done it for delivered ones, of which there are many.
func changeByReceipts(ctx context.Context, tx pgx.Tx, receipts []schoolbell.Receipt, fresh []freshReceipt) error {
	for _, f := range fresh {
		r := receipts[f.Index-1]
		if f.Known && r.Kind.Outcome() == schoolbell.OutcomeBounced {
			_, err := tx.Exec(ctx, failFollowers, named{"event_id": row.Text(r.EventID), "wave": r.Wave, "channel_name": string(r.Channel), "user": r.User, "reason": row.Text(r.Reason),
				"type": string(schoolbell.WebhookDeliveryFailed)})
			if err != nil {
				return fmt.Errorf("change deliveries that follow others: %w", err)
			}
		}
		state := r.Kind.AddressState()
		if state == "" || r.Address == "" || r.Kind == schoolbell.ReceiptDelivered || r.EventID != "" && !f.Known {
			continue
		}
		query, reason, limits := failAddress, row.Text(r.Reason), named{}
		switch {
		case r.Kind == schoolbell.ReceiptStarted:
			query, reason = startAddress, ""
		case r.Kind == schoolbell.ReceiptSoftBounced && r.EventID == "": // it says nothing about deliveries
			continue
		case r.Kind == schoolbell.ReceiptSoftBounced:
			query, limits = suspendAddress, suspensionLimits
		}
		user := r.User
		if r.EventID == "" {
			user = 0
		}
		_, err := tx.Exec(ctx, query, limits.with(named{"user": user, "channel_name": string(r.Channel), "address": row.Text(r.Address),
			"state": int16(row.StateNumber(state)), "reason": reason}))
		if err != nil {
			return fmt.Errorf("change addresses: %w", err)
		}
	}
	return nil
}

// suspensionLimits are the parameters of suspendAddress beside those of the others.
var suspensionLimits = named{"bounces": schoolbell.SuspensionBounces, "span": schoolbell.SuspensionSpan, "window": schoolbell.SuspensionWindow}

// changeAddressState gives the address of a user, or of every user for the number 0, a state. A condition follows.
const changeAddressState = `
	UPDATE addresses a
	SET state = @state, reason = @reason, updated_at = ` + now + `
	FROM channels c
	WHERE c.name = @channel_name AND a.channel = c.id
		AND (a.user_seq = @user OR @user = 0)
		AND lower(a.address) = lower(@address)
		AND `

// failAddress gives an address a state in which it is not used, unless it has a stronger one.
var failAddress = row.SQL(changeAddressState + "(a.state < @state OR a.state = {address_suspended})")

// startAddress makes a stopped address good.
var startAddress = row.SQL(changeAddressState + "a.state = {address_stopped}")

// suspendAddress suspends a usable address that had enough soft bounces over enough time since its state changed and since
// the last delivery.
var suspendAddress = row.SQL(changeAddressState + `a.state IN ({usable}) AND (
			SELECT count(*) >= @bounces AND max(r.at) - min(r.at) >= @span::interval
			FROM receipts r
			WHERE r.user_seq = a.user_seq AND r.channel = a.channel AND r.kind = 'soft_bounced'
				AND r.at >= a.updated_at AND r.at > ` + now + ` - @window::interval
				AND r.at > coalesce((
					SELECT max(d.at) FROM receipts d
					WHERE d.user_seq = a.user_seq AND d.channel = a.channel AND d.kind = 'delivered'), '-infinity'))`)

// lockBatchesOf keeps workers from changing the batches of deliveries, and from putting them into work or
// out of it.
var lockBatchesOf = `
	SELECT 1
	FROM batches b
	WHERE (b.event_seq, b.wave, b.channel, b.seq) IN (
		SELECT x.*
		FROM unnest(@events::text[], @waves::smallint[], @channels::text[], @users::bigint[]) r(event_id, wave, channel, user_seq)
		JOIN events e ON e.id = r.event_id
		JOIN channels c ON c.name = r.channel
		CROSS JOIN LATERAL (
			SELECT e.seq, r.wave, c.id, ` + batchOfUser("e.seq", "r.wave", "c.id", "r.user_seq") + `
			UNION ALL` + batchesOfFollowers + `) x)
	ORDER BY b.event_seq, b.wave, b.channel, b.seq
	FOR SHARE OF b`

// recordReceipts inserts the receipts that were not recorded before, and returns them in order. Of the new
// ones, the strongest of each delivery moves its outcome forward, and the totals with it; a delivery that awaits a receipt
// becomes sent. Addresses where a message was delivered, and that were unverified or suspended, become good.
var recordReceipts = row.SQL(`
	WITH given AS (
		SELECT DISTINCT ON (provider, id) *
		FROM unnest(@providers::text[], @ids::text[], @events::text[], @waves::smallint[], @channels::text[], @users::bigint[],
				@kinds::text[], @outcomes::smallint[], @accepted::boolean[], @addresses::text[], @reasons::text[], @times::timestamptz[])
			WITH ORDINALITY r(provider, id, event_id, wave, channel, user_seq, kind, outcome, accepted, address, reason, at, i)
		ORDER BY provider, id, i),
	fresh AS (
		INSERT INTO receipts (provider, id, event_id, wave, channel, user_seq, kind, at)
		SELECT provider, id, event_id, wave, coalesce((SELECT c.id FROM channels c WHERE c.name = g.channel), 0), user_seq, kind, at
		FROM given g
		ON CONFLICT DO NOTHING
		RETURNING provider, id),
	news AS (
		SELECT e.seq AS event_seq, g.wave, c.id AS channel, g.user_seq, g.outcome, g.accepted, g.address, g.reason, g.i, clock.now
		FROM ` + clock + `
		CROSS JOIN given g
		JOIN fresh f ON f.provider = g.provider AND f.id = g.id
		JOIN events e ON e.id = g.event_id
		JOIN channels c ON c.name = g.channel AND c.id <> {in_app}
		JOIN deliveries d ON d.event_seq = e.seq AND d.wave = g.wave AND d.channel = c.id AND d.user_seq = g.user_seq),
	old AS MATERIALIZED (
		SELECT d.event_seq, d.wave, d.channel, d.user_seq, d.status, d.outcome, greatest(d.outcome, n.outcome) AS new_outcome,
			CASE WHEN d.status = {pending} AND d.reason = {awaiting_receipt} AND NOT ` + isClaimed("d.event_seq", "d.wave", "d.channel", "d.user_seq") + `
				THEN {sent} ELSE d.status END AS new_status,
			n.reason, n.now
		FROM (
			SELECT event_seq, wave, channel, user_seq, max(outcome) AS outcome, bool_or(accepted) AS accepted,
				(array_agg(reason ORDER BY outcome DESC, i))[1] AS reason, min(now) AS now
			FROM news
			GROUP BY event_seq, wave, channel, user_seq) n
		JOIN deliveries d ON d.event_seq = n.event_seq AND d.wave = n.wave AND d.channel = n.channel AND d.user_seq = n.user_seq
		WHERE d.outcome < n.outcome
				AND (d.status IN ({sent}, {uncertain})
					OR d.status = {pending} AND ` + isClaimed("d.event_seq", "d.wave", "d.channel", "d.user_seq") + `)
			OR n.accepted AND d.status = {pending} AND d.uncertain AND d.reason = {awaiting_receipt}
				AND NOT ` + isClaimed("d.event_seq", "d.wave", "d.channel", "d.user_seq") + `
		ORDER BY d.event_seq, d.wave, d.channel, d.user_seq
		FOR UPDATE OF d),
	moved AS (
		UPDATE deliveries d
		SET status = o.new_status,
			outcome = o.new_outcome,
			uncertain = d.uncertain AND o.new_status = o.status,
			retry_at = CASE WHEN o.new_status = o.status THEN d.retry_at END,
			reason = CASE
				WHEN o.new_outcome > o.outcome AND o.new_outcome IN ({outcome_bounced}, {outcome_complained}) THEN nullif(o.reason, '')
				WHEN o.new_status = o.status THEN d.reason
			END,
			updated_at = o.now
		FROM old o
		WHERE d.event_seq = o.event_seq AND d.wave = o.wave AND d.channel = o.channel AND d.user_seq = o.user_seq),
	counted AS (` + intoTotals + `
		SELECT d.event_seq, d.wave, d.channel, m.status, m.outcome, ` + userShard + `, sum(m.n)
		FROM old d
		CROSS JOIN LATERAL (VALUES (d.status, d.outcome, -1), (d.new_status, d.new_outcome, 1)) m(status, outcome, n)
		WHERE NOT ` + inWork("d.event_seq", "d.wave", "d.channel", "d.user_seq") + addTotals + `),
	changed AS (
		UPDATE addresses a
		SET state = {address_good}, reason = '', updated_at = n.now
		FROM (
			SELECT DISTINCT user_seq, channel, lower(address) AS address, now
			FROM news
			WHERE outcome = {outcome_delivered}) n
		WHERE a.user_seq = n.user_seq AND a.channel = n.channel AND lower(a.address) = n.address
			AND a.state IN ({address_unverified}, {address_suspended}))
	SELECT g.i, n.i IS NOT NULL
	FROM fresh f
	JOIN given g ON g.provider = f.provider AND g.id = f.id
	LEFT JOIN news n ON n.i = g.i
	ORDER BY g.i`)
