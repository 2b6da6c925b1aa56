package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Digests implements ledger.Digests.
type Digests struct{ DB *DB }

// DigestWindows implements ledger.Digests.
func (s Digests) DigestWindows(ctx context.Context) (all []ledger.OpenDigest, err error) {
	err = s.DB.read(ctx, "read the windows of digests", func(c *conn) error {
		return c.each(ctx, listDigestWindows, nil, func(scan func(...any) error) error {
			var d ledger.OpenDigest
			var window string
			err := scan(&d.Timezone, &window)
			d.Window = schoolbell.ParseDigestWindow(window)
			all = append(all, d)
			return err
		})
	})
	return all, err
}

// listDigestWindows selects the time zones and windows of users: from each one to the next in the index, so that it does not
// read all users.
const listDigestWindows = `
WITH RECURSIVE w AS (
	SELECT seq, timezone, digest_window
	FROM users
	WHERE seq = (SELECT f.seq FROM users f ORDER BY f.timezone, f.digest_window LIMIT 1)
	UNION ALL
	SELECT u.seq, u.timezone, u.digest_window
	FROM w
	CROSS JOIN users u
	WHERE u.seq = (
		SELECT n.seq
		FROM users n
		WHERE (n.timezone, n.digest_window) > (w.timezone, w.digest_window)
		ORDER BY n.timezone, n.digest_window
		LIMIT 1
	)
)
SELECT timezone, digest_window
FROM w`

// OpenDigests implements ledger.Digests.
func (s Digests) OpenDigests(ctx context.Context) (open []ledger.OpenDigest, err error) {
	err = s.DB.read(ctx, "read open digests", func(c *conn) error {
		return c.each(ctx, listOpenDigests, nil, func(scan func(...any) error) error {
			var d ledger.OpenDigest
			var window string
			var since sql.NullInt64
			err := scan(&d.Timezone, &window, &since)
			d.Window, d.Since = schoolbell.ParseDigestWindow(window), timeOf(since)
			open = append(open, d)
			return err
		})
	})
	return open, err
}

// listOpenDigests selects the time zones and windows of users with items that are in no digest.
const listOpenDigests = `
SELECT u.timezone, u.digest_window, min(i.added_at)
FROM digest_items i
CROSS JOIN users u ON u.seq = i.user_seq
WHERE i.digest_seq IS NULL
GROUP BY u.timezone, u.digest_window`

// errNoItems rolls a digest back that would have no items.
var errNoItems = errors.New("there are no items")

// CloseDigests implements ledger.Digests.
func (s Digests) CloseDigests(ctx context.Context, ev *schoolbell.Event, closings []ledger.DigestClosing) (items int, err error) {
	closed, err := json.Marshal(row.Closings(closings))
	if err != nil {
		return 0, err
	}
	err = s.DB.write(ctx, "close digests", func(c *conn) error {
		if _, err := Events(s).insertEvent(ctx, c, ev, nil); err != nil {
			return err
		}
		var seq int64
		if err := c.get(ctx, "UPDATE events SET digest = 1 WHERE id = @id RETURNING seq", args{"id": ev.ID}, &seq); err != nil {
			return err
		}
		if items, err = c.exec(ctx, closeItems, args{"digest": seq, "closings": string(closed)}); err == nil && items == 0 {
			err = errNoItems
		}
		return err
	})
	if errors.Is(err, errNoItems) {
		return 0, nil
	}
	return items, err
}

// closeItems puts items into the digest @digest: those that were added before the window of their user closed, unless
// a digest of that window has been made. There are few digests after a closing, so they are looked at first.
const closeItems = `
UPDATE digest_items AS i
SET digest_seq = @digest
FROM (
	SELECT u.seq, c.value ->> 'at' AS closed
	FROM json_each(@closings) c
	CROSS JOIN users u
	WHERE u.timezone = c.value ->> 'timezone'
		AND u.digest_window = c.value ->> 'window'
		AND EXISTS (SELECT 1 FROM digest_items o WHERE o.user_seq = u.seq AND o.digest_seq IS NULL)
) w
WHERE i.user_seq = w.seq
	AND i.digest_seq IS NULL
	AND i.added_at < w.closed
	AND NOT EXISTS (
		SELECT 1
		FROM events d
		CROSS JOIN digest_items j ON j.digest_seq = d.seq AND j.channel = i.channel AND j.user_seq = i.user_seq
		WHERE d.digest
			AND d.seq <> @digest
			AND d.created_at >= w.closed
	)`

// addItems adds an item for each person in chunk whose new delivery is suppressed because it is for a digest.
var addItems = row.SQL(`
INSERT INTO digest_items (user_seq, channel, event_seq, added_at)
SELECT d.user_seq, d.channel, d.event_seq, @now
FROM temp.chunk k
CROSS JOIN deliveries d ON d.event_seq = @event AND d.wave = @wave AND d.channel = @channel AND d.user_seq = k.user_seq
WHERE d.status = {suppressed}
	AND d.reason = {in_digest}
ON CONFLICT DO NOTHING`)

// addItem adds an item for one user. Another wave of the event may have done so.
const addItem = `
INSERT INTO digest_items (user_seq, channel, event_seq, added_at)
VALUES (@user, @channel, @event, @now)
ON CONFLICT DO NOTHING`

// pickDigest fills the table chunk with the next people of a digest, up to limit.
func (w *walk) pickDigest(ctx context.Context, c *conn, limit int, step *ledger.FanOutStep) (bound int64, err error) {
	if step.Users, err = c.exec(ctx, pickOfDigest, args{"event": w.seq, "cursor": w.cursor, "limit": limit}); err != nil {
		return 0, err
	}
	step.Done, bound = step.Users < limit, w.cursor
	if step.Users == 0 {
		return bound, nil
	}
	err = c.get(ctx, "SELECT max(user_seq) FROM temp.chunk", nil, &bound)
	return bound, err
}

// pickOfDigest inserts the next people who have items of a digest into chunk.
var pickOfDigest = row.SQL(`
INSERT INTO temp.chunk (user_seq)
SELECT DISTINCT i.user_seq
FROM digest_items i
WHERE i.digest_seq = @event
	AND i.user_seq > @cursor
	AND EXISTS (SELECT 1 FROM users u WHERE u.seq = i.user_seq AND u.state = {user_live})
ORDER BY i.user_seq
LIMIT @limit`)

// fillItems gives the recipients of a digest their items.
func fillItems(ctx context.Context, c *conn, w *work, recipients []ledger.Recipient) error {
	users, place := make([]int64, len(recipients)), make(map[int64]int, len(recipients))
	for i, r := range recipients {
		users[i], place[r.Seq] = r.Seq, i
	}
	events := map[int64]*schoolbell.Event{}
	a := args{"digest": w.seq, "channel": w.channel, "users": jsonOf(users), "now": w.now}
	err := c.each(ctx, listItems, a, func(scan func(...any) error) error {
		var user, event int64
		if err := scan(&user, &event); err != nil {
			return err
		}
		if events[event] == nil {
			events[event] = new(schoolbell.Event)
		}
		r := &recipients[place[user]]
		r.Items = append(r.Items, events[event])
		return nil
	})
	if err != nil || len(events) == 0 {
		return err
	}
	seqs := make([]int64, 0, len(events))
	for seq := range events {
		seqs = append(seqs, seq)
	}
	return c.each(ctx, listItemEvents, args{"events": jsonOf(seqs)}, func(scan func(...any) error) error {
		var seq int64
		ev, err := scanEvent(func(dest ...any) error { return scan(append([]any{&seq}, dest...)...) })
		if err != nil {
			return fmt.Errorf("read items: %w", err)
		}
		*events[seq] = *ev
		return nil
	})
}

// listItems selects the items of some users in a digest, the oldest event first. It leaves out those whose event was
// cancelled or has expired, and those of categories that the user has switched off meanwhile.
var listItems = row.SQL(`
SELECT i.user_seq, i.event_seq
FROM json_each(@users) u
CROSS JOIN digest_items i ON i.digest_seq = @digest AND i.channel = @channel AND i.user_seq = u.value
CROSS JOIN events e ON e.seq = i.event_seq
WHERE e.cancelled_at IS NULL
	AND (e.expires_at IS NULL OR e.expires_at > @now)
	AND NOT EXISTS (
		SELECT 1
		FROM preferences p
		WHERE p.user_seq = i.user_seq
			AND p.category = e.category
			AND p.channel = i.channel
			AND p.mode = {off}
	)
ORDER BY i.user_seq, i.event_seq`)

// listItemEvents selects events with their numbers.
const listItemEvents = `
SELECT e.seq, ` + eventColumns + `
FROM json_each(@events) n
CROSS JOIN ` + eventTables + `
WHERE e.seq = n.value`
