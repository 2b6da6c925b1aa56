package postgres

import "schoolbell/internal/store/row"

// The statements of Deliveries.Advance, in the order in which it runs them: lockAdvanced for all steps of a
// transaction, each of the others for one step. A variant of them that took arrays, for all steps at a time, was
// measured to cost more for up to three steps, and little less for four.

const (
	// namedBatch selects rows by the batch @batch of the wave @wave of the event @event_id on the channel
	// @channel_name.
	namedBatch = `
	FROM batches b
	JOIN events e ON e.seq = b.event_seq
	JOIN waves w ON w.event_seq = b.event_seq AND w.n = b.wave
	JOIN channels c ON c.id = b.channel
	JOIN categories g ON g.id = e.category
	WHERE e.id = @event_id AND b.wave = @wave AND c.name = @channel_name AND b.seq = @batch`

	// inBatch is true for the deliveries d of the batch that the transaction has locked.
	inBatch = `d.event_seq = @event AND d.wave = @wave AND d.channel = @channel AND d.user_seq BETWEEN @first AND @last`

	// ofBatch is true for the claims c of the batch that the transaction has locked.
	ofBatch = `c.event_seq = @event AND c.wave = @wave AND c.channel = @channel AND c.batch = @batch`

	// thisBatch is true for the row b of the batch that the transaction has locked.
	thisBatch = `b.event_seq = @event AND b.wave = @wave AND b.channel = @channel AND b.seq = @batch`
)

// lockAdvanced keeps others from changing the batches, their deliveries and their claims. It locks in the order
// of keys, so that two transactions do not wait for each other.
const lockAdvanced = `
	SELECT 1
	FROM unnest(@event_ids::text[], @waves::smallint[], @channel_names::text[], @batches::integer[]) s(event_id, wave, channel, batch)
	JOIN events e ON e.id = s.event_id
	JOIN channels c ON c.name = s.channel
	JOIN batches b ON b.event_seq = e.seq AND b.wave = s.wave AND b.channel = c.id AND b.seq = s.batch
	ORDER BY b.event_seq, b.wave, b.channel, b.seq
	FOR UPDATE OF b`

// readBatch selects what Advance must know of the batch. It is a statement of its own because lockAdvanced may wait,
// and sees what was committed before it began to wait.
//
// It checks whether the lease @lease is alive, once for the whole transaction. If each statement checked, the
// lease could end between two of them, and rows would stay claimed that the caller was not told about.
var readBatch = row.SQL(`
	SELECT b.event_seq, b.channel, b.first_user, b.last_user, ` + now + `, ` + closing("clock_timestamp()") + `,
		e.status = {event_held}, w.restored, w.notice, e.revision, e.digest, b.finished_at IS NULL, b.in_work, b.follows,
		w.only_if = {unacknowledged},
		EXISTS (
			SELECT 1 FROM claims k
			WHERE k.event_seq = b.event_seq AND k.wave = b.wave AND k.channel = b.channel AND k.batch = b.seq
				AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.id = k.lease_id)),
		EXISTS (SELECT 1 FROM leases l WHERE l.id = @lease AND l.expires_at > clock_timestamp()),
		e.category, g.mandatory, c.addressed, c.every_address` + namedBatch)

// beginWork puts the batch into work: the totals do not count its deliveries any more.
var beginWork = row.SQL(`
	WITH b AS (
		UPDATE batches b
		SET in_work = true
		WHERE ` + thisBatch + `)
	` + intoTotals + `
		SELECT @event::bigint, @wave::smallint, @channel::smallint, d.status, d.outcome, ` + batchShard + `, -count(*)
		FROM deliveries d
		WHERE ` + inBatch + addTotals)

// recordRows records the attempts of the rows that claims of @lease hold, and deletes these claims. It also
// does so after the end of the lease, as long as no other worker has taken its claims over. Rows of a claim
// that no attempt is about stay claimed. A row that this attempt or an earlier one may have sent ends as
// uncertain instead of sent, cancelled or expired. The rows get the revision @revision. A row that waits for a retry ends with its event, and one
// that awaits a receipt which came is sent. It also changes the states of addresses of those users whose rows
// it records.
var recordRows = row.SQL(recordAttempts("CASE WHEN r.status = {pending} AND r.reason = {awaiting_receipt} THEN "+receiptCame+" ELSE false END") + `,
	bad AS (
		UPDATE addresses a
		SET state = x.state, reason = x.reason, updated_at = @now
		FROM unnest(@bad_users::bigint[], @bad_addresses::text[], @bad_states::smallint[], @bad_reasons::text[])
			x(user_seq, address, state, reason)
		WHERE a.user_seq = x.user_seq AND a.channel = @channel AND a.address = x.address
			AND x.user_seq IN (SELECT user_seq FROM recorded))` + countRecorded)

// recordPlainRows is recordRows for attempts that await no receipt and say nothing about an address. PostgreSQL
// begins each part of a statement even if no row needs it: with these two parts, recording costs 10 % more.
var recordPlainRows = row.SQL(recordAttempts("false") + countRecorded)

// countRecorded ends recordRows: it returns how many rows it recorded.
const countRecorded = `
	SELECT count(*) FROM recorded`

// recordAttempts begins recordRows: it records the attempts, and selects the users as recorded. accepted is the
// condition that the receipt came which the row d awaits by the attempt r. It looks each row up by the primary
// key and updates it by its place, which nobody can change while the batch is locked: other joins would read
// the batch once for each attempt as long as no table was analyzed.
func recordAttempts(accepted string) string {
	return `
	WITH released AS (
		DELETE FROM claims c
		WHERE ` + ofBatch + ` AND c.lease_id = @lease AND c.users && @users::bigint[]
		RETURNING c.users, c.revision),
	kept AS (
		INSERT INTO claims (event_seq, wave, channel, batch, revision, lease_id, users)
		SELECT @event, @wave, @channel, @batch, revision, @lease, ARRAY(SELECT u FROM unnest(users) u WHERE u <> ALL (@users))
		FROM released
		WHERE NOT users <@ @users),
	reported AS MATERIALIZED (
		SELECT r.*, d.tableoid, d.ctid, d.accepted,
			CASE WHEN d.accepted THEN {sent} WHEN r.status = {pending} THEN @closing::smallint ELSE r.status END AS final
		FROM unnest(@users, @statuses::smallint[], @attempts::integer[], @uncertain::boolean[],
				@retry_in::bigint[], @reasons::text[], @providers::text[])
			r(user_seq, status, attempts, uncertain, retry_in, reason, provider)
		CROSS JOIN LATERAL (
			SELECT d.tableoid, d.ctid, ` + accepted + ` AS accepted
			FROM deliveries d
			WHERE d.event_seq = @event AND d.wave = @wave AND d.channel = @channel AND d.user_seq = r.user_seq
			OFFSET 0) d
		WHERE r.user_seq = ANY (ARRAY(SELECT unnest(users) FROM released))),
	recorded AS (
		UPDATE deliveries d
		SET status = CASE
				WHEN (d.uncertain OR r.uncertain AND NOT r.accepted) AND r.final IN ({sent}, {cancelled}, {expired}) THEN {uncertain}
				ELSE r.final
			END,
			attempts = r.attempts,
			uncertain = d.uncertain OR r.uncertain AND NOT r.accepted,
			retry_at = CASE WHEN r.final = {pending} AND r.retry_in > 0 THEN @now::timestamptz + r.retry_in * interval '1 ms' END,
			reason = CASE WHEN NOT r.accepted THEN nullif(r.reason, '') END,
			provider_id = nullif(r.provider, ''),
			revision = @revision,
			updated_at = @now
		FROM reported r
		WHERE d.tableoid = r.tableoid AND d.ctid = r.ctid
		RETURNING d.user_seq)`
}

// settleRows deletes the claims of the batch whose leases are gone. Their rows are uncertain. With a @hold, in
// milliseconds, they await a receipt, or are sent if one came, unless they were uncertain before. If the status
// @closing is not that of pending rows, the rows that no worker holds get it, but those that an attempt may
// have sent end as uncertain.
var settleRows = row.SQL(`
	WITH gone AS (
		DELETE FROM claims c
		WHERE ` + ofBatch + ` AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.id = c.lease_id)
		RETURNING c.users)
	UPDATE deliveries d
	SET status = CASE
			WHEN p.accepted THEN {sent}
			WHEN @closing::smallint = {pending} THEN {pending}
			WHEN p.uncertain THEN {uncertain}
			ELSE @closing
		END,
		uncertain = p.uncertain,
		retry_at = CASE WHEN p.awaits THEN @now::timestamptz + @hold::bigint * interval '1 ms' END,
		reason = CASE WHEN p.awaits THEN {awaiting_receipt} WHEN p.gone AND @hold > 0 THEN NULL ELSE d.reason END,
		updated_at = @now
	FROM (
		SELECT d.tableoid, d.ctid, g.gone, g.accepted, (d.uncertain OR g.gone) AND NOT g.accepted AS uncertain,
			g.gone AND NOT g.accepted AND @hold > 0 AND NOT d.uncertain AND @closing = {pending} AS awaits
		FROM deliveries d
		CROSS JOIN LATERAL (
			SELECT d.user_seq IN (SELECT unnest(users) FROM gone) AS gone,
				CASE WHEN @hold > 0 AND NOT d.uncertain AND d.user_seq IN (SELECT unnest(users) FROM gone) THEN ` + receiptCame + `
					ELSE false END AS accepted
			OFFSET 0) g
		WHERE ` + inBatch + `
			AND d.status = {pending}
			AND (g.gone OR @closing <> {pending} AND d.user_seq NOT IN (SELECT unnest(c.users) FROM claims c WHERE ` + ofBatch + `))) p
	WHERE d.tableoid = p.tableoid AND d.ctid = p.ctid`)

// claimRows claims up to @limit rows for @lease: it inserts a claim and leaves the rows as they are. Rows that
// must not be sent any more are suppressed instead, and returned with the reason. Rows whose users want them in a digest are
// only returned: suppressForDigest ends them in a further transaction, so that others do not pay for it. A setting of the transaction
// tells countBatchRows in which step there is a claim.
var claimRows = row.SQL(`
	WITH claimable AS MATERIALIZED (
		SELECT d.tableoid, d.ctid, d.user_seq, d.attempts, d.uncertain
		FROM deliveries d
		WHERE ` + inBatch + `
			AND d.status = {pending}
			AND (d.retry_at IS NULL OR d.retry_at <= @now)
			AND d.user_seq NOT IN (SELECT unnest(c.users) FROM claims c WHERE ` + ofBatch + `)
		ORDER BY d.user_seq
		LIMIT @limit),
	checked AS MATERIALIZED (
		SELECT f.*, u.id, u.name, u.locale, u.timezone, u.quiet_hours, a.addresses,
			@shared AND a.shared AS shared,
			CASE
				WHEN @addressed AND a.addresses IS NULL THEN ` + withoutAddress("f.user_seq", "@channel") + `
				WHEN NOT @mandatory THEN (
					SELECT CASE w.mode WHEN {off} THEN {opted_out} WHEN {digest} THEN {in_digest} END
					FROM preferences w
					WHERE w.user_seq = f.user_seq AND w.category = @category AND w.channel = @channel)
			END AS unreachable
		FROM claimable f
		JOIN users u ON u.seq = f.user_seq
		CROSS JOIN LATERAL (
			SELECT array_agg(a.address) AS addresses, coalesce(bool_or(a.shared), false) AS shared
			FROM (
				SELECT a.address, a.shared FROM addresses a
				WHERE a.user_seq = f.user_seq AND a.channel = @channel AND a.state IN ({usable})
				ORDER BY a.position
				LIMIT @addresses) a
			OFFSET 0) a),
	suppressed AS (
		UPDATE deliveries d
		SET status = CASE WHEN k.uncertain THEN {uncertain} ELSE {suppressed} END,
			retry_at = NULL,
			reason = k.unreachable,
			updated_at = @now
		FROM checked k
		WHERE k.unreachable IS NOT NULL AND k.unreachable <> {in_digest} AND d.tableoid = k.tableoid AND d.ctid = k.ctid),
	claimed AS (
		INSERT INTO claims (event_seq, wave, channel, batch, revision, lease_id, users)
		SELECT @event, @wave, @channel, @batch, @revision, @lease, array_agg(user_seq)
		FROM checked
		WHERE unreachable IS NULL
		HAVING count(*) > 0
		RETURNING set_config('schoolbell.claimed', @step, true))
	SELECT user_seq, attempts, uncertain, id, name, addresses, locale, timezone, quiet_hours, shared, unreachable
	FROM checked
	ORDER BY user_seq`)

// nothingClaimed is the condition that claimRows has claimed nothing in the step @step of this transaction.
const nothingClaimed = "current_setting('schoolbell.claimed', true) IS DISTINCT FROM @step"

// countBatchRows counts the rows of the batch by status, outcome and whether a claim holds them, unless
// claimRows has claimed some. It returns the milliseconds until the first of the pending ones is due or the
// first lease of a claim ends. If no claim is left, it takes the batch out of work, and marks it finished if
// all of its rows are terminal.
var countBatchRows = row.SQL(`
	WITH held AS MATERIALIZED (
		SELECT unnest(c.users) AS user_seq, l.expires_at
		FROM claims c
		LEFT JOIN leases l ON l.id = c.lease_id
		WHERE ` + nothingClaimed + ` AND ` + ofBatch + `),
	counted AS MATERIALIZED (
		SELECT d.status, d.outcome, h.user_seq IS NOT NULL AS claimed, count(*) AS n,
			min(` + milliseconds("CASE WHEN h.user_seq IS NULL THEN d.retry_at ELSE h.expires_at END - @now::timestamptz") + `) AS next
		FROM deliveries d
		LEFT JOIN held h ON h.user_seq = d.user_seq
		WHERE ` + nothingClaimed + ` AND ` + inBatch + `
		GROUP BY d.status, d.outcome, h.user_seq IS NOT NULL),
	ended AS (
		UPDATE batches b
		SET in_work = false,
			finished_at = CASE WHEN NOT EXISTS (SELECT 1 FROM counted WHERE status = {pending}) THEN @now END
		WHERE ` + nothingClaimed + ` AND NOT EXISTS (SELECT 1 FROM held) AND ` + thisBatch + ` AND b.in_work
		RETURNING 1),
	added AS (` + intoTotals + `
		SELECT @event::bigint, @wave::smallint, @channel::smallint, n.status, n.outcome, ` + batchShard + `, sum(n.n)
		FROM ended
		CROSS JOIN counted n` + addTotals + `)
	SELECT status, outcome, claimed, n, next FROM counted`)
