package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell/bullmq/combine"
)

// Events that are created while other calls of createEvent are in flight are sent together with the next
// call: one round trip and one commit for all of them.

// groupLimits are how many events, and bytes of them, one call stores.
var groupLimits = combine.Limits{Items: 100, Size: 1 << 20}

// groupTimeout ends a call for several events. Each of their requests may end before.
const groupTimeout = 30 * time.Second

// insertion is a call of createEvent, and what it returned.
type insertion struct {
	values named
	size   int // bytes
	added  []categorized
	err    error
}

func (i *insertion) bytes() int { return i.size }

func (db *DB) newInsertions() *combine.Combiner[insertion] {
	return combine.New(db.insertTogether, (*insertion).bytes, groupLimits)
}

// insertTogether makes several calls of createEvent in one transaction. If the server refuses one, it has stored
// none, and each is made alone, so that the error concerns that event only.
func (db *DB) insertTogether(ctx context.Context, all []*insertion) {
	if len(all) > 1 {
		ctx, cancel := context.WithTimeout(ctx, groupTimeout)
		defer cancel()
		err := db.insertBatch(ctx, all)
		if sqlState(err) == "" {
			for _, i := range all {
				i.err = err
			}
			return
		}
	}
	for _, i := range all {
		i.added, i.err = db.insertOne(ctx, i.values)
	}
}

func (db *DB) insertBatch(ctx context.Context, all []*insertion) error {
	var b pgx.Batch // without BEGIN it is one transaction
	for _, i := range all {
		b.Queue(createEvent, i.values).Query(func(rows pgx.Rows) (err error) {
			i.added, err = pgx.CollectRows(rows, pgx.RowToStructByPos[categorized])
			return err
		})
	}
	return db.pool.SendBatch(ctx, &b).Close()
}

func (db *DB) insertOne(ctx context.Context, values named) ([]categorized, error) {
	rows, err := db.pool.Query(ctx, createEvent, values)
	return list(rows, err, pgx.RowToStructByPos[categorized])
}
