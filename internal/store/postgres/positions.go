package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// This file keeps the order of inboxes. A position is drawn from a sequence, so transactions may commit in another order than
// that of their positions. A reader that has seen position 7 would never see position 6 if that appeared later.
//
// Before a transaction draws a position, it takes a shared lock whose key has the last position drawn so far. The lock
// ends after the commit has become visible. A reader reads the last position drawn first, then the lowest such key, and sees
// items up to the lower of both. What it sees is complete:
//
//   - A transaction that holds its lock when the reader looks for keys has a position above its key.
//   - One that takes its lock later draws a position above the last one that the reader has read.
//   - One whose lock has ended is visible to a snapshot that is taken later.
//
// So no transaction waits for another one, and a reader misses the newest items until those before them are committed.

// announcePosition takes the lock of a transaction that draws a position next. $1 is the first key.
const announcePosition = `
	SELECT pg_advisory_xact_lock_shared($1::bigint + (` + lastPosition + `))`

// lastPosition selects the last position that was drawn, 0 if none was.
const lastPosition = "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM chunks_position_seq"

// lowestAnnounced selects the lowest position in the keys of the locks that transactions hold. pg_locks shows a key as two
// halves.
const lowestAnnounced = `
	SELECT min((classid::bigint << 32 | objid::bigint) - $1::bigint)
	FROM pg_locks
	WHERE locktype = 'advisory' AND objsubid = 1
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND classid::bigint >> 16 = $1::bigint >> 48`

// InboxTail implements inbox.Store. The tail never falls for one DB.
func (s Inboxes) InboxTail(ctx context.Context) (tail, last int64, err error) {
	err = s.DB.again("read the inbox tail", func() error {
		var lowest *int64
		var b pgx.Batch
		b.Queue(lastPosition).QueryRow(func(r pgx.Row) error { return r.Scan(&last) })
		b.Queue(lowestAnnounced, int64(lockPositions)).QueryRow(func(r pgx.Row) error { return r.Scan(&lowest) })
		if err := s.DB.pool.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		tail = last
		if lowest != nil {
			tail = min(tail, *lowest)
		}
		return nil
	})
	return s.DB.raiseTail(tail), last, err
}

// raiseTail notes that a reader may read up to position tail, and returns the highest such position. A transaction may read
// the last position, pause, and then take a lock with a key below a tail that was read meanwhile. Its position is above it.
func (db *DB) raiseTail(tail int64) int64 {
	for {
		highest := db.tail.Load()
		if highest >= tail || db.tail.CompareAndSwap(highest, tail) {
			return max(highest, tail)
		}
	}
}
