package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/store/row"
)

// suppressPending ends the pending deliveries of a user who is deleted and has no address any more, but
// not those that a worker holds.
func suppressPending(ctx context.Context, tx pgx.Tx, user int64) error {
	for _, statement := range []string{lockBatchesOfUser, suppressRows} {
		if _, err := tx.Exec(ctx, statement, user); err != nil {
			return err
		}
	}
	return nil
}

// outgoingOfUser selects the places where a user may have pending deliveries, with the batches to which
// they belong. It names waves and channels, because the keys of deliveries and batches begin with them.
var outgoingOfUser = row.SQL(`
		SELECT w.event_seq, w.n AS wave, c.id AS channel, ` + batchOfUser("w.event_seq", "w.n", "c.id", "$1") + ` AS batch
		FROM waves w
		CROSS JOIN channels c
		WHERE w.finished_at IS NULL AND c.id <> {in_app}`)

// lockBatchesOfUser keeps workers from changing the batches of a user's pending deliveries.
var lockBatchesOfUser = `
	SELECT 1
	FROM batches b
	WHERE (b.event_seq, b.wave, b.channel, b.seq) IN (` + outgoingOfUser + `)
	ORDER BY b.event_seq, b.wave, b.channel, b.seq
	FOR UPDATE OF b`

// suppressRows suppresses the pending deliveries of a user that no claim holds. Those that an earlier
// attempt may have sent are uncertain.
var suppressRows = row.SQL(`
	WITH suppressed AS (
		UPDATE deliveries d
		SET status = CASE WHEN d.uncertain THEN {uncertain} ELSE {suppressed} END,
			retry_at = NULL, reason = {no_address}, updated_at = ` + now + `
		FROM (` + outgoingOfUser + `) p
		WHERE d.event_seq = p.event_seq AND d.wave = p.wave AND d.channel = p.channel AND d.user_seq = $1
			AND d.status = {pending}
			AND NOT ` + isClaimed("p.event_seq", "p.wave", "p.channel", "$1") + `
		RETURNING d.event_seq, d.wave, d.channel, d.user_seq, d.status, d.outcome)
	` + intoTotals + `
		SELECT d.event_seq, d.wave, d.channel, m.status, d.outcome, ` + userShard + `, sum(m.n)
		FROM suppressed d
		CROSS JOIN LATERAL (VALUES ({pending}, -1), (d.status, 1)) m(status, n)
		WHERE NOT ` + inWork("d.event_seq", "d.wave", "d.channel", "d.user_seq") + addTotals)
