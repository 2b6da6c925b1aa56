package staff

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// named holds the values of a statement's parameters: @event takes named["event"].
type named = pgx.StrictNamedArgs

// timeOf is a stored time; null is the zero time.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
