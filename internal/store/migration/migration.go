// Package migration has the migrations of a ledger: files of SQL, one for each version of the schema.
package migration

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path"

	"github.com/pressly/goose/v3"
)

// Migrations are those of an engine, in order of version.
type Migrations struct {
	goose []*goose.Migration
}

// Of returns the migrations of a folder, whose files are called as 00001_ledger.sql. Each file runs in a transaction and
// in one piece, because both engines run several statements at once: goose would take it apart, line by line. Of panics
// if a file has another name.
func Of(files fs.FS, folder string) Migrations {
	names, err := fs.Glob(files, path.Join(folder, "*.sql"))
	if err != nil || len(names) == 0 {
		panic(fmt.Sprintf("migration: no files in %s: %v", folder, err))
	}
	var m Migrations
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			panic(fmt.Sprintf("migration: %v", err))
		}
		m.goose = append(m.goose, goose.NewGoMigration(version, &goose.GoFunc{RunTx: runs(files, name)}, nil))
	}
	return m
}

// runs returns a function that runs a file.
func runs(files fs.FS, name string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, string(text)); err != nil {
			return fmt.Errorf("%s: %w", path.Base(name), err)
		}
		return nil
	}
}

// Newest is the version of the schema that the program needs.
func (m Migrations) Newest() int64 { return m.goose[len(m.goose)-1].Version }

// Up runs those that a database lacks.
func (m Migrations) Up(ctx context.Context, dialect goose.Dialect, db *sql.DB, lock goose.ProviderOption) error {
	p, err := goose.NewProvider(dialect, db, nil, lock, goose.WithGoMigrations(m.goose...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}
