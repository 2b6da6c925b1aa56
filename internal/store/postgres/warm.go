package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// warmConnections is how many connections Warm prepares. The pool takes the connection
// that was used last, so that few requests at a time need few.
const warmConnections = 2

// warmRuns is how often Warm runs the statement of a new event on each of them: PostgreSQL makes a new
// plan for each of the first five runs of a statement.
const warmRuns = 6

// Warm runs the statements of a new event on some connections, with values for which they
// change and find nothing. A process of PostgreSQL reads the catalog and plans a statement
// when it first runs it, which takes longer than all the rest of the request.
func (db *DB) Warm(ctx context.Context) error {
	ctx = ledger.WithChange(ctx, nil)
	var conns []*pgxpool.Conn
	defer func() {
		for _, c := range conns {
			c.Release()
		}
	}()
	for range min(warmConnections, db.pool.Config().MaxConns) {
		c, err := db.pool.Acquire(ctx)
		if err != nil {
			return wrap("prepare connections", err)
		}
		conns = append(conns, c)
		_, err = c.Exec(ctx, selectKeyByDigest, []byte{})
		values, _, errValues := newEventValues(&schoolbell.Event{}, nil, ledger.Idempotency{}) // no category has the id ""
		entry, errEntry := auditEntry(schoolbell.AuditEntry{})
		if err := errors.Join(err, errValues, errEntry); err != nil {
			return wrap("prepare connections", err)
		}
		for range warmRuns {
			if _, err := c.Exec(ctx, createEvent, values.with(entry)); err != nil {
				return wrap("prepare connections", err)
			}
		}
	}
	return nil
}
