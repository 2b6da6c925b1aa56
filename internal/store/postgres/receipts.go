package postgres

import (
	"context"
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
	waves, users, kinds, outcomes := make([]int16, n), make([]int64, n), make([]string, n), make([]int16, n)
	addresses, reasons, times := make([]string, n), make([]string, n), make([]time.Time, n)
	for i, r := range receipts {
		providers[i], ids[i], events[i], channels[i] = row.Text(r.Provider), row.Text(r.ID), row.Text(r.EventID), string(r.Channel)
		waves[i], users[i], kinds[i], outcomes[i] = int16(r.Wave), r.User, string(r.Kind), int16(row.OutcomeNumber(r.Kind.Outcome()))
		addresses[i], reasons[i], times[i] = row.Text(r.Address), row.Text(r.Reason), schoolbell.Time(r.At)
	}
	err = s.DB.write(ctx, "record receipts", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, lockBatchesOf, named{"events": events, "waves": waves, "channels": channels, "users": users})
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, recordReceipts, named{
			"providers": providers, "ids": ids, "events": events, "waves": waves, "channels": channels, "users": users,
			"kinds": kinds, "outcomes": outcomes, "addresses": addresses, "reasons": reasons, "times": times,
		}).Scan(&recorded)
	})
	return recorded, err
}

// lockBatchesOf keeps workers from changing the batches of deliveries, and from putting them into work or
// out of it.
var lockBatchesOf = `
	SELECT 1
	FROM batches b
	WHERE (b.event_seq, b.wave, b.channel, b.seq) IN (
		SELECT e.seq, r.wave, c.id, ` + batchOfUser("e.seq", "r.wave", "c.id", "r.user_seq") + `
		FROM unnest(@events::text[], @waves::smallint[], @channels::text[], @users::bigint[]) r(event_id, wave, channel, user_seq)
		JOIN events e ON e.id = r.event_id
		JOIN channels c ON c.name = r.channel)
	ORDER BY b.event_seq, b.wave, b.channel, b.seq
	FOR SHARE OF b`

// recordReceipts inserts the receipts that were not recorded before, and returns how many. Of the new
// ones, the strongest of each delivery moves its outcome forward, and the totals with it, and the strongest of each address
// changes its state. A complaint is not taken back by a bounce.
var recordReceipts = row.SQL(`
	WITH given AS (
		SELECT DISTINCT ON (provider, id) *
		FROM unnest(@providers::text[], @ids::text[], @events::text[], @waves::smallint[], @channels::text[], @users::bigint[],
				@kinds::text[], @outcomes::smallint[], @addresses::text[], @reasons::text[], @times::timestamptz[])
			WITH ORDINALITY r(provider, id, event_id, wave, channel, user_seq, kind, outcome, address, reason, at, i)
		ORDER BY provider, id, i),
	fresh AS (
		INSERT INTO receipts (provider, id, event_id, wave, channel, user_seq, kind, at)
		SELECT provider, id, event_id, wave, coalesce((SELECT c.id FROM channels c WHERE c.name = g.channel), 0), user_seq, kind, at
		FROM given g
		ON CONFLICT DO NOTHING
		RETURNING provider, id),
	news AS (
		SELECT e.seq AS event_seq, g.wave, c.id AS channel, g.user_seq, g.outcome, g.address, g.reason, clock.now
		FROM ` + clock + `
		CROSS JOIN given g
		JOIN fresh f ON f.provider = g.provider AND f.id = g.id
		JOIN events e ON e.id = g.event_id
		JOIN channels c ON c.name = g.channel AND c.id <> {in_app}
		JOIN deliveries d ON d.event_seq = e.seq AND d.wave = g.wave AND d.channel = c.id AND d.user_seq = g.user_seq),
	old AS MATERIALIZED (
		SELECT d.event_seq, d.wave, d.channel, d.user_seq, d.status, d.outcome, n.outcome AS new_outcome, n.reason, n.now
		FROM (
			SELECT DISTINCT ON (event_seq, wave, channel, user_seq) *
			FROM news
			ORDER BY event_seq, wave, channel, user_seq, outcome DESC) n
		JOIN deliveries d ON d.event_seq = n.event_seq AND d.wave = n.wave AND d.channel = n.channel AND d.user_seq = n.user_seq
		WHERE d.outcome < n.outcome
			AND (d.status IN ({sent}, {uncertain})
				OR d.status = {pending} AND ` + isClaimed("d.event_seq", "d.wave", "d.channel", "d.user_seq") + `)
		ORDER BY d.event_seq, d.wave, d.channel, d.user_seq
		FOR UPDATE OF d),
	moved AS (
		UPDATE deliveries d
		SET outcome = o.new_outcome,
			reason = CASE WHEN o.new_outcome IN ({outcome_bounced}, {outcome_complained}) THEN nullif(o.reason, '') ELSE d.reason END,
			updated_at = o.now
		FROM old o
		WHERE d.event_seq = o.event_seq AND d.wave = o.wave AND d.channel = o.channel AND d.user_seq = o.user_seq),
	counted AS (` + intoTotals + `
		SELECT d.event_seq, d.wave, d.channel, d.status, m.outcome, ` + userShard + `, sum(m.n)
		FROM old d
		CROSS JOIN LATERAL (VALUES (d.outcome, -1), (d.new_outcome, 1)) m(outcome, n)
		WHERE NOT ` + inWork("d.event_seq", "d.wave", "d.channel", "d.user_seq") + addTotals + `),
	changed AS (
		UPDATE addresses a
		SET state = n.state, reason = CASE WHEN n.state = {address_good} THEN '' ELSE n.reason END, updated_at = n.now
		FROM (
			SELECT DISTINCT ON (user_seq, channel, address) *,
				CASE outcome
					WHEN {outcome_delivered} THEN {address_good}
					WHEN {outcome_bounced} THEN {address_bounced}
					WHEN {outcome_complained} THEN {address_complained}
				END AS state
			FROM news
			ORDER BY user_seq, channel, address, outcome DESC) n
		WHERE a.user_seq = n.user_seq AND a.channel = n.channel AND a.address = n.address
			AND (n.state = {address_good} AND a.state = {address_unverified} OR n.state > {address_good} AND n.state > a.state))
	SELECT count(*) FROM fresh`)
