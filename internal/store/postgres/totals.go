package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// The totals count the deliveries that are in no batch in work. Each kind of transaction adds to shards
// of its own, so that it waits for few others and never for one that waits for it.
const (
	// batchShard is the shard to which the deliveries of the batch @batch are added: one of batchShards.
	batchShard  = "@batch::integer % 16"
	batchShards = 16

	// userShard is the shard to which single deliveries d of a user are added.
	userShard = "16 + d.user_seq % 16"

	// fanOutShard is the shard to which a fan-out adds.
	fanOutShard = "32"

	// eventShard is the shard to which changes of a whole event are added.
	eventShard = "33"
)

const (
	// intoTotals begins a statement that adds the selected numbers of deliveries to the totals.
	intoTotals = `
		INSERT INTO totals AS t (event_seq, wave, channel, status, outcome, shard, n)`

	// addTotals ends the statement. It adds in the order of the keys, so that two such statements cannot
	// wait for each other.
	addTotals = `
		GROUP BY 1, 2, 3, 4, 5, 6
		ORDER BY 1, 2, 3, 4, 5, 6
		ON CONFLICT (event_seq, wave, channel, status, outcome, shard) DO UPDATE SET n = t.n + excluded.n`
)

// batchOfUser returns an expression for the number of the batch to which a delivery belongs, if it belongs
// to one: those that were suppressed at once may lie between batches.
func batchOfUser(event, wave, channel, user string) string {
	return `(
			SELECT f.seq FROM batches f
			WHERE f.event_seq + 0 = ` + event + ` AND f.wave = ` + wave + ` AND f.channel = ` + channel + ` AND f.first_user <= ` + user + `
			ORDER BY f.first_user DESC
			LIMIT 1)`
}

// inWork returns the condition that a delivery belongs to a batch in work.
func inWork(event, wave, channel, user string) string {
	return `EXISTS (
				SELECT 1 FROM batches w
				WHERE w.event_seq = ` + event + ` AND w.wave = ` + wave + ` AND w.channel = ` + channel + ` AND w.in_work
					AND ` + user + ` BETWEEN w.first_user AND w.last_user)`
}

// isClaimed returns the condition that a claim holds a delivery.
func isClaimed(event, wave, channel, user string) string {
	return `EXISTS (
				SELECT 1 FROM claims k
				WHERE k.event_seq = ` + event + ` AND k.wave = ` + wave + ` AND k.channel = ` + channel + `
					AND ` + user + ` = ANY (k.users))`
}

// endWork takes all batches of an event out of work, so that the totals count all of its deliveries.
var endWork = row.SQL(`
	WITH b AS (
		UPDATE batches
		SET in_work = false
		WHERE event_seq = $1 AND in_work
		RETURNING *)
	` + intoTotals + `
		SELECT b.event_seq, b.wave, b.channel, d.status, d.outcome, ` + eventShard + `, sum(d.n)
		FROM b
		CROSS JOIN LATERAL (` + countBatch + `) d` + addTotals)

// countBatch counts the deliveries of the batch b by status and outcome. It is for LATERAL: with a join,
// PostgreSQL might read all deliveries of the event as long as no table was analyzed.
const countBatch = `
			SELECT d.status, d.outcome, count(*) AS n
			FROM deliveries d
			WHERE d.event_seq = b.event_seq AND d.wave = b.wave AND d.channel = b.channel
				AND d.user_seq BETWEEN b.first_user AND b.last_user
			GROUP BY d.status, d.outcome`

// Progress implements ledger.Events.
func (s Events) Progress(ctx context.Context, id string) (schoolbell.Progress, error) {
	return readProgress(ctx, s.DB, id)
}

// readProgress counts an event's deliveries in a transaction of its own.
func readProgress(ctx context.Context, db *DB, id string) (p schoolbell.Progress, err error) {
	err = db.read(ctx, "count deliveries", func(tx pgx.Tx) error {
		e, err := eventStateOf(ctx, tx, selectEventState, id)
		if err != nil {
			return err
		}
		p, _, err = progress(ctx, tx, e)
		return err
	})
	return p, err
}

// progress counts the deliveries of an event, and the open ones of each wave.
func progress(ctx context.Context, tx pgx.Tx, e *eventState) (p schoolbell.Progress, open map[int]int, err error) {
	rows, err := tx.Query(ctx, countDeliveries, e.seq)
	if err != nil {
		return schoolbell.Progress{}, nil, err
	}
	return e.count(rows)
}

// count adds up the rows of countDeliveries.
func (e *eventState) count(rows pgx.Rows) (p schoolbell.Progress, open map[int]int, err error) {
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row.Count])
	return row.Progress(counts, e.walked || e.status.Terminal()), row.Open(counts), err
}

// countDeliveries counts the deliveries of an event by wave, channel, status and outcome: it adds those in
// batches in work to the totals. It is one statement, so that both are of the same moment.
const countDeliveries = `
	SELECT t.wave, c.name, t.status, t.outcome, sum(t.n)::bigint
	FROM (
		SELECT wave, channel, status, outcome, n
		FROM totals
		WHERE event_seq = $1
		UNION ALL
		SELECT b.wave, b.channel, d.status, d.outcome, d.n
		FROM batches b
		CROSS JOIN LATERAL (` + countBatch + `) d
		WHERE b.event_seq = $1 AND b.in_work) t
	JOIN channels c ON c.id = t.channel
	GROUP BY t.wave, c.name, t.status, t.outcome
	HAVING sum(t.n) <> 0`
