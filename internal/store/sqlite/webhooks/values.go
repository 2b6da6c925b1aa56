package webhooks

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"time"

	"schoolbell/internal/store/sqlite"
)

// now is the database's clock in milliseconds, as SQL.
const now = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"

// clock reads the database's clock.
func clock(ctx context.Context, c sqlite.Conn) (ms int64, err error) {
	err = c.Get(ctx, "SELECT "+now, nil, &ms)
	return ms, err
}

// args are the values of a statement's parameters: args{"event": 7} sets @event.
type args map[string]any

// and returns the values of both.
func (a args) and(more args) args {
	all := maps.Clone(a)
	maps.Copy(all, more)
	return all
}

// jsonOf encodes a list of strings or numbers, which cannot fail.
func jsonOf(list any) string {
	b, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return string(b)
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
