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
)

// Options are settings of a Store. The zero value is good.
type Options struct {
	Readers     int           // connections that read; 4 when zero
	BusyTimeout time.Duration // how long to wait while another process writes; 5 s when zero
}

// Store is the ledger in one file. It is safe for concurrent use, and several
// processes may have the same file open.
type Store struct {
	path    string
	opts    Options
	writeDB *sql.DB
	readDB  *sql.DB
	w       *writer
	readers chan *reader
}

// Open opens the file, making it and its folder, for their owner only, where
// they are missing. It does not migrate. The caller closes the Store.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	if opts.Readers <= 0 {
		opts.Readers = 4
	}
	if opts.BusyTimeout <= 0 {
		opts.BusyTimeout = 5 * time.Second
	}
	s := &Store{path: path, opts: opts}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(wrap("open the ledger "+path, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if err := createPrivate(s.path); err != nil {
		return err
	}
	var err error
	if s.writeDB, err = openPool(s.path, s.opts, 1, "_pragma=cache_size(-16384)"); err != nil {
		return err
	}
	wc, err := s.writeDB.Conn(ctx)
	if err != nil {
		return err
	}
	s.w = &writer{conn: newConn(wc.PrepareContext), sql: wc, turn: make(chan struct{}, 1)}
	if s.readDB, err = openPool(s.path, s.opts, s.opts.Readers, "_pragma=query_only(1)"); err != nil {
		return err
	}
	s.readers = make(chan *reader, s.opts.Readers)
	for range s.opts.Readers {
		rc, err := s.readDB.Conn(ctx)
		if err != nil {
			return err
		}
		s.readers <- &reader{conn: newConn(rc.PrepareContext), sql: rc}
	}
	return nil
}

// createPrivate makes the file if it is missing: it holds names and addresses,
// and SQLite would let the umask decide who may read them.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return unusable(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return unusable(err)
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
	return fileURL(path) + fmt.Sprintf("?_pragma=busy_timeout(%d)", opts.BusyTimeout.Milliseconds()) +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)" +
		"&_pragma=wal_autocheckpoint(4000)&_pragma=journal_size_limit(67108864)&" + extra
}

// fileURL names a file whatever characters its path has.
func fileURL(path string) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
}

// Close closes the file. No call may be under way.
func (s *Store) Close() error {
	var errs []error
	if s.w != nil {
		errs = append(errs, s.w.sql.Close())
	}
	for len(s.readers) > 0 {
		errs = append(errs, (<-s.readers).sql.Close())
	}
	for _, db := range []*sql.DB{s.readDB, s.writeDB} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}
