package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"schoolbell/internal/ledger"
)

// Options are settings of a DB. The zero value is good.
type Options struct {
	Readers     int           // connections that read; 4 when zero
	BusyTimeout time.Duration // how long to wait while another process writes; 5 s when zero
}

// DB is the connection to the ledger in one file. It is safe for concurrent use, and several
// processes may have the same file open.
type DB struct {
	path    string
	opts    Options
	writeDB *sql.DB
	readDB  *sql.DB
	w       *writer
	readers chan *reader

	channels channelTable
}

// Open opens the file, making it and its folder, for their owner only, where
// they are missing. It does not migrate. The caller closes the DB.
func Open(ctx context.Context, path string, opts Options) (*DB, error) {
	if opts.Readers <= 0 {
		opts.Readers = 4
	}
	if opts.BusyTimeout <= 0 {
		opts.BusyTimeout = 5 * time.Second
	}
	db := &DB{path: path, opts: opts}
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(Wrap("open the ledger "+path, err), db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context) error {
	if err := createPrivate(db.path); err != nil {
		return err
	}
	var err error
	if db.writeDB, err = openPool(db.path, db.opts, 1, "_pragma=cache_size(-16384)"); err != nil {
		return err
	}
	wc, err := db.writeDB.Conn(ctx)
	if err != nil {
		return err
	}
	db.w = &writer{conn: newConn(wc.PrepareContext), sql: wc, turn: make(chan struct{}, 1)}
	if db.readDB, err = openPool(db.path, db.opts, db.opts.Readers, "_pragma=query_only(1)"); err != nil {
		return err
	}
	db.readers = make(chan *reader, db.opts.Readers)
	for range db.opts.Readers {
		rc, err := db.readDB.Conn(ctx)
		if err != nil {
			return err
		}
		db.readers <- &reader{conn: newConn(rc.PrepareContext), sql: rc}
	}
	return nil
}

// createPrivate makes the file if it is missing: it holds names and addresses,
// and SQLite would let the umask decide who may read them.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Unusable(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return Unusable(err)
	}
	return f.Close()
}

// openPool opens a pool of at most n connections, which never expire.
func openPool(path string, opts Options, n int, extra string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, opts, extra))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// dsn carries every pragma: one that is executed later reaches one connection only.
func dsn(path string, opts Options, extra string) string {
	return FileURL(path) + fmt.Sprintf("?_pragma=busy_timeout(%d)", opts.BusyTimeout.Milliseconds()) +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)" +
		"&_pragma=wal_autocheckpoint(4000)&_pragma=journal_size_limit(67108864)&" + extra
}

// FileURL names a file whatever characters its path has.
func FileURL(path string) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
}

// Close closes the file. No call may be under way.
func (db *DB) Close() error {
	var errs []error
	if db.w != nil {
		errs = append(errs, db.w.close(), db.w.sql.Close())
	}
	for len(db.readers) > 0 {
		r := <-db.readers
		errs = append(errs, r.close(), r.sql.Close())
	}
	for _, pool := range []*sql.DB{db.readDB, db.writeDB} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

const busyTries = 3 // each waits for the busy timeout first

// write runs f in a writing transaction of its own, again if another process
// held the file for longer than the busy timeout. The audit entry of the change that ctx
// carries is part of the transaction. doing says what for, in errors.
func (db *DB) write(ctx context.Context, doing string, f func(c *conn) error) error {
	err := db.again(doing, func() error { return db.w.transaction(ctx, audited(ctx, f)) })
	if err == nil {
		ledger.ChangeOf(ctx).Committed()
	}
	return err
}

// writeTogether does the same for a short f, together with others'. f must not
// use a context that can end: what it does may be part of another's transaction.
func (db *DB) writeTogether(ctx context.Context, doing string, f func(ctx context.Context, c *conn) error) error {
	lasting := context.WithoutCancel(ctx)
	short := audited(lasting, func(c *conn) error { return f(lasting, c) })
	err := db.again(doing, func() error { return db.w.together(ctx, short) })
	if err == nil {
		ledger.ChangeOf(ctx).Committed()
	}
	return err
}

func (db *DB) again(doing string, write func() error) error {
	for try := 1; ; try++ {
		err := write()
		if PrimaryCode(err) == sqlite3.SQLITE_BUSY && try < busyTries {
			continue
		}
		return Wrap(doing, err)
	}
}

// read runs f in a reading transaction, which sees one moment of the ledger.
func (db *DB) read(ctx context.Context, doing string, f func(c *conn) error) error {
	select {
	case r := <-db.readers:
		defer func() { db.readers <- r }()
		return Wrap(doing, r.transaction(ctx, f))
	case <-ctx.Done():
		return Wrap(doing, ctx.Err())
	}
}

// readChunk is read for an f that also fills the table chunk. That is a table of the connection alone, so it takes no lock
// of the file. f must not write to others.
func (db *DB) readChunk(ctx context.Context, doing string, f func(c *conn) error) error {
	select {
	case r := <-db.readers:
		defer func() { db.readers <- r }()
		return Wrap(doing, r.withChunk(ctx, f))
	case <-ctx.Done():
		return Wrap(doing, ctx.Err())
	}
}

// reader is a connection that reads. Its holder has it alone.
type reader struct {
	*conn
	sql *sql.Conn
}

func (r *reader) transaction(ctx context.Context, f func(c *conn) error) error {
	if _, err := r.exec(ctx, "BEGIN", nil); err != nil {
		return err
	}
	defer func() { _, _ = r.exec(context.WithoutCancel(ctx), "ROLLBACK", nil) }() // there is nothing to lose
	return f(r.conn)
}

// withChunk is transaction for an f that fills the table chunk.
func (r *reader) withChunk(ctx context.Context, f func(c *conn) error) error {
	// Not by exec: a pragma takes effect when it is prepared, so a statement that is kept has none.
	if _, err := r.sql.ExecContext(ctx, "PRAGMA query_only = 0"); err != nil {
		return err
	}
	defer func() { _, _ = r.sql.ExecContext(context.WithoutCancel(ctx), "PRAGMA query_only = 1") }() // fails only if the connection is broken
	if _, err := r.exec(ctx, createChunk, nil); err != nil {                                         // outside of the transaction, which does not keep it
		return err
	}
	return r.transaction(ctx, f)
}
