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
	of := namedBatch(batch).with(named{"lease": lease.ID})
	var b pgx.Batch
	b.Queue(sweepLeases)
	b.Queue(recordRows, of.with(columns(outcomes)))
	if claim > 0 {
		b.Queue(claimRows, of.with(named{"limit": claim}))
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

// namedBatch returns the parameters of batchOf.
func namedBatch(b ledger.Batch) named {
	return named{"event_id": b.EventID, "channel": row.ChannelNumber(b.Channel), "batch": b.Seq}
}

// columns returns outcomes as the arrays that recordRows takes.
func columns(outcomes []ledger.Outcome) named {
	n := len(outcomes)
	seqs, statuses, attempts, uncertain := make([]int64, n), make([]int16, n), make([]int32, n), make([]bool, n)
	retryIn, reasons, providers := make([]int64, n), make([]string, n), make([]string, n)
	for i, o := range outcomes {
		seqs[i], statuses[i], attempts[i], uncertain[i] = o.Seq, int16(row.StatusNumber(o.Status)), int32(o.Attempts), o.Uncertain
		retryIn[i], reasons[i], providers[i] = o.RetryIn.Milliseconds(), row.Text(o.Reason), row.Text(o.ProviderID)
	}
	return named{"users": seqs, "statuses": statuses, "attempts": attempts, "uncertain": uncertain,
		"retry_in": retryIn, "reasons": reasons, "providers": providers}
}

var (
	// batchOf selects the batch @batch of the event @event_id on @channel, with what its event allows.
	batchOf = `
		SELECT e.seq AS event_seq, b.first_user, b.last_user, b.started_at IS NULL AS fresh, e.category, clock.now,
			` + closing("clock.now") + ` AS closing
		FROM ` + clock + `
		CROSS JOIN events e
		JOIN batches b ON b.event_seq = e.seq
		WHERE e.id = @event_id AND b.channel = @channel AND b.seq = @batch`

	// inBatch is true for the deliveries d of the batch b. It is deliberately not a join: as long as
	// no table was analyzed, as after a first import, PostgreSQL would start a join at the deliveries
	// and read the whole event for each batch.
	inBatch = `d.event_seq = (SELECT event_seq FROM b)
			AND d.channel = @channel
			AND d.user_seq BETWEEN (SELECT first_user FROM b) AND (SELECT last_user FROM b)`

	// goneInBatch lists the leases that hold rows of the batch b and are gone. It is a list of its own
	// because a statement sees the newest version of a row that another transaction has changed
	// meanwhile, but not a lease that was opened after the statement began. Checked row by row, such a
	// lease would look gone, and two workers would hold the row.
	goneInBatch = `ARRAY(
				SELECT d.lease_id FROM deliveries d
				WHERE ` + inBatch + `
					AND d.status = {sending}
					AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.id = d.lease_id))`
)

// recordRows records the outcomes of rows that @lease holds. It also does so after the end of the
// lease, as long as no other worker has claimed them. A row that this attempt or an earlier one may
// have sent ends as uncertain instead of sent, cancelled or expired. A row that waits for a retry
// ends with its event.
//
// It checks once whether the lease is alive, and keeps the answer for claimRows in a setting of the
// transaction. If each statement checked, the lease could end between the two, and rows would stay
// claimed that the caller was not told about.
var recordRows = row.SQL(`
	WITH b AS MATERIALIZED (` + batchOf + `),
	held AS MATERIALIZED (
		SELECT set_config('schoolbell.lease',
			CASE
				WHEN EXISTS (SELECT 1 FROM leases WHERE id = @lease AND expires_at > clock_timestamp()) THEN 'held'
				ELSE 'ended'
			END, true) = 'held' AS alive
		FROM b),
	reported AS (
		SELECT r.*, b.*, CASE WHEN r.status = {pending} THEN b.closing ELSE r.status END AS final
		FROM b
		CROSS JOIN unnest(@users::bigint[], @statuses::smallint[], @attempts::integer[], @uncertain::boolean[],
				@retry_in::bigint[], @reasons::text[], @providers::text[])
			r(user_seq, status, attempts, uncertain, retry_in, reason, provider)),
	recorded AS (
		UPDATE deliveries d
		SET status = CASE
				WHEN (d.uncertain OR r.uncertain) AND r.final IN ({sent}, {cancelled}, {expired}) THEN {uncertain}
				ELSE r.final
			END,
			attempts = r.attempts,
			uncertain = d.uncertain OR r.uncertain,
			lease_id = NULL,
			retry_at = CASE WHEN r.final = {pending} AND r.retry_in > 0 THEN r.now + r.retry_in * interval '1 ms' END,
			reason = nullif(r.reason, ''),
			provider_id = nullif(r.provider, ''),
			updated_at = r.now
		FROM reported r
		WHERE ` + inBatch + `
			AND d.user_seq = r.user_seq
			AND d.status = {sending}
			AND d.lease_id = @lease
		RETURNING 1)
	SELECT alive, (SELECT count(*) FROM recorded) FROM held`)

// claimRows claims up to @limit rows for @lease. Rows that must not be sent any more are suppressed
// instead, and returned as not sendable. It checks only whether a row's lease is still there
// (goneInBatch), because sweepLeases has just deleted those that have ended.
var claimRows = row.SQL(`
	WITH b AS MATERIALIZED (` + batchOf + `
			AND current_setting('schoolbell.lease') = 'held'),
	claimable AS MATERIALIZED (
		SELECT d.user_seq, d.attempts, d.uncertain OR d.status = {sending} AS uncertain
		FROM deliveries d
		WHERE (SELECT closing = {pending} FROM b)
			AND ` + inBatch + `
			AND (d.status = {pending} AND (d.retry_at IS NULL OR d.retry_at <= (SELECT b.now FROM b))
				OR d.status = {sending} AND d.lease_id = ANY(` + goneInBatch + `))
		ORDER BY d.user_seq
		LIMIT @limit
		FOR UPDATE SKIP LOCKED),
	checked AS MATERIALIZED (
		SELECT c.*, u.id, u.name, u.email, u.phone, u.locale, u.timezone, b.event_seq, b.now,
			CASE
				WHEN ` + noAddress("@channel") + ` THEN {no_address}
				WHEN b.category NOT IN ({mandatory}) AND EXISTS (
					SELECT 1 FROM preferences p
					WHERE p.user_seq = c.user_seq AND p.category = b.category AND p.channel = @channel AND p.opted_out)
				THEN {opted_out}
			END AS unsendable
		FROM claimable c
		JOIN users u ON u.seq = c.user_seq
		CROSS JOIN b),
	claimed AS (
		UPDATE deliveries d
		SET status = CASE WHEN c.unsendable IS NULL THEN {sending} WHEN c.uncertain THEN {uncertain} ELSE {suppressed} END,
			uncertain = c.uncertain,
			lease_id = CASE WHEN c.unsendable IS NULL THEN @lease::bigint END,
			retry_at = NULL,
			reason = coalesce(c.unsendable, d.reason),
			updated_at = c.now
		FROM checked c
		WHERE d.event_seq = c.event_seq AND d.channel = @channel AND d.user_seq = c.user_seq),
	started AS (
		UPDATE batches
		SET started_at = b.now
		FROM b
		WHERE b.fresh
			AND batches.event_seq = b.event_seq AND batches.channel = @channel AND batches.seq = @batch
			AND EXISTS (SELECT 1 FROM checked WHERE unsendable IS NULL))
	SELECT user_seq, attempts, uncertain, id, name, email, phone, locale, timezone, unsendable IS NULL
	FROM checked
	ORDER BY user_seq`)

// batchState counts the batch's rows, after it has ended those of a closed event,
// and marks the batch finished when all are terminal.
func (s Deliveries) batchState(ctx context.Context, batch ledger.Batch, g *ledger.Grant) error {
	var b pgx.Batch
	for _, statement := range []string{lockBatch, closeBatchRows, countBatchRows, finishBatch} {
		b.Queue(statement, namedBatch(batch))
	}
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

// lockBatch keeps others from changing the batch. RetryFailed reopens batches under the same lock:
// without it, a count from before the reopening could mark the batch finished.
const lockBatch = `
	SELECT 1
	FROM batches b
	JOIN events e ON e.seq = b.event_seq
	WHERE e.id = @event_id AND b.channel = @channel AND b.seq = @batch
	FOR UPDATE OF b`

// closeBatchRows ends the rows of the batch that no worker holds, if the event is cancelled or has
// expired. A row whose worker was lost, or that an earlier attempt may have sent, is uncertain.
var closeBatchRows = row.SQL(`
	WITH b AS MATERIALIZED (` + batchOf + `)
	UPDATE deliveries d
	SET status = CASE WHEN d.uncertain OR d.status = {sending} THEN {uncertain} ELSE (SELECT closing FROM b) END,
		uncertain = d.uncertain OR d.status = {sending},
		lease_id = NULL,
		retry_at = NULL,
		updated_at = (SELECT b.now FROM b)
	WHERE (SELECT closing <> {pending} FROM b)
		AND ` + inBatch + `
		AND (d.status = {pending} OR d.status = {sending} AND d.lease_id = ANY(` + goneInBatch + `))`)

// countBatchRows counts the rows of the batch by status, with the milliseconds until the first of the
// pending ones is due or the first lease on the sending ones ends.
var countBatchRows = row.SQL(`
	WITH b AS MATERIALIZED (` + batchOf + `)
	SELECT d.status, count(*),
		min(` + milliseconds("CASE d.status WHEN {pending} THEN d.retry_at WHEN {sending} THEN l.expires_at END - (SELECT b.now FROM b)") + `)
	FROM deliveries d
	LEFT JOIN leases l ON d.status = {sending} AND l.id = d.lease_id
	WHERE ` + inBatch + `
	GROUP BY d.status`)

// finishBatch marks the batch finished if all of its rows are terminal.
var finishBatch = row.SQL(`
	WITH b AS MATERIALIZED (` + batchOf + `)
	UPDATE batches
	SET finished_at = (SELECT b.now FROM b)
	WHERE event_seq = (SELECT event_seq FROM b) AND channel = @channel AND seq = @batch
		AND finished_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE ` + inBatch + ` AND d.status IN ({open}))`)
