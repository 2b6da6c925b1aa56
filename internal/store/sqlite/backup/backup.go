// Package backup copies ledgers in SQLite, also while they are in use, and puts copies in the place of ledgers.
package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	driver "modernc.org/sqlite"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// Copy is what a backup has.
type Copy struct {
	At         time.Time // when it was made
	Bytes      int64
	Schema     ledger.Schema
	People     int
	Events     int
	Open       int // of Events, those that are not at their end
	Deliveries int
}

// copyPages is how many pages are copied between two looks at whether the caller still waits.
const copyPages = 1024

// Make copies the ledger in the file at from, which other processes may use, to a new file at to, which only its owner
// can read. The copy is of one moment, and nobody waits for it: it is read in one transaction, next to which others write.
// The file at to appears when the copy is complete, checked and on disk. It has a mark by which [sqlite.Restores] recognizes it. If there is
// a file at to, that is CodeConflict; if there is none at from, CodeNotFound.
func Make(ctx context.Context, from, to string) (c Copy, err error) {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return c, &schoolbell.Error{Code: schoolbell.CodeNotFound, Message: "there is no ledger at " + from, Err: err}
	}
	if _, err := os.Lstat(to); err == nil {
		return c, exists(to)
	}
	partial, err := newPartial(to)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, removeDatabase(partial)) }()
	at, err := copyPagesOf(ctx, from, partial)
	if err != nil {
		return c, sqlite.Wrap("back up "+from, err)
	}
	if c, err = markCopy(ctx, partial, at); err != nil {
		return c, sqlite.Wrap("check the copy of "+from, err)
	}
	return c, publish(partial, to)
}

func exists(path string) error {
	return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: path + " exists already and is not overwritten"}
}

// newPartial makes an empty file next to path that only its owner can read.
func newPartial(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".partial-*")
	if err != nil {
		return "", sqlite.Unusable(err)
	}
	return f.Name(), f.Close()
}

// removeDatabase removes a file and those that SQLite makes next to it.
func removeDatabase(path string) error {
	var errs []error
	for _, end := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(path + end); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// copyPagesOf copies the file page by page and returns the moment of which the copy is.
func copyPagesOf(ctx context.Context, from, to string) (at int64, err error) {
	err = withConn(ctx, sqlite.FileURL(from)+"?mode=rw&_pragma=busy_timeout(10000)&_pragma=query_only(1)", func(c *sql.Conn) error {
		// The transaction keeps the source at one moment. Without it the copy would begin again whenever somebody writes.
		if _, err := c.ExecContext(ctx, "BEGIN"); err != nil {
			return err
		}
		defer func() { _, _ = c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }()
		if err := c.QueryRowContext(ctx, "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) FROM installation").Scan(&at); err != nil {
			return fmt.Errorf("it is not a ledger of this program: %w", err)
		}
		return c.Raw(func(conn any) error { return copyTo(ctx, conn, to) })
	})
	return at, err
}

// copyTo copies all pages of a connection of the driver.
func copyTo(ctx context.Context, conn any, to string) (err error) {
	source, ok := conn.(interface {
		NewBackup(to string) (*driver.Backup, error)
	})
	if !ok {
		return fmt.Errorf("the driver %T makes no backups", conn)
	}
	b, err := source.NewBackup(sqlite.FileURL(to))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Finish()) }()
	for more := true; more; {
		if more, err = b.Step(copyPages); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// withConn runs f with a connection of its own.
func withConn(ctx context.Context, dsn string, f func(c *sql.Conn) error) (err error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return f(c)
}

// markCopy marks a file as a copy of a moment, unless it is marked, and checks it. The file becomes one without a log beside it.
func markCopy(ctx context.Context, path string, at int64) (c Copy, err error) {
	err = withConn(ctx, sqlite.FileURL(path)+"?mode=rw&_pragma=journal_mode(DELETE)&_pragma=synchronous(EXTRA)", func(file *sql.Conn) error {
		if _, err := file.ExecContext(ctx, "UPDATE installation SET copied_at = coalesce(copied_at, ?)", at); err != nil {
			return err
		}
		return inspect(ctx, file, &c)
	})
	if err != nil {
		return c, err
	}
	if c.Schema, err = sqlite.SchemaOf(ctx, path); err != nil {
		return c, err
	}
	info, err := os.Stat(path)
	if err == nil {
		c.Bytes = info.Size()
	}
	return c, err
}

// inspect checks a copy from end to end and counts what it has.
func inspect(ctx context.Context, file *sql.Conn, c *Copy) error {
	var fault string
	if err := file.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&fault); err != nil {
		return err
	}
	if fault != "ok" {
		return sqlite.Unusable(errors.New(fault))
	}
	var at sql.NullInt64
	err := file.QueryRowContext(ctx, countCopy).Scan(&at, &c.People, &c.Events, &c.Open, &c.Deliveries)
	if at.Valid {
		c.At = time.UnixMilli(at.Int64).UTC()
	}
	return err
}

// countCopy counts what a ledger has.
var countCopy = row.SQL(`
SELECT (SELECT copied_at FROM installation),
	(SELECT count(*) FROM users WHERE state = {user_live}),
	(SELECT count(*) FROM events),
	(SELECT count(*) FROM events WHERE completed_at IS NULL),
	(SELECT coalesce(sum(n), 0) FROM totals)`)

// publish gives a complete file its name, unless there is another of that name, and returns when that is on disk.
func publish(partial, path string) error {
	err := os.Link(partial, path)
	switch {
	case errors.Is(err, fs.ErrExist):
		return exists(path)
	case err != nil: // a file system without links
		if _, err := os.Lstat(path); err == nil {
			return exists(path)
		}
		if err := os.Rename(partial, path); err != nil {
			return sqlite.Unusable(err)
		}
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder returns when the names in a folder are on disk.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return sqlite.Unusable(err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
