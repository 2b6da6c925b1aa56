package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Retention implements ledger.Retention.
type Retention struct{ DB *DB }

// TakeTurn implements ledger.Retention.
func (s Retention) TakeTurn(ctx context.Context, holder string, length time.Duration) (taken bool, err error) {
	err = s.DB.write(ctx, "take the turn to remove old rows", func(c *conn) error {
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		n, err := c.exec(ctx, takeTurn, args{"holder": holder, "until": at + length.Milliseconds(), "now": at})
		taken = n > 0
		return err
	})
	return taken, err
}

// takeTurn gives a process the turn until a time, unless another has it or none is due.
const takeTurn = `
INSERT INTO turns (name, holder, until)
VALUES ('retention', @holder, @until)
ON CONFLICT DO UPDATE
SET holder = excluded.holder,
	until = excluded.until
WHERE turns.until <= @now
	OR turns.holder = excluded.holder`

// EndTurn implements ledger.Retention.
func (s Retention) EndTurn(ctx context.Context, holder string, rest time.Duration) error {
	return s.DB.write(ctx, "end the turn to remove old rows", func(c *conn) error {
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, endTurn, args{"holder": holder, "until": at + rest.Milliseconds()})
		return err
	})
}

// endTurn ends the turn of a process; the next is due at a time.
const endTurn = `
UPDATE turns
SET holder = '',
	until = @until
WHERE name = 'retention'
	AND holder = @holder`

// RemoveOld implements ledger.Retention.
func (s Retention) RemoveOld(ctx context.Context, kind ledger.Kept, before time.Time, at ledger.RemovalCursor, limit int) (r ledger.Removed, err error) {
	remove, ok := removals[kind]
	if !ok {
		return r, fmt.Errorf("remove old rows: there is no kind %q", kind)
	}
	err = s.DB.write(ctx, "remove old "+string(kind), func(c *conn) error {
		r, err = remove(s, ctx, c, before, at, limit)
		return err
	})
	if err != nil {
		return ledger.Removed{}, err
	}
	return r, nil
}

// removal removes one piece of a kind of row.
type removal func(s Retention, ctx context.Context, c *conn, before time.Time, at ledger.RemovalCursor, limit int) (ledger.Removed, error)

var removals = map[ledger.Kept]removal{
	ledger.KeptKeys:       rowsBefore(deleteOldKeys),
	ledger.KeptReceipts:   rowsBefore(deleteOldReceipts),
	ledger.KeptAttempts:   rowsBefore(deleteOldAttempts),
	ledger.KeptMessages:   rowsBefore(deleteOldMessages),
	ledger.KeptTraffic:    rowsBefore(deleteOldTraffic),
	ledger.KeptAudit:      Retention.removeAudit,
	ledger.KeptInbox:      Retention.removeInbox,
	ledger.KeptDeliveries: Retention.removeDeliveries,
	ledger.KeptEvents:     Retention.removeEvents,
}

// rowsBefore runs a statement that deletes up to @limit rows from before @before.
func rowsBefore(statement string) removal {
	return func(_ Retention, ctx context.Context, c *conn, before time.Time, _ ledger.RemovalCursor, limit int) (ledger.Removed, error) {
		n, err := c.exec(ctx, statement, args{"before": before.UnixMilli(), "limit": limit})
		return ledger.Removed{Rows: n, Done: n < limit}, err
	}
}

// deleteOldKeys deletes the oldest idempotency keys from before a time.
const deleteOldKeys = `
DELETE FROM idempotency
WHERE (scope, key) IN (
	SELECT scope, key
	FROM idempotency
	WHERE created_at < @before
	ORDER BY created_at
	LIMIT @limit
)`

// deleteOldReceipts deletes the oldest receipts from before a time.
const deleteOldReceipts = `
DELETE FROM receipts
WHERE (provider, id) IN (
	SELECT provider, id
	FROM receipts
	WHERE at < @before
	ORDER BY at
	LIMIT @limit
)`

// deleteOldTraffic deletes the oldest minutes of traffic from before a time.
const deleteOldTraffic = `
DELETE FROM traffic
WHERE (minute, channel) IN (
	SELECT minute, channel
	FROM traffic
	WHERE minute < @before
	ORDER BY minute
	LIMIT @limit
)`

// deleteOldAttempts deletes the oldest attempts of webhooks from before a time.
const deleteOldAttempts = `
DELETE FROM webhook_attempts
WHERE seq IN (
	SELECT seq
	FROM webhook_attempts
	WHERE at < @before
	ORDER BY at
	LIMIT @limit
)`

// deleteOldMessages deletes the oldest messages to webhooks from before a time.
const deleteOldMessages = `
DELETE FROM webhook_messages
WHERE id IN (
	SELECT id
	FROM webhook_messages
	WHERE created_at < @before
	ORDER BY created_at
	LIMIT @limit
)`

func (Retention) removeAudit(ctx context.Context, c *conn, before time.Time, at ledger.RemovalCursor, limit int) (r ledger.Removed, err error) {
	r.Next = at
	span := args{"after": at.ID, "before": row.AuditBound(before)}
	err = c.get(ctx, lastOldAudit, span.and(args{"limit": limit}), &r.Next.ID)
	if errors.Is(err, sql.ErrNoRows) {
		r.Done = true
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.Rows, err = c.exec(ctx, deleteAudit, args{"after": at.ID, "last": r.Next.ID})
	r.Done = r.Rows < limit
	return r, err
}

// lastOldAudit selects the last of the next entries of the audit between two ids.
const lastOldAudit = `
SELECT id
FROM (
	SELECT id
	FROM audit
	WHERE id > @after
		AND id < @before
	ORDER BY id
	LIMIT @limit
)
ORDER BY id DESC
LIMIT 1`

// deleteAudit deletes the entries of the audit after an id, up to another.
const deleteAudit = `
DELETE FROM audit
WHERE id > @after
	AND id <= @last`

// OldestInbox implements ledger.Retention.
func (s Retention) OldestInbox(ctx context.Context) (arrived time.Time, ok bool, err error) {
	err = s.DB.read(ctx, "look for old inbox items", func(c *conn) error {
		var ms sql.NullInt64
		err := c.get(ctx, "SELECT arrived_at FROM chunks ORDER BY position LIMIT 1", nil, &ms)
		arrived, ok = timeOf(ms), err == nil
		return ignoreNoRows(err)
	})
	return arrived, ok, err
}

const (
	// peopleWindow is how many people one piece looks at: each costs an index look-up.
	peopleWindow = 1_000

	// everybody is the cursor's user once the inboxes of all people have been looked at.
	everybody = math.MaxInt64
)

// removeInbox walks the people and removes their items up to a position, which it looks up first, and then the
// chunks. No index leads from a chunk to its items: it would cost each fan-out more than the walk.
func (Retention) removeInbox(ctx context.Context, c *conn, before time.Time, at ledger.RemovalCursor, limit int) (r ledger.Removed, err error) {
	r.Next = at
	if at.Position == 0 {
		if err := c.get(ctx, lastOldChunk, args{"before": before.UnixMilli()}, &r.Next.Position); err != nil {
			return r, err
		}
		if r.Done = r.Next.Position == 0; r.Done {
			return r, nil
		}
	}
	if at.User == everybody {
		n, err := c.exec(ctx, deleteChunks, args{"position": r.Next.Position, "limit": limit})
		r.Done = n < limit
		return r, err
	}
	var until int64
	if err := c.get(ctx, endOfWindow, args{"after": at.User, "people": peopleWindow}, &until); err != nil {
		return r, err
	}
	r.Rows, err = c.exec(ctx, deleteItems, args{"after": at.User, "until": until, "position": r.Next.Position, "limit": limit})
	switch {
	case r.Rows == limit: // these people may have more
	case until == 0:
		r.Next.User = everybody
	default:
		r.Next.User = until
	}
	return r, err
}

// lastOldChunk selects the last position such that it and all before it are from before a time, 0 for none. It
// reads the old chunks, and one more.
const lastOldChunk = `
SELECT CASE
	WHEN (SELECT position FROM chunks ORDER BY position LIMIT 1) < b.bound THEN b.bound - 1
	ELSE 0
END
FROM (
	SELECT coalesce(
		(SELECT position FROM chunks WHERE arrived_at >= @before ORDER BY position LIMIT 1),
		(SELECT max(position) + 1 FROM chunks),
		0
	) AS bound
) b`

// endOfWindow selects the last of the next people after a number, 0 if there are none.
const endOfWindow = `
SELECT coalesce(max(seq), 0)
FROM (SELECT seq FROM users WHERE seq > @after ORDER BY seq LIMIT @people)`

// deleteItems deletes inbox items of some people up to a position. It looks up each person: a range of people
// would read all of their items.
const deleteItems = `
DELETE FROM inbox
WHERE (user_seq, position) IN (
	SELECT i.user_seq, i.position
	FROM users u
	CROSS JOIN inbox i ON i.user_seq = u.seq
	WHERE u.seq > @after
		AND u.seq <= @until
		AND i.position <= @position
	LIMIT @limit
)`

// deleteChunks deletes the oldest chunks up to a position.
const deleteChunks = `
DELETE FROM chunks
WHERE position IN (SELECT position FROM chunks WHERE position <= @position ORDER BY position LIMIT @limit)`
