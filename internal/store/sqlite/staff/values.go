package staff

import (
	"database/sql"
	"encoding/json"
	"time"
)

// args are the values of a statement's parameters: args{"event": 7} sets @event.
type args map[string]any

// timeOf is a stored time; null is the zero time.
func timeOf(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// jsonOf is a list for json_each.
func jsonOf(list []string) string {
	text, err := json.Marshal(append([]string{}, list...))
	if err != nil {
		panic(err) // strings cannot fail
	}
	return string(text)
}
