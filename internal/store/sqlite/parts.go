package sqlite

import "context"

// The functions and the type below are for stores in packages of their own.

// Conn runs the statements of a transaction. Parameters have names: a value "x" is that of @x.
type Conn struct{ conn *conn }

// Exec runs a statement and returns how many rows it changed.
func (c Conn) Exec(ctx context.Context, query string, a map[string]any) (int, error) {
	return c.conn.exec(ctx, query, a)
}

// Get scans the first row into dest; sql.ErrNoRows if there is none.
func (c Conn) Get(ctx context.Context, query string, a map[string]any, dest ...any) error {
	return c.conn.get(ctx, query, a, dest...)
}

// Each calls row for every row.
func (c Conn) Each(ctx context.Context, query string, a map[string]any, row func(scan func(dest ...any) error) error) error {
	return c.conn.each(ctx, query, a, row)
}

// Write runs f in a writing transaction of its own, together with the audit entry of the change that ctx carries. doing says
// what for, in errors.
func Write(ctx context.Context, db *DB, doing string, f func(c Conn) error) error {
	return db.write(ctx, doing, func(c *conn) error { return f(Conn{c}) })
}

// Read runs f in a reading transaction, which sees one moment of the ledger.
func Read(ctx context.Context, db *DB, doing string, f func(c Conn) error) error {
	return db.read(ctx, doing, func(c *conn) error { return f(Conn{c}) })
}

// Now is the time of the database in a statement, milliseconds since 1970.
const Now = now
