package bullmq

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/internal/blocking"
)

// Event is one entry of a queue's events stream.
type Event struct {
	// ID is the id of the stream entry, for EventsOptions.After.
	ID string
	// Name is the kind of event: [EventAdded], [EventCompleted] …, or a custom one.
	Name string
	// JobID is the job concerned, empty for events of the queue itself.
	JobID string
	// Fields are all other fields as stored, such as "returnvalue" (JSON),
	// "failedReason" (text), "data" (progress as JSON), "prev", "delay" (due time in ms).
	Fields map[string]string
}

// EventsOptions set where reading begins. The zero value begins now.
type EventsOptions struct {
	// After is the id after which to begin, such as that of the last event seen. Empty means
	// now, "0" the oldest event kept. Any other text is [ErrInvalid].
	After string
	// Ready, if set, is called once when the place to begin is known. No event that happens
	// afterwards is missed.
	Ready func()
}

const (
	eventsBlock = 5 * time.Second // one wait for events
	eventsBatch = 500             // most events of one reply
)

// Events yields the queue's events as they happen, until ctx ends, which yields no error,
// or the loop ends. A Redis error is yielded with a zero Event. If the loop continues,
// reading resumes after the last event seen. The stream keeps a limited number of events: a
// reader that is disconnected for too long misses some. Each loop uses one connection of its
// own.
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

// eventReader reads the stream over its own connection, so that a waiting read can be
// interrupted.
type eventReader struct {
	q     *Queue
	ctx   context.Context
	after string
	ready func()
	conn  *blocking.Client
}

// read returns the next events, none if nothing happened for a while.
func (r *eventReader) read() ([]Event, error) {
	if err := r.connect(); err != nil {
		return nil, err
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	streams, err := r.conn.Client.XRead(r.ctx, &redis.XReadArgs{
		Streams: []string{r.q.keys.Events(), r.after}, Count: eventsBatch, Block: eventsBlock,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		r.close()
		return nil, wrapRead(r.ctx, "events", err)
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

// begin finds the place to begin.
func (r *eventReader) begin() error {
	if r.after == "" {
		last, err := r.conn.Client.XRevRangeN(r.ctx, r.q.keys.Events(), "+", "-", 1).Result()
		if err != nil {
			r.close()
			return wrapRead(r.ctx, "the latest event", err)
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
		r.conn, err = r.q.openBlocking(r.ctx, r.q.keys.Events(), "", eventsBlock+time.Second)
	}
	return wrapRead(r.ctx, "events", err)
}

func (r *eventReader) close() {
	if r.conn != nil {
		r.conn.Close()
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
