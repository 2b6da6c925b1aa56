package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/migration"
	"schoolbell/internal/store/row"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

var migrations = migration.Of(migrationFiles, "migrations")

// Migrate brings the schema to the version this program needs. Processes that
// migrate one file at once take turns. A schema that is too new for the program
// is CodeUnavailable; it stays as it is, like one that is newer and usable.
func (db *DB) Migrate(ctx context.Context) (err error) {
	schema, err := db.Schema(ctx)
	if err != nil || !schema.Behind() {
		return errors.Join(err, row.SchemaFault(schema))
	}
	pool, err := openPool(db.path, db.opts, 1, "_txlock=immediate")
	if err != nil {
		return Wrap("migrate", err)
	}
	defer func() { err = errors.Join(err, Wrap("migrate", pool.Close())) }()
	turn := &turnFile{path: db.path + "-migrate"}
	return Wrap("migrate", migrations.Up(ctx, goose.DialectSQLite3, pool, goose.WithLocker(turn)))
}

// Schema returns what schema the file has and what this program needs.
func (db *DB) Schema(ctx context.Context) (s ledger.Schema, err error) {
	err = db.read(ctx, "read the schema version", func(c *conn) error { return readSchema(ctx, c, &s) })
	if err != nil {
		return ledger.Schema{}, err
	}
	s.Needed = migrations.Newest()
	return s, nil
}

// readSchema reads what schema the file has.
func readSchema(ctx context.Context, c *conn, s *ledger.Schema) error {
	var made bool
	if err := c.get(ctx, hasTable, args{"name": goose.DefaultTablename}, &made); err != nil || !made {
		return err
	}
	err := c.get(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied", nil, &s.Version)
	if err != nil || s.Version == 0 {
		return err
	}
	return c.get(ctx, "SELECT oldest_program FROM installation", nil, &s.OldestProgram)
}

// hasTable says whether there is a table with a name.
const hasTable = `
SELECT count(*)
FROM sqlite_schema
WHERE type = 'table'
	AND name = @name`

// Ping reports whether the ledger answers and this program can use its schema.
func (db *DB) Ping(ctx context.Context) error {
	schema, err := db.Schema(ctx)
	if err != nil {
		return err
	}
	return row.SchemaFault(schema)
}

// turnFile makes migrating processes take turns. goose has no lock for SQLite,
// and a lock inside the file would be in the way of the migrations themselves, so
// it is SQLite's own lock on an empty file beside it, which the system frees when
// its holder dies. The file stays: removing it would let two take it at once.
type turnFile struct {
	path string
	db   *sql.DB
	conn *sql.Conn
}

const migrateWait = 5 * time.Minute // for another process to finish its migration

func (f *turnFile) Lock(ctx context.Context, _ *sql.DB) error {
	if err := createPrivate(f.path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", FileURL(f.path)+fmt.Sprintf("?_pragma=busy_timeout(%d)", migrateWait.Milliseconds()))
	if err != nil {
		return err
	}
	f.db = db
	if f.conn, err = db.Conn(ctx); err != nil {
		return errors.Join(err, db.Close())
	}
	if _, err := f.conn.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return errors.Join(&schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "another process is migrating the ledger", Err: err},
			f.conn.Close(), db.Close())
	}
	return nil
}

func (f *turnFile) Unlock(ctx context.Context, _ *sql.DB) error {
	_, err := f.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	return errors.Join(err, f.conn.Close(), f.db.Close())
}
