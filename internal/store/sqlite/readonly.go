package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"

	"schoolbell/internal/ledger"
)

// SchemaOf is [DB.Schema] of the file at path, which another process may have open.
// It changes nothing on disk and takes no lock that holds others up. A file that is
// missing is an error.
func SchemaOf(ctx context.Context, path string) (s ledger.Schema, err error) {
	if _, err := os.Stat(path); err != nil {
		return s, Wrap("open the ledger "+path, Unusable(err))
	}
	db, err := sql.Open("sqlite", FileURL(path)+readOnlyOptions(path))
	if err != nil {
		return s, Wrap("open the ledger "+path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.Conn(ctx)
	if err != nil {
		return s, Wrap("open the ledger "+path, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	file := newConn(c.PrepareContext)
	defer func() { err = errors.Join(err, file.close()) }()
	if err := readSchema(ctx, file, &s); err != nil {
		return s, Wrap("read the schema version", err)
	}
	s.Needed = migrations.Newest()
	return s, nil
}

// readOnlyOptions are how SQLite reads the file without making or changing any. What is
// in the log of changes counts; its index is then in a file too, or is built in memory.
// Without a log the file itself is all there is, and is taken as it stands: else SQLite
// would make log and index.
func readOnlyOptions(path string) string {
	log, errLog := os.Stat(path + "-wal")
	if _, err := os.Stat(path + "-shm"); err == nil && errLog == nil && log.Size() > 0 {
		return "?mode=ro&readonly_shm=1&_pragma=busy_timeout(1000)"
	}
	return "?mode=ro&immutable=1"
}
