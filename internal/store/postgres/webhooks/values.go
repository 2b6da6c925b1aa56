package webhooks

import (
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
)

// now is the time of the server's clock as it is stored.
const now = "date_trunc('milliseconds', clock_timestamp())"

// named holds the values of a statement's parameters: @event takes named["event"].
type named = pgx.StrictNamedArgs

// with returns the values of both.
func with(n, more named) named {
	all := maps.Clone(n)
	maps.Copy(all, more)
	return all
}

// list collects the rows of a query.
func list[T any](rows pgx.Rows, err error, scan func(row pgx.CollectableRow) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// stored is a time as it is stored; the zero time is null.
func stored(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = schoolbell.Time(t)
	return &t
}

// timeOf is the inverse of stored.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
