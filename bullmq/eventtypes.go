package bullmq

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"schoolbell/bullmq/internal/wire"

	"github.com/redis/go-redis/v9"
)

// The names of a queue's own events.
const (
	EventAdded            = "added"             // a job was added; Fields: name
	EventWaiting          = "waiting"           // it waits for a worker; prev, unless just added
	EventWaitingChildren  = "waiting-children"  // it waits for its children; prev
	EventDelayed          = "delayed"           // it waits until it is due; delay
	EventActive           = "active"            // a worker has started it; prev
	EventProgress         = "progress"          // its progress was stored; data
	EventCompleted        = "completed"         // returnvalue, prev
	EventFailed           = "failed"            // it failed, with no retry; failedReason, prev
	EventRetriesExhausted = "retries-exhausted" // it failed in its last attempt; attemptsMade
	EventStalled          = "stalled"           // its worker was lost, and it waits again
	EventRemoved          = "removed"           // prev
	EventDuplicated       = "duplicated"        // its id was taken when it was added again
	EventDeduplicated     = "deduplicated"      // deduplicationId, deduplicatedJobId
	EventDebounced        = "debounced"         // as deduplicated, from BullMQ 5; debounceId
	EventCleaned          = "cleaned"           // count
	EventPaused           = "paused"            // the queue
	EventResumed          = "resumed"           // the queue
	EventDrained          = "drained"           // no job is waiting or active
)

var ownEvents = []string{
	EventAdded, EventWaiting, EventWaitingChildren, EventDelayed, EventActive, EventProgress, EventCompleted, EventFailed,
	EventRetriesExhausted, EventStalled, EventRemoved, EventDuplicated, EventDeduplicated, EventDebounced, EventCleaned,
	EventPaused, EventResumed, EventDrained,
}

// Time returns when the event was written, by the server's clock, in milliseconds. It is
// zero if ID is not the id of a stream entry.
func (e Event) Time() time.Time {
	ms, _, _ := strings.Cut(e.ID, "-")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return wire.FromMillis(n)
}

// ReturnValue returns the result of a completed job as JSON, nil for other events.
func (e Event) ReturnValue() json.RawMessage { return wire.RawJSON(e.Fields["returnvalue"]) }

// Progress returns the progress of a job as JSON, nil for other events.
func (e Event) Progress() json.RawMessage {
	if e.Name != EventProgress {
		return nil
	}
	return wire.RawJSON(e.Fields["data"])
}

// FailedReason returns why a job failed, empty for other events.
func (e Event) FailedReason() string { return e.Fields["failedReason"] }

// Due returns when a delayed job is due, zero for other events.
func (e Event) Due() time.Time {
	if e.Name != EventDelayed {
		return time.Time{}
	}
	return wire.FromMillis(wire.ParseInt(e.Fields["delay"]))
}

// Prev returns the state that the job came from, empty if the event has none. The stored
// name "wait" is returned as StateWaiting.
func (e Event) Prev() State {
	if prev := State(e.Fields["prev"]); prev != "wait" {
		return prev
	}
	return StateWaiting
}

// Publish adds a custom event to the queue's events and returns its id. Readers in Go and
// in Node receive it under its name. Names of the queue's own events are [ErrInvalid], and so
// are the fields event and id, which readers set themselves. The stream keeps its own limit,
// as with any other event; BullMQ's QueueEventsProducer cuts it to 1000.
func (q *Queue) Publish(ctx context.Context, name string, fields map[string]string) (id string, err error) {
	if name == "" || slices.Contains(ownEvents, name) {
		return "", invalid("event name %q is empty or one of the queue's own", name)
	}
	values := make([]string, 0, 2+2*len(fields))
	values = append(values, "event", name)
	for field, value := range fields {
		if field == "" || field == "event" || field == "id" {
			return "", invalid("event %q: field %q", name, field)
		}
		values = append(values, field, value)
	}
	limit, err := q.rdb.HGet(ctx, q.keys.Meta(), "opts.maxLenEvents").Int64()
	if err != nil || limit < 1 { // none yet, or damaged; a lost connection shows below
		limit = q.opts.MaxEvents
	}
	id, err = q.rdb.XAdd(ctx, &redis.XAddArgs{Stream: q.keys.Events(), MaxLen: limit, Approx: true, Values: values}).Result()
	return id, wrapWrite(ctx, "publish event "+name, err)
}

// TrimEvents removes the oldest events until about limit are left, and returns how many
// it removed. Redis removes whole blocks of some 100 events, so more may stay. Readers of
// [Queue.Events] miss events that are removed before they have read them.
func (q *Queue) TrimEvents(ctx context.Context, limit int64) (int64, error) {
	if limit < 0 {
		return 0, invalid("TrimEvents to %d events", limit)
	}
	n, err := q.rdb.XTrimMaxLenApprox(ctx, q.keys.Events(), limit, 0).Result()
	return n, wrapWrite(ctx, "trim events", err)
}

// validEventID reports whether events can be read after an id: a time in ms, alone or with
// a number after a dash.
func validEventID(id string) bool {
	ms, seq, dashed := strings.Cut(id, "-")
	_, err := strconv.ParseUint(ms, 10, 64)
	if err == nil && dashed {
		_, err = strconv.ParseUint(seq, 10, 64)
	}
	return err == nil
}
