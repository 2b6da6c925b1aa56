package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// The functions below are for stores in packages of their own.

// Write runs f in a transaction of its own, together with the audit entry of the change that ctx carries, if it carries one.
// doing says what for, in errors.
func Write(ctx context.Context, db *DB, doing string, f func(tx pgx.Tx) error) error {
	return db.write(ctx, doing, f)
}

// Read runs f in a reading transaction, which sees one moment of the ledger.
func Read(ctx context.Context, db *DB, doing string, f func(tx pgx.Tx) error) error {
	return db.read(ctx, doing, f)
}

// Now is the time of the database in a statement, in whole milliseconds.
const Now = now

// LockSchool lets the transaction wait for others that change what a school says about itself, and others for it.
func LockSchool(ctx context.Context, tx pgx.Tx) error { return lock(ctx, tx, lockSchool) }
