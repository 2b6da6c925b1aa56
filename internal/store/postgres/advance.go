package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Deliveries implements ledger.Deliveries.
type Deliveries struct{ DB *DB }

// Advance implements ledger.Deliveries. It is one round trip, and one more when
// nothing could be claimed.
func (s Deliveries) Advance(ctx context.Context, lease ledger.Lease, batch ledger.Batch, outcomes []ledger.Outcome, claim int) (g ledger.Grant, err error) {
	for {
		ended, err := s.recordAndClaim(ctx, lease, batch, outcomes, claim, &g)
		if err != nil {
			return ledger.Grant{}, err
		}
		if len(g.Recipients) > 0 {
			return g, nil
		}
		if ended == 0 {
			break
		}
		outcomes = nil // recorded; all claimed rows were ended: look for others
	}
	if err := s.batchState(ctx, batch, &g); err != nil {
		return ledger.Grant{}, err
	}
	return g, nil
}

// recordAndClaim adds to g what was lost and claimed, and returns how many rows
// it ended in place of claiming them.
func (s Deliveries) recordAndClaim(ctx context.Context, lease ledger.Lease, batch ledger.Batch, outcomes []ledger.Outcome, claim int, g *ledger.Grant) (ended int, err error) {
	channel := row.ChannelNumber(batch.Channel)
	var b pgx.Batch
	b.Queue(sweepLeases)
	b.Queue(recordRows, append([]any{batch.EventID, channel, batch.Seq, lease.ID}, columns(outcomes)...)...)
	if claim > 0 {
		b.Queue(claimRows, batch.EventID, channel, batch.Seq, lease.ID, claim)
	}
	var recorded int
	err = s.DB.pipeline(ctx, "advance batch", &b, func(r pgx.BatchResults) error {
		if _, err := r.Exec(); err != nil {
			return err
		}
		var alive bool
		switch err := r.QueryRow().Scan(&alive, &recorded); {
		case noRows(err):
			return row.NoBatch(batch)
		case err != nil:
			return fmt.Errorf("record outcomes: %w", err)
		}
		g.LeaseEnded = !alive
		if claim <= 0 {
			return nil
		}
		rows, err := r.Query()
		if err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		g.Recipients, ended, err = collectClaimed(rows, claim)
		return err
	})
	g.Lost += len(outcomes) - recorded // here, because the pipeline may run again
	return ended, err
}

func collectClaimed(rows pgx.Rows, n int) (claimed []ledger.Recipient, ended int, err error) {
	defer rows.Close()
	for rows.Next() {
		var d ledger.Recipient
		var sendable bool
		if err := rows.Scan(&d.Seq, &d.Attempts, &d.Uncertain, &d.UserID, &d.Name, &d.Email, &d.Phone, &d.Locale, &d.Timezone, &sendable); err != nil {
			return nil, 0, fmt.Errorf("claim: %w", err)
		}
		if !sendable {
			ended++
			continue
		}
		if claimed == nil {
			claimed = make([]ledger.Recipient, 0, n)
		}
		claimed = append(claimed, d)
	}
	return claimed, ended, rows.Err()
}

// columns turns outcomes into the arrays that recordRows takes.
func columns(outcomes []ledger.Outcome) []any {
	n := len(outcomes)
	seqs, statuses, attempts, uncertain := make([]int64, n), make([]int16, n), make([]int32, n), make([]bool, n)
	retryIn, reasons, providers := make([]int64, n), make([]string, n), make([]string, n)
	for i, o := range outcomes {
		seqs[i], statuses[i], attempts[i], uncertain[i] = o.Seq, int16(row.StatusNumber(o.Status)), int32(o.Attempts), o.Uncertain
		retryIn[i], reasons[i], providers[i] = o.RetryIn.Milliseconds(), row.Text(o.Reason), row.Text(o.ProviderID)
	}
	return []any{seqs, statuses, attempts, uncertain, retryIn, reasons, providers}
}

// batchOf is the batch $1 event id, $2 channel, $3 seq with what its event allows.
const batchOf = `SELECT e.seq AS event_seq, b.first_user, b.last_user, b.started_at IS NULL AS fresh, e.category, clock.now,
		CASE WHEN e.status = 'cancelled' THEN 7 WHEN e.expires_at <= clock.now THEN 8 ELSE 0 END AS closing
	FROM (SELECT ` + now + ` AS now OFFSET 0) clock CROSS JOIN events e JOIN batches b ON b.event_seq = e.seq
	WHERE e.id = $1 AND b.channel = $2 AND b.seq = $3`

// inBatch selects the deliveries d of the batch b. It is no join, on purpose:
// while nothing has been analyzed, as after a first import, PostgreSQL takes a
// join the wrong way round and reads the whole event for each batch.
const inBatch = `d.event_seq = (SELECT event_seq FROM b) AND d.channel = $2
	AND d.user_seq BETWEEN (SELECT first_user FROM b) AND (SELECT last_user FROM b)`

// goneInBatch are the leases that hold rows of the batch b and are gone. They are listed
// apart because a statement sees the newest version of a row that another has changed
// meanwhile, but not a lease that was opened after the statement began: asked row by row, such a
// lease would look like one that is gone, and two workers would hold the row.
const goneInBatch = `SELECT d.lease_id FROM deliveries d WHERE ` + inBatch + ` AND d.status = 1
	AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.id = d.lease_id)`

// recordRows records outcomes of rows that lease $4 holds: also after its end,
// as long as nobody has taken them over. A row that an
// earlier or this try may have reached ends as uncertain instead of sent,
// cancelled or expired; one to be tried again ends with its event.
//
// Whether the lease is alive is asked once, here, and kept for claimRows in a
// setting of the transaction: were each to ask for itself, the clock could come
// between and leave rows claimed that the caller is told nothing of.
const recordRows = `WITH b AS MATERIALIZED (` + batchOf + `),
	held AS MATERIALIZED (
		SELECT set_config('schoolbell.lease', CASE WHEN EXISTS (SELECT 1 FROM leases WHERE id = $4 AND expires_at > clock_timestamp())
			THEN 'held' ELSE 'ended' END, true) = 'held' AS alive FROM b),
	done AS (
		UPDATE deliveries d SET
			status = CASE WHEN (d.uncertain OR o.uncertain) AND o.final IN (2, 7, 8) THEN 6 ELSE o.final END,
			attempts = o.attempts, uncertain = d.uncertain OR o.uncertain, lease_id = NULL,
			retry_at = CASE WHEN o.final = 0 AND o.retry_in > 0 THEN o.now + o.retry_in * interval '1 ms' END,
			reason = nullif(o.reason, ''), provider_id = nullif(o.provider, ''), updated_at = o.now
		FROM (SELECT r.*, b.*, CASE WHEN r.status = 0 AND b.closing <> 0 THEN b.closing ELSE r.status END AS final
			FROM b CROSS JOIN
				unnest($5::bigint[], $6::smallint[], $7::integer[], $8::boolean[], $9::bigint[], $10::text[], $11::text[])
					r(user_seq, status, attempts, uncertain, retry_in, reason, provider)) o
		WHERE ` + inBatch + ` AND d.user_seq = o.user_seq AND d.status = 1 AND d.lease_id = $4
		RETURNING 1)
	SELECT alive, (SELECT count(*) FROM done) FROM held`

// claimRows takes up to $5 rows for lease $4. Rows that may no longer be sent are
// suppressed instead, and returned as not sendable. It asks only whether a row's
// lease is there (goneInBatch), because leases that ended were deleted just before.
const claimRows = `WITH b AS MATERIALIZED (` + batchOf + ` AND current_setting('schoolbell.lease') = 'held'),
	free AS MATERIALIZED (
		SELECT d.user_seq, d.attempts, d.uncertain OR d.status = 1 AS uncertain
		FROM deliveries d
		WHERE (SELECT closing = 0 FROM b) AND ` + inBatch + `
			AND (d.status = 0 AND (d.retry_at IS NULL OR d.retry_at <= (SELECT b.now FROM b))
				OR d.status = 1 AND d.lease_id = ANY(ARRAY(` + goneInBatch + `)))
		ORDER BY d.user_seq LIMIT $5 FOR UPDATE SKIP LOCKED),
	judged AS MATERIALIZED (
		SELECT f.*, u.id, u.name, u.email, u.phone, u.locale, u.timezone, b.event_seq, b.now,
			CASE WHEN CASE $2 WHEN 2 THEN u.email WHEN 3 THEN u.phone ELSE '' END = '' THEN 'no_address'
				WHEN b.category NOT IN ('urgent', 'attendance') AND EXISTS (SELECT 1 FROM preferences p
					WHERE p.user_seq = f.user_seq AND p.category = b.category AND p.channel = $2 AND p.opted_out) THEN 'opted_out' END AS unsendable
		FROM free f JOIN users u ON u.seq = f.user_seq CROSS JOIN b),
	taken AS (
		UPDATE deliveries d SET
			status = CASE WHEN j.unsendable IS NULL THEN 1 WHEN j.uncertain THEN 6 ELSE 5 END,
			uncertain = j.uncertain, lease_id = CASE WHEN j.unsendable IS NULL THEN $4::bigint END, retry_at = NULL,
			reason = coalesce(j.unsendable, d.reason), updated_at = j.now
		FROM judged j WHERE d.event_seq = j.event_seq AND d.channel = $2 AND d.user_seq = j.user_seq),
	started AS (
		UPDATE batches SET started_at = b.now FROM b
		WHERE b.fresh AND batches.event_seq = b.event_seq AND batches.channel = $2 AND batches.seq = $3
			AND EXISTS (SELECT 1 FROM judged WHERE unsendable IS NULL))
	SELECT user_seq, attempts, uncertain, id, name, email, phone, locale, timezone, unsendable IS NULL FROM judged ORDER BY user_seq`

// batchState says how the batch's rows stand, after ending those of a closed event,
// and marks the batch finished when all are terminal.
func (s Deliveries) batchState(ctx context.Context, batch ledger.Batch, g *ledger.Grant) error {
	args := []any{batch.EventID, row.ChannelNumber(batch.Channel), batch.Seq}
	var b pgx.Batch
	b.Queue(lockBatch, args...)
	b.Queue(closeBatchRows, args...)
	b.Queue(countBatchRows, args...)
	b.Queue(finishBatch, args...)
	return s.DB.pipeline(ctx, "count batch", &b, func(r pgx.BatchResults) error {
		for range 2 {
			if _, err := r.Exec(); err != nil {
				return err
			}
		}
		rows, err := r.Query()
		if err != nil {
			return err
		}
		if err := countRows(rows, g); err != nil {
			return err
		}
		_, err = r.Exec()
		return err
	})
}

func countRows(rows pgx.Rows, g *ledger.Grant) error {
	defer rows.Close()
	next := int64(-1)
	for rows.Next() {
		var status, n int
		var in int64
		if err := rows.Scan(&status, &n, &in); err != nil {
			return err
		}
		g.Counts.Add(row.Status(status), n)
		switch status {
		case row.Pending:
			g.Pending = n
		case row.Sending:
			g.Sending = n
		default:
			continue
		}
		if next < 0 || in < next {
			next = in
		}
	}
	g.NextIn, g.Finished = duration(max(next, 0)), g.Pending+g.Sending == 0
	return rows.Err()
}

const (
	// RetryFailed reopens batches under the same lock: without it a batch could
	// be marked finished by a count from before that.
	lockBatch = "SELECT 1 FROM batches b JOIN events e ON e.seq = b.event_seq WHERE e.id = $1 AND b.channel = $2 AND b.seq = $3 FOR UPDATE OF b"

	closeBatchRows = `WITH b AS MATERIALIZED (` + batchOf + `)
		UPDATE deliveries d SET
			status = CASE WHEN d.uncertain OR d.status = 1 THEN 6 ELSE (SELECT closing FROM b) END,
			uncertain = d.uncertain OR d.status = 1, lease_id = NULL, retry_at = NULL, updated_at = (SELECT b.now FROM b)
		WHERE (SELECT closing <> 0 FROM b) AND ` + inBatch + `
			AND (d.status = 0 OR d.status = 1 AND d.lease_id = ANY(ARRAY(` + goneInBatch + `)))`

	countBatchRows = `WITH b AS MATERIALIZED (` + batchOf + `)
		SELECT d.status, count(*), min(greatest(coalesce(ceil(extract(epoch FROM
			CASE d.status WHEN 0 THEN d.retry_at WHEN 1 THEN l.expires_at END - (SELECT b.now FROM b)) * 1000), 0), 0))::bigint
		FROM deliveries d LEFT JOIN leases l ON d.status = 1 AND l.id = d.lease_id
		WHERE ` + inBatch + ` GROUP BY d.status`

	finishBatch = `WITH b AS MATERIALIZED (` + batchOf + `)
		UPDATE batches SET finished_at = (SELECT b.now FROM b)
		WHERE event_seq = (SELECT event_seq FROM b) AND channel = $2 AND seq = $3 AND finished_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE ` + inBatch + ` AND d.status IN (0, 1))`
)
