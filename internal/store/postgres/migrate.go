package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	gooselock "github.com/pressly/goose/v3/lock"

	"schoolbell/internal/store/row"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema to the version this program needs. Processes that
// migrate one database at once take turns. A schema that is newer than the
// program is CodeUnavailable and stays as it is.
func (db *DB) Migrate(ctx context.Context) (err error) {
	have, want, err := db.Schema(ctx)
	switch {
	case err != nil:
		return err
	case have == want:
		return nil
	case have > want:
		return row.SchemaFault(have, want)
	}
	pool := stdlib.OpenDBFromPool(db.pool)
	defer func() { err = errors.Join(err, wrap("migrate", pool.Close())) }()
	locker, err := gooselock.NewPostgresSessionLocker(gooselock.WithLockTimeout(1, 300)) // every second for five minutes
	if err != nil {
		return wrap("migrate", err)
	}
	p, err := provider(pool, goose.WithSessionLocker(locker))
	if err != nil {
		return wrap("migrate", err)
	}
	_, err = p.Up(ctx)
	return wrap("migrate", err)
}

// Schema returns the version of the database's schema, 0 for an empty one, and the one that this program needs.
func (db *DB) Schema(ctx context.Context) (have, want int64, err error) {
	err = db.read(ctx, "read the schema version", func(tx pgx.Tx) error {
		var made bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", goose.DefaultTablename).Scan(&made); err != nil || !made {
			return err
		}
		return tx.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&have)
	})
	if err != nil {
		return 0, 0, err
	}
	pool := stdlib.OpenDBFromPool(db.pool) // goose wants one, even to list files
	defer func() { err = errors.Join(err, pool.Close()) }()
	p, err := provider(pool)
	if err != nil {
		return 0, 0, wrap("read the schema version", err)
	}
	sources := p.ListSources() // in order of version
	return have, sources[len(sources)-1].Version, nil
}

// Ping reports whether the ledger answers and its schema is the one this program needs.
func (db *DB) Ping(ctx context.Context) error {
	have, want, err := db.Schema(ctx)
	if err != nil {
		return err
	}
	return row.SchemaFault(have, want)
}

func provider(db *sql.DB, opts ...goose.ProviderOption) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files, append(opts, goose.WithDisableGlobalRegistry(true))...)
}
