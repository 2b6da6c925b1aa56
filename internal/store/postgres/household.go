package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// FirstOfHouseholds implements ledger.Households. Its statements take the messages in one order, so that two calls do not wait for each other.
func (s Deliveries) FirstOfHouseholds(ctx context.Context, batch ledger.Batch, messages []ledger.HouseholdMessage) (first map[int64]int64, err error) {
	fingerprints, users := row.HouseholdCandidates(messages)
	of := named{"event_id": batch.EventID, "wave": batch.Wave, "channel_name": batch.Channel, "fingerprints": fingerprints}
	chosen := make(map[int64]int64, len(fingerprints))
	err = s.DB.write(ctx, "choose who gets messages of households", func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(addMessages, of.with(named{"users": users}))
		b.Queue(lockMessages, of)
		b.Queue(replaceFirst, of.with(named{"users": users}))
		var fingerprint, user int64
		queueEach(&b, findFirst, []any{of}, []any{&fingerprint, &user}, func() { chosen[fingerprint] = user })
		if err := tx.SendBatch(ctx, &b).Close(); err != nil || len(chosen) == len(fingerprints) {
			return err
		}
		return schoolbell.NotFound("event", batch.EventID)
	})
	first = make(map[int64]int64, len(messages))
	for _, m := range messages {
		first[m.User] = chosen[m.Fingerprint]
	}
	return first, err
}

// householdMessage is an expression for the message of a batch with the fingerprint x.fingerprint, by the whole key.
const householdMessage = `(
		SELECT m.ctid, m.user_seq
		FROM household_messages m
		WHERE m.event_seq = (SELECT seq FROM events WHERE id = @event_id) AND m.wave = @wave
			AND m.channel = (SELECT id FROM channels WHERE name = @channel_name) AND m.fingerprint = x.fingerprint
		OFFSET 0`

// The statements of FirstOfHouseholds, in this order. The fingerprints are sorted.
const (
	// addMessages makes @users those to whom messages are sent, unless there is somebody. It waits for calls that do the same.
	addMessages = `
	INSERT INTO household_messages (event_seq, wave, channel, fingerprint, user_seq)
	SELECT e.seq, @wave::smallint, c.id, x.fingerprint, x.user_seq
	FROM events e
	CROSS JOIN channels c
	CROSS JOIN unnest(@fingerprints::bigint[], @users::bigint[]) x(fingerprint, user_seq)
	WHERE e.id = @event_id AND c.name = @channel_name
	ORDER BY x.fingerprint
	ON CONFLICT DO NOTHING`

	// lockMessages keeps others from replacing anybody. The next statement sees what they have done.
	lockMessages = "SELECT 1 FROM unnest(@fingerprints::bigint[]) x(fingerprint) CROSS JOIN LATERAL " + householdMessage + " FOR UPDATE) m"

	// findFirst selects to whom messages are sent.
	findFirst = "SELECT x.fingerprint, m.user_seq FROM unnest(@fingerprints::bigint[]) x(fingerprint) CROSS JOIN LATERAL " + householdMessage + ") m"
)

// replaceFirst makes @users those to whom messages are sent for which there is nobody who gets, has got or cannot get them.
var replaceFirst = row.SQL(`
	UPDATE household_messages m
	SET user_seq = p.user_seq
	FROM (
		SELECT x.user_seq, m.ctid
		FROM unnest(@fingerprints::bigint[], @users::bigint[]) x(fingerprint, user_seq)
		CROSS JOIN LATERAL ` + householdMessage + `) m
		WHERE m.user_seq <> x.user_seq AND NOT coalesce((
			SELECT d.status IN ({sent}, {failed}, {uncertain}) OR d.status = {pending} AND d.same_as IS NULL
			FROM deliveries d
			WHERE d.event_seq = (SELECT seq FROM events WHERE id = @event_id) AND d.wave = @wave
				AND d.channel = (SELECT id FROM channels WHERE name = @channel_name) AND d.user_seq = m.user_seq), false)
		OFFSET 0) p
	WHERE m.ctid = p.ctid`)

// markShared marks the email addresses and phone numbers of users that others have too, as theirs and as those of the others. The
// transaction has the lock of people. It does not name the channels of n: PostgreSQL would then read the whole index for them.
var markShared = row.SQL(`
	WITH same AS MATERIALIZED (
		SELECT n.ctid AS mine, o.ctid AS other
		FROM addresses n
		CROSS JOIN LATERAL (
			SELECT o.ctid
			FROM addresses o
			WHERE lower(o.address COLLATE "C") = lower(n.address COLLATE "C") AND o.channel IN ({email}, {sms})
				AND o.channel = n.channel AND o.user_seq <> n.user_seq
			OFFSET 0) o
		WHERE n.user_seq = ANY ($1::bigint[]))
	UPDATE addresses a
	SET shared = true
	WHERE a.ctid = ANY (ARRAY(SELECT mine FROM same UNION SELECT other FROM same)) AND NOT a.shared`)

// follows reports whether a row of the batch follows another one, or does so from this step on.
func (a *advance) follows() bool {
	return a.hasFollowers || slices.ContainsFunc(a.Attempts, func(t ledger.Attempt) bool { return t.SameAs != 0 })
}

// follow queues the statements about rows that follow others: those of the attempts, and all that must be settled.
func (a *advance) follow(b *pgx.Batch, span named) {
	var users, firsts []int64
	for _, t := range a.Attempts {
		if t.SameAs != 0 {
			users, firsts = append(users, t.Seq), append(firsts, t.SameAs)
		}
	}
	if len(users) > 0 {
		b.Queue(followRows, a.key().with(named{"users": users, "firsts": firsts}))
	}
	b.Queue(settleFollowers, span.with(named{"now": a.now, "wait": ledger.FollowWait.Milliseconds()}))
}

// followRows lets rows of a batch follow those of the users @firsts from now on.
var followRows = row.SQL(`
	WITH b AS (
		UPDATE batches b
		SET follows = true
		WHERE ` + thisBatch + ` AND NOT b.follows)
	UPDATE deliveries d
	SET same_as = x.first_seq
	FROM unnest(@users::bigint[], @firsts::bigint[]) x(user_seq, first_seq)
	WHERE d.event_seq = @event AND d.wave = @wave AND d.channel = @channel AND d.user_seq = x.user_seq
		AND d.status = {pending} AND d.reason = {same_address}`)

// lostMessage is the condition that the message of a delivery did not arrive.
func lostMessage(delivery string) string {
	return "(" + delivery + ".status = {failed} OR " + delivery + ".status IN ({sent}, {uncertain}) AND " + delivery + ".outcome = {outcome_bounced})"
}

// settleFollowers ends the rows of the batch that follow rows that have ended. Those to whose address no such message was sent
// can be claimed again, and the others wait. Tables that were just filled have no statistics. The OFFSETs and the coalesce keep PostgreSQL
// from reading all deliveries of the event for each row.
var settleFollowers = row.SQL(`
	UPDATE deliveries d
	SET status = CASE
			WHEN NOT x.ended THEN {pending}
			WHEN d.uncertain THEN {uncertain}
			WHEN x.lost THEN {failed}
			ELSE {suppressed}
		END,
		retry_at = CASE WHEN x.waits THEN greatest(x.retry_at, @now::timestamptz + @wait::bigint * interval '1 ms') END,
		reason = CASE WHEN x.ended AND x.lost THEN x.reason WHEN x.ended OR x.waits THEN {same_address} END,
		same_as = CASE WHEN x.ended OR x.waits THEN d.same_as END,
		updated_at = @now
	FROM (
		SELECT d.tableoid, d.ctid, f.retry_at, f.reason, ` + lostMessage("f") + ` AS lost,
			coalesce(f.status = {pending}, false) AS waits,
			coalesce(f.status IN ({sent}, {failed}, {uncertain}) AND f.revision = d.revision AND EXISTS (
				SELECT 1
				FROM addresses o
				WHERE o.user_seq = d.same_as AND o.channel = @channel AND lower(o.address COLLATE "C") = (
					SELECT lower(a.address COLLATE "C") FROM addresses a
					WHERE a.user_seq = d.user_seq AND a.channel = @channel AND a.state IN ({usable})
					ORDER BY a.position
					LIMIT 1)), false) AS ended
		FROM deliveries d
		LEFT JOIN LATERAL (
			SELECT f.status, f.outcome, f.revision, f.reason, f.retry_at
			FROM deliveries f
			WHERE f.event_seq = @event AND f.wave = @wave AND f.channel = @channel AND f.user_seq = d.same_as
			OFFSET 0) f ON true
		WHERE ` + inBatch + `
			AND d.status = {pending}
			AND coalesce(d.same_as, 0) <> 0
			AND d.user_seq NOT IN (SELECT unnest(c.users) FROM claims c WHERE ` + ofBatch + `)
		OFFSET 0) x
	WHERE d.tableoid = x.tableoid AND d.ctid = x.ctid
		AND (NOT x.waits OR d.retry_at IS NULL OR d.retry_at <= @now)`)

// addShared adds, to a chunk of a preview, the deliveries that would be sent to addresses that others have too.
func (c *chunk) addShared(ctx context.Context, tx pgx.Tx, found *ledger.PreviewChunk) error {
	rows, err := tx.Query(ctx, previewedShared, named{"people": c.people, "channels": c.wave.channels})
	shared, err := list(rows, err, pgx.RowToStructByPos[struct {
		Channel schoolbell.Channel
		User    int64
		Address string
	}])
	for _, x := range shared {
		person, _ := slices.BinarySearchFunc(found.People, x.User, func(p ledger.Recipient, user int64) int { return cmp.Compare(p.Seq, user) })
		found.Shared = append(found.Shared, ledger.PreviewShared{Channel: x.Channel, Person: person, Address: x.Address})
	}
	return err
}

// previewedShared selects the first usable addresses of people, if others may have them too.
var previewedShared = row.SQL(`
	SELECT c.name, p.user_seq, lower(a.address)
	FROM channels c
	CROSS JOIN unnest(@people::bigint[]) p(user_seq)
	CROSS JOIN LATERAL (
		SELECT a.address, a.shared FROM addresses a
		WHERE a.user_seq = p.user_seq AND a.channel = c.id AND a.state IN ({usable})
		ORDER BY a.position
		LIMIT 1) a
	WHERE c.name = ANY (@channels::text[]) AND c.id IN ({email}, {sms}) AND a.shared
	ORDER BY c.id, p.user_seq`)

// batchesOfFollowers selects the batches of deliveries that follow those of receipts r of the event e on the channel c.
var batchesOfFollowers = `
			SELECT d.event_seq, d.wave, d.channel, ` + batchOfUser("d.event_seq", "d.wave", "d.channel", "d.user_seq") + `
			FROM deliveries d
			WHERE d.event_seq = e.seq AND d.wave = r.wave AND d.channel = c.id AND d.same_as = r.user_seq AND d.same_as IS NOT NULL`

// failFollowers makes deliveries failed that follow one whose message came back. If their event has ended, webhooks are told here:
// those that had failed then are told with its end. The event is locked, so that it does not end meanwhile.
var failFollowers = row.SQL(`
	WITH lost AS (
		UPDATE deliveries d
		SET status = {failed}, reason = nullif(@reason, ''), updated_at = ` + now + `
		FROM events e
		CROSS JOIN channels c
		JOIN deliveries f ON f.event_seq = e.seq AND f.wave = @wave AND f.channel = c.id AND f.user_seq = @user
		WHERE e.id = @event_id AND c.name = @channel_name AND ` + lostMessage("f") + `
			AND d.event_seq = e.seq AND d.wave = @wave AND d.channel = c.id AND d.same_as = @user AND d.same_as IS NOT NULL
			AND d.status = {suppressed}
		RETURNING d.event_seq, d.wave, d.channel, d.user_seq, d.outcome),
	noted AS (
		INSERT INTO webhook_facts (type, at, event_id, wave, channel, user_seq, detail)
		SELECT @type, ` + now + `, @event_id, d.wave, d.channel, d.user_seq, 'failed'
		FROM lost d
		CROSS JOIN LATERAL (SELECT e.status FROM events e WHERE e.seq = d.event_seq FOR SHARE OFFSET 0) e
		WHERE e.status IN ({event_completed}, {event_cancelled}) AND EXISTS (SELECT 1 FROM webhooks WHERE enabled AND types @> ARRAY[@type::text])
		ORDER BY d.user_seq)
	` + intoTotals + `
		SELECT d.event_seq, d.wave, d.channel, m.status, d.outcome, ` + userShard + `, sum(m.n)
		FROM lost d
		CROSS JOIN LATERAL (VALUES ({suppressed}, -1), ({failed}, 1)) m(status, n)
		WHERE NOT ` + inWork("d.event_seq", "d.wave", "d.channel", "d.user_seq") + addTotals)
