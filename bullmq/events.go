package bullmq

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"
)

// Event is one entry of a queue's events stream.
type Event struct {
	// ID is the entry's id, to resume after.
	ID string
	// Name is the event: [EventAdded], [EventCompleted] …, or one of somebody's own.
	Name string
	// JobID is the job it is about, empty for events of the queue itself.
	JobID string
	// Fields are all other fields as they are stored, such as "returnvalue"
	// (JSON), "failedReason" (text), "data" (JSON progress), "prev", "delay".
	Fields map[string]string
}

// EventsOptions say where to begin.
type EventsOptions struct {
	// After is the id after which to begin, such as that of the last event seen; empty
	// means now, "0" the oldest kept. Anything but an id is [ErrInvalid].
	After string
	// Ready, if set, is called when the place to begin is known: nothing that
	// happens afterwards is missed.
	Ready func()
}

const (
	eventsBlock = 5 * time.Second // one wait for events
	eventsBatch = 500             // most events of one reply
)

// Events yields the queue's events as they come, until ctx ends (which is no
// error) or the loop is left. A Redis error is yielded with a zero Event; if the
// loop goes on, reading is resumed after the last event seen. Events are kept for a
// limited number only: a reader that is away for long misses some.
func (q *Queue) Events(ctx context.Context, opts EventsOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if opts.After != "" && !validEventID(opts.After) {
			yield(Event{}, invalid("event id %q", opts.After))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r := &eventReader{q: q, ctx: ctx, after: opts.After, ready: opts.Ready}
		defer r.close()
		var wait retryDelay
		for ctx.Err() == nil {
			events, err := r.read()
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				if !yield(Event{}, err) {
					return
				}
				sleep(ctx, wait.next())
				continue
			}
			wait.reset()
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// eventReader reads the stream over a connection of its own, so that a read that waits
// can be ended.
type eventReader struct {
	q     *Queue
	ctx   context.Context
	after string
	ready func()
	conn  *blocking
}

// read returns the next events, none if nothing came for a while.
func (r *eventReader) read() ([]Event, error) {
	if err := r.connect(); err != nil {
		return nil, err
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	streams, err := r.conn.client.XRead(r.ctx, &redis.XReadArgs{
		Streams: []string{r.q.keys.events(), r.after}, Count: eventsBatch, Block: eventsBlock,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		r.close()
		return nil, wrapRead("events", err)
	}
	var events []Event
	for _, s := range streams {
		for _, m := range s.Messages {
			events = append(events, decodeEvent(m))
			r.after = m.ID
		}
	}
	return events, nil
}

// begin finds out where "now" is.
func (r *eventReader) begin() error {
	if r.after == "" {
		last, err := r.conn.client.XRevRangeN(r.ctx, r.q.keys.events(), "+", "-", 1).Result()
		if err != nil {
			r.close()
			return wrapRead("the latest event", err)
		}
		r.after = "0"
		if len(last) > 0 {
			r.after = last[0].ID
		}
	}
	if r.ready != nil {
		r.ready()
		r.ready = nil
	}
	return nil
}

func (r *eventReader) connect() (err error) {
	if r.conn == nil {
		r.conn, err = newBlocking(r.ctx, r.q.rdb, r.q.keys.events(), "", eventsBlock+time.Second)
	}
	return err
}

func (r *eventReader) close() {
	if r.conn != nil {
		r.conn.close()
		r.conn = nil
	}
}

func decodeEvent(m redis.XMessage) Event {
	e := Event{ID: m.ID, Fields: make(map[string]string, len(m.Values))}
	for field, value := range m.Values {
		text, _ := value.(string)
		switch field {
		case "event":
			e.Name = text
		case "jobId":
			e.JobID = text
		default:
			e.Fields[field] = text
		}
	}
	return e
}
