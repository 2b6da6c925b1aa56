// Package repeat has the stored forms of schedules: what a scheduler's job contains about the
// next one, and the repeatable jobs of BullMQ 5.
package repeat

import (
	"encoding/json"
	"strings"
	"time"

	"schoolbell/bullmq/internal/cron"
	"schoolbell/bullmq/internal/wire"
)

// Repetition is the stored form of a schedule in its jobs' options.
type Repetition struct {
	Every   int64           `json:"every,omitempty"`
	Pattern string          `json:"pattern,omitempty"`
	TZ      string          `json:"tz,omitempty"`
	Limit   int             `json:"limit,omitempty"`
	Start   int64           `json:"startDate,omitempty"`
	End     int64           `json:"endDate,omitempty"`
	Offset  *int64          `json:"offset,omitempty"`
	Key     json.RawMessage `json:"key,omitempty"` // of schedulers as BullMQ 5 once made them
	Count   int             `json:"count"`
}

// Encode returns the stored form, JSON.
func (r *Repetition) Encode() []byte {
	text, _ := wire.EncodeJSON(r) // it always encodes
	return text
}

// Fields returns the schedule's fields of the scheduler's hash, except every and offset.
func (r *Repetition) Fields() (fields []string) {
	for _, f := range []struct{ name, value string }{
		{"tz", r.TZ}, {"limit", wire.Optional(int64(r.Limit))}, {"pattern", r.Pattern},
		{"startDate", wire.Optional(r.Start)}, {"endDate", wire.Optional(r.End)},
	} {
		if f.value != "" {
			fields = append(fields, f.name, f.value)
		}
	}
	return fields
}

// NextMatch returns the first match of a pattern after now and start, zero if there is none or
// it is after end. A zero start or end means none.
func NextMatch(pattern *cron.Pattern, zone *time.Location, now, start, end time.Time) time.Time {
	if start.After(now) {
		now = start
	}
	next := pattern.Next(now, zone)
	if !end.IsZero() && next.After(end) {
		return time.Time{}
	}
	return next
}

// JobIDHead returns the id of a scheduler's job as JSON, up to its time.
func JobIDHead(scheduler string) string {
	return strings.TrimSuffix(string(wire.AppendString(nil, "repeat:"+scheduler+":")), `"`)
}
