package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Digests implements ledger.Digests.
type Digests struct{ DB *DB }

// DigestWindows implements ledger.Digests.
func (s Digests) DigestWindows(ctx context.Context) (all []ledger.OpenDigest, err error) {
	err = s.DB.again("read the windows of digests", func() error {
		rows, err := s.DB.pool.Query(ctx, selectDigestWindows)
		all, err = list(rows, err, func(r pgx.CollectableRow) (d ledger.OpenDigest, err error) {
			var window string
			err = r.Scan(&d.Timezone, &window)
			d.Window = schoolbell.ParseDigestWindow(window)
			return d, err
		})
		return err
	})
	return all, err
}

// selectDigestWindows selects the time zones and windows of users: from each one to the next in the index, so that it does not
// read all users.
const selectDigestWindows = `
	WITH RECURSIVE w AS (
		SELECT seq, timezone, digest_window
		FROM users
		WHERE seq = (SELECT f.seq FROM users f ORDER BY f.timezone, f.digest_window LIMIT 1)
		UNION ALL
		SELECT u.seq, u.timezone, u.digest_window
		FROM w
		JOIN users u ON u.seq = (
			SELECT n.seq
			FROM users n
			WHERE (n.timezone, n.digest_window) > (w.timezone, w.digest_window)
			ORDER BY n.timezone, n.digest_window
			LIMIT 1))
	SELECT timezone, digest_window FROM w`

// OpenDigests implements ledger.Digests.
func (s Digests) OpenDigests(ctx context.Context) (open []ledger.OpenDigest, err error) {
	err = s.DB.again("read open digests", func() error {
		rows, err := s.DB.pool.Query(ctx, selectOpenDigests)
		open, err = list(rows, err, func(r pgx.CollectableRow) (d ledger.OpenDigest, err error) {
			var window string
			err = r.Scan(&d.Timezone, &window, &d.Since)
			d.Window, d.Since = schoolbell.ParseDigestWindow(window), d.Since.UTC()
			return d, err
		})
		return err
	})
	return open, err
}

// selectOpenDigests selects the time zones and windows of users with items that are in no digest.
const selectOpenDigests = `
	SELECT u.timezone, u.digest_window, min(i.added_at)
	FROM digest_items i
	JOIN users u ON u.seq = i.user_seq
	WHERE i.digest_seq IS NULL
	GROUP BY u.timezone, u.digest_window`

// errNoItems rolls a digest back that would have no items.
var errNoItems = errors.New("there are no items")

// CloseDigests implements ledger.Digests.
func (s Digests) CloseDigests(ctx context.Context, ev *schoolbell.Event, closings []ledger.DigestClosing) (items int, err error) {
	values, _, err := newEventValues(ev, nil, ledger.Idempotency{})
	if err != nil {
		return 0, err
	}
	entry, err := auditEntry(schoolbell.AuditEntry{})
	if err != nil {
		return 0, err
	}
	zones, windows, closed := make([]string, len(closings)), make([]string, len(closings)), make([]time.Time, len(closings))
	for i, c := range closings {
		zones[i], windows[i], closed[i] = c.Timezone, c.Window.String(), schoolbell.Time(c.At)
	}
	err = s.DB.write(ctx, "close digests", func(tx pgx.Tx) error {
		var channels []string
		var lane schoolbell.Lane
		if err := tx.QueryRow(ctx, createEvent, values.with(entry)).Scan(&channels, &lane); err != nil {
			return newEventError(ev, err)
		}
		var seq int64
		if err := tx.QueryRow(ctx, markDigest, ev.ID).Scan(&seq); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, closeItems, named{"digest": seq, "zones": zones, "windows": windows, "closed": closed})
		if items = int(tag.RowsAffected()); err == nil && items == 0 {
			err = errNoItems
		}
		return err
	})
	if errors.Is(err, errNoItems) {
		return 0, nil
	}
	return items, err
}

// markDigest makes a new event a digest.
const markDigest = "UPDATE events SET digest = true WHERE id = $1 RETURNING seq"

// closeItems puts items into the digest @digest: those that were added before the window of their user closed, unless a
// digest of that window has been made. Of two transactions that close the same items, the second waits for the first and
// finds that they are in a digest.
//
// It looks for earlier digests once: for each item, PostgreSQL would read an index that this statement fills.
const closeItems = `
	WITH closings AS MATERIALIZED (
		SELECT *
		FROM unnest(@zones::text[], @windows::text[], @closed::timestamptz[]) c(zone, win, closed)),
	made AS MATERIALIZED (
		SELECT j.user_seq, j.channel, max(d.created_at) AS created_at
		FROM events d
		JOIN digest_items j ON j.digest_seq = d.seq
		WHERE d.digest AND d.seq <> @digest AND d.created_at >= (SELECT min(closed) FROM closings)
		GROUP BY j.user_seq, j.channel)
	UPDATE digest_items i
	SET digest_seq = @digest
	FROM users u
	JOIN closings c ON c.zone = u.timezone AND c.win = u.digest_window
	WHERE u.seq = i.user_seq
		AND i.digest_seq IS NULL
		AND i.added_at < c.closed
		AND NOT EXISTS (
			SELECT 1 FROM made m
			WHERE m.user_seq = i.user_seq AND m.channel = i.channel AND m.created_at >= c.closed)`

// insertItems adds an item for each of some users. Another wave of the event may have done so.
const insertItems = `
	INSERT INTO digest_items (user_seq, channel, event_seq, added_at)
	SELECT u.user_seq, @channel::smallint, @event::bigint, ` + now + `
	FROM unnest(@users::bigint[]) u(user_seq)
	ON CONFLICT DO NOTHING`

// suppressForDigest ends rows of a batch whose users want them in a digest, and adds their items. A row that an earlier
// attempt may have sent is uncertain, and no item.
var suppressForDigest = row.SQL(`
	WITH moved AS (
		UPDATE deliveries d
		SET status = CASE WHEN d.uncertain THEN {uncertain} ELSE {suppressed} END,
			retry_at = NULL,
			reason = {in_digest},
			updated_at = @now
		WHERE d.event_seq = @event AND d.wave = @wave AND d.channel = @channel AND d.user_seq = ANY (@users::bigint[])
			AND d.status = {pending}
			AND d.user_seq NOT IN (SELECT unnest(c.users) FROM claims c WHERE ` + ofBatch + `)
		RETURNING d.user_seq, d.status)
	INSERT INTO digest_items (user_seq, channel, event_seq, added_at)
	SELECT user_seq, @channel, @event, @now
	FROM moved
	WHERE status = {suppressed}
	ON CONFLICT DO NOTHING`)

// pickDigest is chunk for a digest: the people who have items of it.
func (w *walk) pickDigest(ctx context.Context, tx pgx.Tx, limit int, step *ledger.FanOutStep) (people []int64, bound int64, err error) {
	rows, err := tx.Query(ctx, peopleOfDigest, w.seq, w.cursor, limit)
	people, err = list(rows, err, pgx.RowTo[int64])
	bound, step.Users, step.Done = w.cursor, len(people), len(people) < limit
	if len(people) > 0 {
		bound = people[len(people)-1]
	}
	return people, bound, err
}

// peopleOfDigest selects the next people who have items of a digest. Those who were erased have none. It reads one table
// only: as long as that is not analyzed, PostgreSQL might read all items of the digest for each person.
const peopleOfDigest = `
	SELECT DISTINCT user_seq
	FROM digest_items
	WHERE digest_seq = $1 AND user_seq > $2
	ORDER BY user_seq
	LIMIT $3`

// digestItems collects the items of the recipients of a digest.
type digestItems struct {
	events map[int64][]int64 // numbers, by user
	read   map[int64]*schoolbell.Event
}

// queue queues the statements that read the items of the rows that a step has claimed.
func (d *digestItems) queue(b *pgx.Batch, claimed named) {
	d.events, d.read = map[int64][]int64{}, map[int64]*schoolbell.Event{}
	b.Queue(selectDigestItems, claimed).Query(func(rows pgx.Rows) error {
		var user, event int64
		_, err := pgx.ForEachRow(rows, []any{&user, &event}, func() error {
			d.events[user] = append(d.events[user], event)
			return nil
		})
		return err
	})
	b.Queue(selectDigestEvents, claimed).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var seq int64
			ev, err := scanEvent(numberedRow{rows, &seq})
			if err != nil {
				return err
			}
			d.read[seq] = ev
		}
		return rows.Err()
	})
}

// numberedRow is a row that begins with a number, before the columns that are scanned.
type numberedRow struct {
	pgx.Rows
	number *int64
}

// Scan implements pgx.Row.
func (r numberedRow) Scan(dest ...any) error { return r.Rows.Scan(append([]any{r.number}, dest...)...) }

// fill gives recipients their items.
func (d *digestItems) fill(recipients []ledger.Recipient) {
	for i := range recipients {
		for _, seq := range d.events[recipients[i].Seq] {
			recipients[i].Items = append(recipients[i].Items, d.read[seq])
		}
	}
}

// itemsOfClaims selects the items of the users whose rows @lease holds in the batch. It leaves out those whose event was cancelled
// or has expired, and those of categories that the user has switched off meanwhile.
const itemsOfClaims = `
	FROM digest_items i
	JOIN events e ON e.seq = i.event_seq
	WHERE i.digest_seq = @event AND i.channel = @channel
		AND i.user_seq = ANY (ARRAY(SELECT unnest(c.users) FROM claims c WHERE ` + ofBatch + ` AND c.lease_id = @lease))
		AND e.cancelled_at IS NULL
		AND (e.expires_at IS NULL OR e.expires_at > @now)
		AND NOT EXISTS (
			SELECT 1 FROM preferences p
			WHERE p.user_seq = i.user_seq AND p.category = e.category AND p.channel = i.channel AND p.mode = {off})`

// selectDigestItems selects the users and events of these items, the oldest event first.
var selectDigestItems = row.SQL("SELECT i.user_seq, i.event_seq" + itemsOfClaims + " ORDER BY i.user_seq, i.event_seq")

// selectDigestEvents selects the events of these items, with their numbers.
var selectDigestEvents = row.SQL("SELECT e.seq, " + eventColumns + eventTables + " WHERE e.seq IN (SELECT i.event_seq" + itemsOfClaims + ")")
