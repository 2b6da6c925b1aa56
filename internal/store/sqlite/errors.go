package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"schoolbell"
)

// PrimaryCode returns SQLite's result code of err without its extension, 0 if it has none.
func PrimaryCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// isUnique reports whether err is a breach of a primary key or a unique index.
func isUnique(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// Wrap adds what was being done, and classifies a file that cannot be used.
func Wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*schoolbell.Error](err); ok {
		return err
	}
	err = fmt.Errorf("%s: %w", doing, err)
	switch PrimaryCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger is busy", Err: err}
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger's file cannot be used", Err: err}
	}
	return err
}

// Unusable is the error of a file that the system does not let us have.
func Unusable(err error) error {
	return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger's file cannot be used", Err: err}
}

// orNotFound turns "no rows" into the not-found error of a thing.
func orNotFound(err error, thing, id string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return schoolbell.NotFound(thing, id)
	}
	return err
}

// now is the database's clock in milliseconds, as SQL.
const now = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"

// clock reads the database's clock.
func clock(ctx context.Context, c *conn) (ms int64, err error) {
	err = c.get(ctx, "SELECT "+now, nil, &ms)
	return ms, err
}

// millis is a time as it is stored; the zero time is null.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// timeOf is the inverse of millis.
func timeOf(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// duration is a stretch of stored time.
func duration(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// ignoreNoRows drops the error "no rows".
func ignoreNoRows(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
