package postgres

import (
	"context"
	"fmt"

	"schoolbell"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Deliveries implements ledger.Deliveries.
type Deliveries struct{ DB *DB }

// Advance implements ledger.Deliveries. It is one round trip, and one more when
// nothing could be claimed.
func (s Deliveries) Advance(ctx context.Context, lease ledger.Lease, batch ledger.Batch, attempts []ledger.Attempt, claim int) (g ledger.Grant, err error) {
	for {
		ended, err := s.recordAndClaim(ctx, lease, batch, attempts, claim, &g)
		if err != nil {
			return ledger.Grant{}, err
		}
		if len(g.Recipients) > 0 {
			return g, nil
		}
		if ended == 0 {
			break
		}
		attempts = nil // recorded; all claimed rows were ended: look for others
	}
	if err := s.batchState(ctx, batch, &g); err != nil {
		return ledger.Grant{}, err
	}
	return g, nil
}

// recordAndClaim adds to g what was lost and claimed, and returns how many rows
// it ended in place of claiming them.
func (s Deliveries) recordAndClaim(ctx context.Context, lease ledger.Lease, batch ledger.Batch, attempts []ledger.Attempt, claim int, g *ledger.Grant) (ended int, err error) {
	of := namedBatch(batch).with(named{"lease": lease.ID})
	var b pgx.Batch
	b.Queue(sweepLeases)
	if bad := addressColumns(attempts); bad == nil {
		b.Queue(recordRows, of.with(columns(attempts)))
	} else {
		b.Queue(recordRowsAndAddresses, of.with(columns(attempts)).with(bad))
	}
	if claim > 0 {
		b.Queue(claimRows, of.with(named{"limit": claim, "all_addresses": schoolbell.MaxAddresses}))
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
			return fmt.Errorf("record attempts: %w", err)
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
	g.Lost += len(attempts) - recorded // here, because the pipeline may run again
	return ended, err
}

func collectClaimed(rows pgx.Rows, n int) (claimed []ledger.Recipient, ended int, err error) {
	defer rows.Close()
	for rows.Next() {
		var d ledger.Recipient
		var sendable bool
		if err := rows.Scan(&d.Seq, &d.Attempts, &d.Uncertain, &d.UserID, &d.Name, &d.Addresses, &d.Locale, &d.Timezone, &sendable); err != nil {
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
	return named{"event_id": b.EventID, "wave": b.Wave, "channel": b.Channel, "batch": b.Seq}
}

// columns returns attempts as the arrays that recordRows takes.
func columns(attempts []ledger.Attempt) named {
	n := len(attempts)
	seqs, statuses, spent, uncertain := make([]int64, n), make([]int16, n), make([]int32, n), make([]bool, n)
	retryIn, reasons, providers := make([]int64, n), make([]string, n), make([]string, n)
	for i, a := range attempts {
		seqs[i], statuses[i], spent[i], uncertain[i] = a.Seq, int16(row.StatusNumber(a.Status)), int32(a.Spent), a.Uncertain
		retryIn[i], reasons[i], providers[i] = a.RetryIn.Milliseconds(), row.Text(a.Reason), row.Text(a.ProviderID)
	}
	return named{"users": seqs, "statuses": statuses, "attempts": spent, "uncertain": uncertain,
		"retry_in": retryIn, "reasons": reasons, "providers": providers}
}

// addressColumns returns the address changes of attempts as the arrays that recordRowsAndAddresses
// takes, nil if there are none.
func addressColumns(attempts []ledger.Attempt) named {
	var users []int64
	var addresses, reasons []string
	var states []int16
	for _, a := range attempts {
		for _, c := range a.Addresses {
			users, addresses, reasons = append(users, a.Seq), append(addresses, c.Address), append(reasons, row.Text(c.Reason))
			states = append(states, int16(row.StateNumber(c.State)))
		}
	}
	if users == nil {
		return nil
	}
	return named{"bad_users": users, "bad_addresses": addresses, "bad_states": states, "bad_reasons": reasons}
}

var (
	// batchOf selects the batch @batch of the wave @wave of the event @event_id on @channel, with what
	// its event allows.
	batchOf = `
		SELECT e.seq AS event_seq, b.wave, b.channel, b.seq, b.first_user, b.last_user, b.started_at IS NULL AS fresh,
			e.category, clock.now, ` + closing("clock.now") + ` AS closing
		FROM ` + clock + `
		CROSS JOIN events e
		CROSS JOIN channels c
		JOIN batches b ON b.event_seq = e.seq AND b.channel = c.id
		WHERE e.id = @event_id AND b.wave = @wave AND c.name = @channel AND b.seq = @batch`

	// inBatch is true for the deliveries d of the batch b. It is deliberately not a join: as long as
	// no table was analyzed, as after a first import, PostgreSQL would start a join at the deliveries
	// and read the whole event for each batch.
	inBatch = `d.event_seq = (SELECT event_seq FROM b)
			AND d.wave = (SELECT wave FROM b)
			AND d.channel = (SELECT channel FROM b)
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

// recordRows records the attempts of rows that @lease holds. It also does so after the end of the
// lease, as long as no other worker has claimed them. A row that this attempt or an earlier one may
// have sent ends as uncertain instead of sent, cancelled or expired. A row that waits for a retry
// ends with its event.
//
// It checks once whether the lease is alive, and keeps the answer for claimRows in a setting of the
// transaction. If each statement checked, the lease could end between the two, and rows would stay
// claimed that the caller was not told about.
var recordRows = row.SQL(recordAttempts + countRecorded)

// recordAttempts begins recordRows: it records the attempts, and selects the users as recorded.
var recordAttempts = `
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
		RETURNING d.user_seq)`

// countRecorded ends recordRows: it returns whether the lease is alive, and how many rows it recorded.
const countRecorded = `
	SELECT alive, (SELECT count(*) FROM recorded) FROM held`

// recordRowsAndAddresses also changes the states of addresses of those users whose rows it records.
var recordRowsAndAddresses = row.SQL(recordAttempts + `,
	bad AS (
		UPDATE addresses a
		SET state = x.state, reason = x.reason, updated_at = b.now
		FROM b
		CROSS JOIN unnest(@bad_users::bigint[], @bad_addresses::text[], @bad_states::smallint[], @bad_reasons::text[])
			x(user_seq, address, state, reason)
		WHERE a.user_seq = x.user_seq AND a.channel = b.channel AND a.address = x.address
			AND x.user_seq IN (SELECT user_seq FROM recorded))` + countRecorded)

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
		SELECT f.*, u.id, u.name, u.locale, u.timezone, b.event_seq, b.wave, b.channel, b.now,
			` + unreachable("f.user_seq", "b.category", "g.mandatory") + ` AS unreachable,
			ARRAY(
				SELECT a.address FROM addresses a
				WHERE a.user_seq = f.user_seq AND a.channel = b.channel AND a.state IN ({usable})
				ORDER BY a.position
				LIMIT (SELECT CASE WHEN every_address THEN @all_addresses ELSE 1 END FROM channels WHERE name = @channel)) AS addresses
		FROM claimable f
		JOIN users u ON u.seq = f.user_seq
		CROSS JOIN b
		JOIN channels c ON c.id = b.channel
		JOIN categories g ON g.id = b.category),
	claimed AS (
		UPDATE deliveries d
		SET status = CASE WHEN k.unreachable IS NULL THEN {sending} WHEN k.uncertain THEN {uncertain} ELSE {suppressed} END,
			uncertain = k.uncertain,
			lease_id = CASE WHEN k.unreachable IS NULL THEN @lease::bigint END,
			retry_at = NULL,
			reason = coalesce(k.unreachable, d.reason),
			updated_at = k.now
		FROM checked k
		WHERE d.event_seq = k.event_seq AND d.wave = k.wave AND d.channel = k.channel AND d.user_seq = k.user_seq),
	started AS (
		UPDATE batches
		SET started_at = b.now
		FROM b
		WHERE b.fresh
			AND batches.event_seq = b.event_seq AND batches.wave = b.wave AND batches.channel = b.channel AND batches.seq = b.seq
			AND EXISTS (SELECT 1 FROM checked WHERE unreachable IS NULL))
	SELECT user_seq, attempts, uncertain, id, name, addresses, locale, timezone, unreachable IS NULL
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
		var status, outcome, n int
		var in int64
		if err := rows.Scan(&status, &outcome, &n, &in); err != nil {
			return err
		}
		g.Counts.Add(row.Status(status), row.Outcome(outcome), n)
		switch status {
		case row.Pending:
			g.Pending += n
		case row.Sending:
			g.Sending += n
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
	JOIN channels c ON c.id = b.channel
	WHERE e.id = @event_id AND b.wave = @wave AND c.name = @channel AND b.seq = @batch
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

// countBatchRows counts the rows of the batch by status and outcome, with the milliseconds until the first of the
// pending ones is due or the first lease on the sending ones ends.
var countBatchRows = row.SQL(`
	WITH b AS MATERIALIZED (` + batchOf + `)
	SELECT d.status, d.outcome, count(*),
		min(` + milliseconds("CASE d.status WHEN {pending} THEN d.retry_at WHEN {sending} THEN l.expires_at END - (SELECT b.now FROM b)") + `)
	FROM deliveries d
	LEFT JOIN leases l ON d.status = {sending} AND l.id = d.lease_id
	WHERE ` + inBatch + `
	GROUP BY d.status, d.outcome`)

// finishBatch marks the batch finished if all of its rows are terminal.
var finishBatch = row.SQL(`
	WITH b AS MATERIALIZED (` + batchOf + `)
	UPDATE batches
	SET finished_at = (SELECT b.now FROM b)
	WHERE event_seq = (SELECT event_seq FROM b) AND wave = (SELECT wave FROM b)
		AND channel = (SELECT channel FROM b) AND seq = @batch
		AND finished_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE ` + inBatch + ` AND d.status IN ({open}))`)
