package postgres

import (
	"context"
	"embed"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	gooselock "github.com/pressly/goose/v3/lock"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/migration"
	"schoolbell/internal/store/row"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

var migrations = migration.Of(migrationFiles, "migrations")

// Migrate brings the schema to the version this program needs. Processes that
// migrate one database at once take turns. A schema that is too new for the program
// is CodeUnavailable; it stays as it is, like one that is newer and usable.
func (db *DB) Migrate(ctx context.Context) (err error) {
	schema, err := db.Schema(ctx)
	if err != nil || !schema.Behind() {
		return errors.Join(err, row.SchemaFault(schema))
	}
	pool := stdlib.OpenDBFromPool(db.pool)
	defer func() { err = errors.Join(err, wrap("migrate", pool.Close())) }()
	locker, err := gooselock.NewPostgresSessionLocker(gooselock.WithLockTimeout(1, 300)) // every second for five minutes
	if err != nil {
		return wrap("migrate", err)
	}
	return wrap("migrate", migrations.Up(ctx, goose.DialectPostgres, pool, goose.WithSessionLocker(locker)))
}

// Schema returns what schema the database has and what this program needs.
func (db *DB) Schema(ctx context.Context) (s ledger.Schema, err error) {
	err = db.read(ctx, "read the schema version", func(tx pgx.Tx) error {
		var made bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", goose.DefaultTablename).Scan(&made); err != nil || !made {
			return err
		}
		err := tx.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&s.Version)
		if err != nil || s.Version == 0 {
			return err
		}
		return tx.QueryRow(ctx, "SELECT oldest_program FROM installation").Scan(&s.OldestProgram)
	})
	if err != nil {
		return ledger.Schema{}, err
	}
	s.Needed = migrations.Newest()
	return s, nil
}

// Ping reports whether the ledger answers and this program can use its schema.
func (db *DB) Ping(ctx context.Context) error {
	schema, err := db.Schema(ctx)
	if err != nil {
		return err
	}
	return row.SchemaFault(schema)
}
