package bullmq

import (
	"context"
	"iter"
)

// Event is one entry of a queue's events stream.
type Event struct {
	// ID is the entry's id, to resume after.
	ID string
	// Name is the event: "added", "waiting", "active", "progress",
	// "completed", "failed", "delayed", "drained" …
	Name string
	// JobID is the job it is about, empty for events of the queue itself.
	JobID string
	// Fields are all other fields as they are stored, such as "returnvalue"
	// (JSON), "failedReason" (text), "data" (JSON progress), "prev", "delay".
	Fields map[string]string
}

// EventsOptions say where to begin.
type EventsOptions struct {
	// After is the id after which to begin; empty means now, "0" the oldest kept.
	After string
}

// Events yields the queue's events as they come, until ctx ends (which is no
// error) or the loop is left. A Redis error is yielded with a zero Event; if the loop
// goes on, reading is resumed after the last event seen.
func (q *Queue) Events(ctx context.Context, opts EventsOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) { yield(Event{}, errTodo) }
}
