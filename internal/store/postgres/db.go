package postgres

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"schoolbell"
	"schoolbell/bullmq/combine"
	"schoolbell/internal/ledger"
)

// Options are settings of a DB. The zero value is good.
type Options struct {
	Connections    int           // at most so many at once; 20 when zero
	ConnectTimeout time.Duration // for a new connection; 5 s when zero
}

// DB is the connection to the ledger in a PostgreSQL database. It is safe for concurrent use,
// and any number of processes may use one database.
type DB struct {
	pool       *pgxpool.Pool
	insertions *combine.Combiner[insertion] // of events that are created at the same time
	tail       atomic.Int64                 // the highest inbox tail that was read
	place      atomic.Pointer[string]       // in which the ledger is; nil until HoldRestored has looked
}

// Open connects to the database that url names, as postgres://user@host/name. It
// does not migrate. The caller closes the DB.
func Open(ctx context.Context, url string, opts Options) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil { // its text has the password cut out
		return nil, &schoolbell.Error{Code: schoolbell.CodeInvalid, Field: "DATABASE_URL", Message: "is not a PostgreSQL URL", Err: err}
	}
	cfg.MaxConns = 20
	if opts.Connections > 0 {
		cfg.MaxConns = int32(opts.Connections)
	}
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	if opts.ConnectTimeout > 0 {
		cfg.ConnConfig.ConnectTimeout = opts.ConnectTimeout
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "schoolbell"
	}
	db := &DB{}
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return checkPlace(ctx, conn, db.place.Load()) }
	cfg.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return p.IdleDuration > pingAfter }
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, wrap("open the ledger", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, wrap("open the ledger", err)
	}
	db.pool = pool
	db.insertions = db.newInsertions()
	return db, nil
}

// pingAfter is after how long without use a connection is tried before it is used. A program that has nothing to do
// searches the ledger every second, and a try is another transaction.
const pingAfter = 2 * time.Second

// Close closes all connections, after the calls that are under way.
func (db *DB) Close() error {
	db.pool.Close()
	return nil
}

const attempts = 5 // of a transaction that lost against a concurrent one

// write runs f in a transaction of its own, together with the audit entry of the change that
// ctx carries, if it carries one. doing says what for, in errors.
func (db *DB) write(ctx context.Context, doing string, f func(tx pgx.Tx) error) error {
	err := db.again(doing, func() error {
		return pgx.BeginFunc(ctx, db.pool, audited(ctx, f))
	})
	if err == nil {
		ledger.ChangeOf(ctx).Committed()
	}
	return err
}

// read runs f in a reading transaction, which sees one moment of the ledger.
func (db *DB) read(ctx context.Context, doing string, f func(tx pgx.Tx) error) error {
	return db.again(doing, func() error {
		return pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
	})
}

// again calls f until it does not fail for a temporary reason, a few times.
func (db *DB) again(doing string, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || !passing(err) || try == attempts {
			return wrap(doing, err)
		}
	}
}

// twoTrips runs a transaction in two round trips: the statements that first queues, and those that second
// queues when the results of the first ones are known.
func (db *DB) twoTrips(ctx context.Context, doing string, first, second func(b *pgx.Batch)) error {
	return db.trips(ctx, doing, func(t *trips) error {
		first(&t.Batch)
		if err := t.send(); err != nil {
			return err
		}
		second(&t.Batch)
		return nil
	})
}

// trips are the round trips of a transaction: statements are queued, and sent together.
type trips struct {
	pgx.Batch
	send func() error
}

// trips runs a transaction with as few round trips as f makes. What is queued when f returns goes with the commit. Each
// statement sees what was committed before it began. They must find rows by their keys, see planOnce.
func (db *DB) trips(ctx context.Context, doing string, f func(t *trips) error) error {
	return db.again(doing, func() error {
		conn, err := db.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release() // closes the connection if it is still in a transaction
		t := &trips{}
		t.send = func() error {
			b := t.Batch
			t.Batch = pgx.Batch{}
			return conn.SendBatch(ctx, &b).Close()
		}
		t.Queue("BEGIN")
		t.Queue(planOnce)
		if err := f(t); err != nil {
			return rollback(ctx, conn, err)
		}
		t.Queue("COMMIT")
		return rollback(ctx, conn, t.send())
	})
}

// planOnce makes PostgreSQL plan the statements of a transaction when they are first run on a connection, and keep
// the plans. For statements that take arrays it would otherwise make a new plan each time, which takes longer than
// to run it. Such a plan may be made while the tables are empty and must be good for large ones: so it reads no
// table from one end to the other. Compiling a plan never pays, but estimates may suggest it.
const planOnce = `
	SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)`

// rollback ends the transaction of a connection after an error, which it returns.
func rollback(ctx context.Context, conn *pgxpool.Conn, err error) error {
	if err != nil && !conn.Conn().IsClosed() {
		_, _ = conn.Exec(ctx, "ROLLBACK")
	}
	return err
}

// list collects the rows of a query.
func list[T any](rows pgx.Rows, err error, scan func(row pgx.CollectableRow) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// Advisory locks, all of this program's own. They are numbers per database.
const (
	lockPeople    = 0x5c_00_1b_e1_01 // changes of people and groups
	lockSchool    = 0x5c_00_1b_e1_03 // changes of what a school says about itself
	lockPositions = 0x5c1b << 48     // and a position: inbox positions above it are being used
)

// lock waits for an advisory lock, which the end of the transaction frees.
func lock(ctx context.Context, tx pgx.Tx, id int64) error {
	if _, err := tx.Exec(ctx, takeLock, id); err != nil {
		return fmt.Errorf("wait for a turn: %w", err)
	}
	return nil
}

// takeLock waits for an advisory lock.
const takeLock = "SELECT pg_advisory_xact_lock($1)"
