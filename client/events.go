package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"

	"schoolbell/wire"

	"schoolbell"
)

// CreateEvent creates an event. It returns as soon as the server has stored it.
func (c *Client) CreateEvent(ctx context.Context, ev wire.NewEvent) (*wire.Event, error) {
	out, _, err := c.CreateEventOnce(ctx, ev, "")
	return out, err
}

// CreateEventOnce is [Client.CreateEvent] that may be repeated: events with the same key are
// created once. replayed says that this one was created before. The empty key is none.
func (c *Client) CreateEventOnce(ctx context.Context, ev wire.NewEvent, key string) (created *wire.Event, replayed bool, err error) {
	r := call{method: http.MethodPost, path: "/v1/events", header: map[string]string{}}
	if key != "" {
		r.header["Idempotency-Key"] = key
	}
	created = &wire.Event{}
	resp, err := c.json(ctx, r, ev, created)
	if err != nil {
		return nil, false, err
	}
	return created, resp.Header.Get("Idempotency-Replayed") == "true", nil
}

// PreviewEvent tells what would happen if the event were created. Its messages are shown for a user and in a language; empty for
// somebody of the audience, and for their language.
func (c *Client) PreviewEvent(ctx context.Context, ev wire.NewEvent, user, locale string) (*wire.EventPreview, error) {
	q := url.Values{}
	for name, value := range map[string]string{"user": user, "locale": locale} {
		if value != "" {
			q.Set(name, value)
		}
	}
	out := &wire.EventPreview{}
	_, err := c.json(ctx, call{method: http.MethodPost, path: "/v1/events:preview", query: q}, ev, out)
	return out, err
}

// CreateEvents creates up to 1,000 events in one request and returns one result for each, in order. An
// invalid event has its problem in the result and does not stop the others; after an error none was created,
// unless the answer was lost. The request may be repeated if each event has a key.
func (c *Client) CreateEvents(ctx context.Context, events []wire.BulkEvent) ([]wire.BulkResult, error) {
	if events == nil {
		events = []wire.BulkEvent{}
	}
	var out wire.BulkResults
	_, err := c.json(ctx, call{method: http.MethodPost, path: "/v1/events:bulk"}, events, &out)
	return out.Results, err
}

// ImportEvents is [Client.CreateEvents] with events from r, in the media type [NDJSON] or [JSON] (an array).
func (c *Client) ImportEvents(ctx context.Context, r io.Reader, mediaType string) ([]wire.BulkResult, error) {
	var out wire.BulkResults
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/events:bulk", body: r,
		header: map[string]string{"Content-Type": mediaType}}, &out)
	return out.Results, err
}

// Event returns the event with its progress.
func (c *Client) Event(ctx context.Context, id string) (*wire.Event, error) {
	out := &wire.Event{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "events", id)}, out)
	return out, err
}

// Events lists events, newest first; status "" means any.
func (c *Client) Events(ctx context.Context, status schoolbell.EventStatus, p Page) (*wire.EventPage, error) {
	out := &wire.EventPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/events", query: p.query("status", string(status))}, out)
	return out, err
}

// Deliveries lists the deliveries of an event; empty fields of f do not narrow the list.
func (c *Client) Deliveries(ctx context.Context, id string, f schoolbell.DeliveryFilter, p Page) (*wire.DeliveryPage, error) {
	out := &wire.DeliveryPage{}
	q := p.query("status", string(f.Status), "channel", string(f.Channel))
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "events", id, "deliveries"), query: q}, out)
	return out, err
}

// CancelEvent cancels an event: messages not sent yet are never sent.
func (c *Client) CancelEvent(ctx context.Context, id string) (*wire.Event, error) {
	out := &wire.Event{}
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "events", id, "cancel")}, out)
	return out, err
}

// RetractEvent cancels an event, also a completed one, and tells those whom it has reached.
func (c *Client) RetractEvent(ctx context.Context, id string) (*wire.Event, error) {
	out := &wire.Event{}
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "events", id, "cancel")}, wire.CancelEvent{Notify: true}, out)
	return out, err
}

// ChangeEvent changes an event before it is sent.
func (c *Client) ChangeEvent(ctx context.Context, id string, change wire.EventChange) (*wire.Event, error) {
	out := &wire.Event{}
	_, err := c.json(ctx, call{method: http.MethodPatch, path: segments("v1", "events", id)}, change, out)
	return out, err
}

// UpdateEvent changes an event that was sent: a further wave tells those whom it has reached.
func (c *Client) UpdateEvent(ctx context.Context, id string, change wire.EventChange) (*wire.Event, error) {
	out := &wire.Event{}
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "events", id, "update")}, change, out)
	return out, err
}

// ReleaseEvent lets a held event go on: what was sent after the backup was made from which the
// ledger was restored is sent a second time.
func (c *Client) ReleaseEvent(ctx context.Context, id string) (*wire.Event, error) {
	out := &wire.Event{}
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "events", id, "release")}, out)
	return out, err
}

// ReleaseEvents does the same with all held events. If their number is not held, none is released and the
// [*Problem] is a conflict.
func (c *Client) ReleaseEvents(ctx context.Context, held int) error {
	_, err := c.json(ctx, call{method: http.MethodPost, path: "/v1/events:release"}, wire.ReleaseHeld{Held: held}, &wire.Released{})
	return err
}

// RetryEvent has an event's failed deliveries tried again and returns how many there are.
func (c *Client) RetryEvent(ctx context.Context, id string) (int, error) {
	return c.RetryFailed(ctx, id, wire.RetryEvent{})
}

// RetryFailed does the same with some of them only.
func (c *Client) RetryFailed(ctx context.Context, id string, only wire.RetryEvent) (int, error) {
	var out wire.Retried
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "events", id, "retry")}, only, &out)
	return out.Retried, err
}

// WatchEvent yields where the event stands, now and whenever that changes, until
// nothing will change any more or ctx ends. A lost connection is yielded as an
// error; if the loop goes on, the event is watched again. A [*Problem] ends it.
func (c *Client) WatchEvent(ctx context.Context, id string) iter.Seq2[wire.EventProgress, error] {
	return func(yield func(wire.EventProgress, error) bool) {
		for ev, err := range c.events(ctx, segments("v1", "events", id, "stream"), "") {
			switch {
			case err != nil:
				if !yield(wire.EventProgress{}, err) {
					return
				}
			case ev.name == "done":
				return
			case ev.name == "progress":
				var p wire.EventProgress
				err := json.Unmarshal([]byte(ev.data), &p)
				if !yield(p, err) {
					return
				}
			}
		}
	}
}
