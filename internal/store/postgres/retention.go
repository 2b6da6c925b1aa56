package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Retention implements ledger.Retention.
type Retention struct{ DB *DB }

// TakeTurn implements ledger.Retention.
func (s Retention) TakeTurn(ctx context.Context, holder string, length time.Duration) (taken bool, err error) {
	err = s.DB.again("take the turn to remove old rows", func() error {
		tag, err := s.DB.pool.Exec(ctx, takeTurn, holder, length.Milliseconds())
		taken = tag.RowsAffected() > 0
		return err
	})
	return taken, err
}

// takeTurn gives $1 the turn for $2 milliseconds, unless another has it or none is due.
const takeTurn = `
	INSERT INTO turns (name, holder, until)
	VALUES ('retention', $1, clock_timestamp() + $2::bigint * interval '1 ms')
	ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
	WHERE turns.until <= clock_timestamp() OR turns.holder = excluded.holder`

// EndTurn implements ledger.Retention.
func (s Retention) EndTurn(ctx context.Context, holder string, rest time.Duration) error {
	return s.DB.again("end the turn to remove old rows", func() error {
		_, err := s.DB.pool.Exec(ctx, endTurn, holder, rest.Milliseconds())
		return err
	})
}

// endTurn ends the turn of $1; the next is due after $2 milliseconds.
const endTurn = `
	UPDATE turns SET holder = '', until = clock_timestamp() + $2::bigint * interval '1 ms'
	WHERE name = 'retention' AND holder = $1`

// RemoveOld implements ledger.Retention.
func (s Retention) RemoveOld(ctx context.Context, kind ledger.Kept, before time.Time, at ledger.RemovalCursor, limit int) (r ledger.Removed, err error) {
	remove, ok := removals[kind]
	if !ok {
		return r, fmt.Errorf("remove old rows: there is no kind %q", kind)
	}
	err = s.DB.write(ctx, "remove old "+string(kind), func(tx pgx.Tx) error {
		r, err = remove(ctx, tx, before, at, limit)
		return err
	})
	if err != nil {
		return ledger.Removed{}, err
	}
	return r, nil
}

// removal removes one piece of a kind of row.
type removal func(ctx context.Context, tx pgx.Tx, before time.Time, at ledger.RemovalCursor, limit int) (ledger.Removed, error)

var removals = map[ledger.Kept]removal{
	ledger.KeptKeys:       rowsBefore(deleteOldKeys),
	ledger.KeptReceipts:   rowsBefore(deleteOldReceipts),
	ledger.KeptAudit:      removeAudit,
	ledger.KeptAttempts:   rowsBefore(deleteOldAttempts),
	ledger.KeptMessages:   rowsBefore(deleteOldMessages),
	ledger.KeptTraffic:    rowsBefore(deleteOldTraffic),
	ledger.KeptInbox:      removeInbox,
	ledger.KeptDeliveries: removeDeliveries,
	ledger.KeptEvents:     removeEvents,
}

// rowsBefore runs a statement that deletes up to $2 rows from before $1.
func rowsBefore(statement string) removal {
	return func(ctx context.Context, tx pgx.Tx, before time.Time, _ ledger.RemovalCursor, limit int) (ledger.Removed, error) {
		tag, err := tx.Exec(ctx, statement, before, limit)
		n := int(tag.RowsAffected())
		return ledger.Removed{Rows: n, Done: n < limit}, err
	}
}

// These statements name rows by their places. Named by keys, PostgreSQL might read the whole table to join them.
// That is right for rows that nobody changes, and for those that the statement locks first.

// deleteOldKeys deletes the oldest idempotency keys from before a time.
const deleteOldKeys = `
	DELETE FROM idempotency
	WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2))`

// deleteOldReceipts deletes the oldest receipts from before a time.
const deleteOldReceipts = `
	DELETE FROM receipts
	WHERE ctid = ANY (ARRAY(SELECT ctid FROM receipts WHERE at < $1 ORDER BY at LIMIT $2))`

// deleteOldAttempts deletes the oldest attempts of webhooks from before a time.
const deleteOldAttempts = `
	DELETE FROM webhook_attempts
	WHERE ctid = ANY (ARRAY(SELECT ctid FROM webhook_attempts WHERE at < $1 ORDER BY at LIMIT $2))`

// deleteOldMessages deletes the oldest messages to webhooks from before a time. Others may change them, so it names them by keys.
const deleteOldMessages = `
	DELETE FROM webhook_messages
	WHERE id = ANY (ARRAY(SELECT id FROM webhook_messages WHERE created_at < $1 ORDER BY created_at LIMIT $2))`

// deleteOldTraffic deletes the oldest minutes of traffic from before a time.
const deleteOldTraffic = `
	DELETE FROM traffic
	WHERE ctid = ANY (ARRAY(SELECT ctid FROM traffic WHERE minute < $1 ORDER BY minute LIMIT $2))`

func removeAudit(ctx context.Context, tx pgx.Tx, before time.Time, at ledger.RemovalCursor, limit int) (r ledger.Removed, err error) {
	r.Next = at
	err = tx.QueryRow(ctx, deleteOldAudit, named{"after": at.ID, "before": row.AuditBound(before), "limit": limit}).Scan(&r.Rows, &r.Next.ID)
	r.Done = r.Rows < limit
	return r, err
}

// deleteOldAudit deletes the oldest entries of the audit between two ids, and returns how many and the last.
const deleteOldAudit = `
	WITH gone AS (
		DELETE FROM audit
		WHERE id = ANY (ARRAY(SELECT id FROM audit WHERE id > @after AND id < @before ORDER BY id LIMIT @limit))
		RETURNING id)
	SELECT count(*), coalesce(max(id), @after) FROM gone`

// OldestInbox implements ledger.Retention.
func (s Retention) OldestInbox(ctx context.Context) (arrived time.Time, ok bool, err error) {
	err = s.DB.again("look for old inbox items", func() error {
		err := s.DB.pool.QueryRow(ctx, "SELECT arrived_at FROM chunks ORDER BY position LIMIT 1").Scan(&arrived)
		if ok = err == nil; noRows(err) {
			return nil
		}
		return err
	})
	return arrived.UTC(), ok, err
}

const (
	// peopleWindow is how many people one piece looks at: each costs an index look-up.
	peopleWindow = 1_000

	// everybody is the cursor's user once the inboxes of all people have been looked at.
	everybody = math.MaxInt64
)

// removeInbox walks the people and removes their items up to a position, which it looks up first, and then the
// chunks. No index leads from a chunk to its items: it would cost each fan-out more than the walk.
func removeInbox(ctx context.Context, tx pgx.Tx, before time.Time, at ledger.RemovalCursor, limit int) (r ledger.Removed, err error) {
	r.Next = at
	if at.Position == 0 {
		if err := tx.QueryRow(ctx, lastOldChunk, before).Scan(&r.Next.Position); err != nil {
			return r, err
		}
		if r.Done = r.Next.Position == 0; r.Done {
			return r, nil
		}
	}
	if at.User == everybody {
		tag, err := tx.Exec(ctx, deleteChunks, r.Next.Position, limit)
		r.Done = int(tag.RowsAffected()) < limit
		return r, err
	}
	var until int64
	if err := tx.QueryRow(ctx, endOfWindow, at.User, peopleWindow).Scan(&until); err != nil {
		return r, err
	}
	tag, err := tx.Exec(ctx, deleteItems, named{"after": at.User, "until": until, "position": r.Next.Position, "limit": limit})
	r.Rows = int(tag.RowsAffected())
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
			(SELECT position FROM chunks WHERE arrived_at >= $1 ORDER BY position LIMIT 1),
			(SELECT max(position) + 1 FROM chunks),
			0) AS bound) b`

// endOfWindow selects the last of the next people after a number, 0 if there are none.
const endOfWindow = "SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM users WHERE seq > $1 ORDER BY seq LIMIT $2) u"

// deleteItems deletes inbox items of some people up to a position. It looks up each person: a range of people
// would read all of their items.
const deleteItems = `
	DELETE FROM inbox
	WHERE ctid = ANY (ARRAY(
		SELECT i.ctid
		FROM (SELECT seq FROM users WHERE seq > @after AND seq <= @until OFFSET 0) u
		CROSS JOIN LATERAL (
			SELECT ctid
			FROM inbox
			WHERE user_seq = u.seq AND position <= @position
			ORDER BY position
			LIMIT @limit
			FOR UPDATE) i
		LIMIT @limit))`

// deleteChunks deletes the oldest chunks up to a position.
const deleteChunks = `
	DELETE FROM chunks
	WHERE position = ANY (ARRAY(SELECT position FROM chunks WHERE position <= $1 ORDER BY position LIMIT $2))`
