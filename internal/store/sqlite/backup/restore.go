package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"schoolbell"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// Restore puts a copy of the backup at from in the place of the ledger at to, which no process may use. What was there is
// kept under another name, which is returned, empty if nothing was there. The program that opens the ledger next
// finds that it was restored. A backup that is damaged, or no ledger, or too new for this program is refused, and
// so is a ledger that is in use (CodeConflict); nothing is changed then.
func Restore(ctx context.Context, from, to string, at time.Time) (c Copy, replaced string, err error) {
	info, err := os.Stat(from)
	if err != nil {
		return c, "", sqlite.Unusable(err)
	}
	if log, err := os.Stat(from + "-wal"); err == nil && log.Size() > 0 {
		return c, "", &schoolbell.Error{Code: schoolbell.CodeInvalid,
			Message: fmt.Sprintf("%s is not a backup: a part of its data is in the file %s-wal beside it", from, filepath.Base(from))}
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return c, "", sqlite.Unusable(err)
	}
	partial, err := newPartial(to)
	if err != nil {
		return c, "", err
	}
	defer func() { err = errors.Join(err, removeDatabase(partial)) }()
	if err := copyFile(from, partial); err != nil {
		return c, "", sqlite.Unusable(err)
	}
	if c, err = markCopy(ctx, partial, info.ModTime().UnixMilli()); err != nil {
		return c, "", sqlite.Wrap(from+" cannot be restored", err)
	}
	if c.Schema.Ahead() {
		return c, "", row.SchemaFault(c.Schema)
	}
	replaced, err = moveAway(ctx, to, at)
	if err != nil {
		return c, "", err
	}
	return c, replaced, publish(partial, to)
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Sync(), target.Close())
}

// moveAway gives the ledger at path another name, with the files beside it, unless a process uses it.
func moveAway(ctx context.Context, path string, at time.Time) (name string, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", removeDatabase(path) // a log without its file would be taken for that of the new one
	}
	name = path + ".replaced-" + at.UTC().Format("20060102T150405.000Z")
	move := func() error {
		for _, end := range []string{"", "-wal", "-shm", "-journal"} {
			if err := os.Rename(path+end, name+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return sqlite.Unusable(err)
			}
		}
		return nil
	}
	err = withConn(ctx, sqlite.FileURL(path)+"?mode=rw&_pragma=busy_timeout(1000)", func(c *sql.Conn) error {
		// Only a process that is alone with a file can end its log.
		var mode string
		if err := c.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode); err != nil {
			return err
		}
		if _, err := c.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
			return err
		}
		return move()
	})
	switch sqlite.PrimaryCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "", &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "a program uses the ledger " + path, Err: err}
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR: // it cannot be used, perhaps the reason for the restore
		err = move()
	}
	return name, err
}
