package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"schoolbell"
)

// NewEvent is an event to be created. Zero fields are left out.
type NewEvent struct {
	Title     string               `json:"title"`
	Body      string               `json:"body"`
	Category  schoolbell.Category  `json:"category,omitempty"`
	Audience  schoolbell.Audience  `json:"audience"`
	Channels  []schoolbell.Channel `json:"channels,omitzero"` // nil means in_app and email; empty is refused
	Data      json.RawMessage      `json:"data,omitempty"`
	Location  string               `json:"location,omitempty"`
	StartsAt  time.Time            `json:"starts_at,omitzero"`
	EndsAt    time.Time            `json:"ends_at,omitzero"`
	SendAt    time.Time            `json:"send_at,omitzero"`
	ExpiresAt time.Time            `json:"expires_at,omitzero"`

	// IdempotencyKey makes it safe to send the same event again: it is created once.
	IdempotencyKey string `json:"-"`
}

// Event is an event as the server keeps it.
type Event struct {
	ID          string                 `json:"id"`
	Status      schoolbell.EventStatus `json:"status"`
	Title       string                 `json:"title"`
	Body        string                 `json:"body"`
	Category    schoolbell.Category    `json:"category"`
	Audience    schoolbell.Audience    `json:"audience"`
	Channels    []schoolbell.Channel   `json:"channels"`
	Data        json.RawMessage        `json:"data,omitempty"`
	Location    string                 `json:"location,omitempty"`
	StartsAt    time.Time              `json:"starts_at,omitzero"`
	EndsAt      time.Time              `json:"ends_at,omitzero"`
	SendAt      time.Time              `json:"send_at,omitzero"`
	ExpiresAt   time.Time              `json:"expires_at,omitzero"`
	CreatedAt   time.Time              `json:"created_at"`
	CompletedAt time.Time              `json:"completed_at,omitzero"`
	Progress    *schoolbell.Progress   `json:"progress,omitempty"` // of Event and WatchEvent only

	// Replayed says that CreateEvent found the event made before under the same key.
	Replayed bool `json:"-"`
}

// CreateEvent creates an event. It returns as soon as the server has stored it.
func (c *Client) CreateEvent(ctx context.Context, ev NewEvent) (*Event, error) {
	r := call{method: http.MethodPost, path: "/v1/events", header: map[string]string{}}
	if ev.IdempotencyKey != "" {
		r.header["Idempotency-Key"] = ev.IdempotencyKey
	}
	out := &Event{}
	resp, err := c.json(ctx, r, ev, out)
	if err != nil {
		return nil, err
	}
	out.Replayed = resp.Header.Get("Idempotency-Replayed") == "true"
	return out, nil
}

// Event returns the event with its progress.
func (c *Client) Event(ctx context.Context, id string) (*Event, error) {
	out := &Event{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "events", id)}, out)
	return out, err
}

// EventPage is one page of events, newest first.
type EventPage struct {
	Events []*Event `json:"events"`
	Next   string   `json:"next"`
}

// Events lists events, newest first; status "" means any.
func (c *Client) Events(ctx context.Context, status schoolbell.EventStatus, p Page) (*EventPage, error) {
	out := &EventPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/events", query: p.query("status", string(status))}, out)
	return out, err
}

// DeliveryPage is one page of an event's deliveries.
type DeliveryPage struct {
	Deliveries []schoolbell.Delivery `json:"deliveries"`
	Next       string                `json:"next"`
}

// Deliveries lists what became of an event's deliveries; empty fields of f do not narrow the list.
func (c *Client) Deliveries(ctx context.Context, id string, f schoolbell.DeliveryFilter, p Page) (*DeliveryPage, error) {
	out := &DeliveryPage{}
	q := p.query("status", string(f.Status), "channel", string(f.Channel))
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "events", id, "deliveries"), query: q}, out)
	return out, err
}

// CancelEvent cancels an event: messages not sent yet are never sent.
func (c *Client) CancelEvent(ctx context.Context, id string) (*Event, error) {
	out := &Event{}
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "events", id, "cancel")}, out)
	return out, err
}

// RetryEvent has an event's failed deliveries tried again and returns how many there are.
func (c *Client) RetryEvent(ctx context.Context, id string) (int, error) {
	var out struct {
		Retried int `json:"retried"`
	}
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "events", id, "retry")}, &out)
	return out.Retried, err
}

// EventProgress is where an event stands.
type EventProgress struct {
	ID       string                 `json:"id"`
	Status   schoolbell.EventStatus `json:"status"`
	Progress schoolbell.Progress    `json:"progress"`
}

// WatchEvent yields where the event stands, now and whenever that changes, until
// nothing will change any more or ctx ends. A lost connection is yielded as an
// error; if the loop goes on, the event is watched again. A [*Problem] ends it.
func (c *Client) WatchEvent(ctx context.Context, id string) iter.Seq2[EventProgress, error] {
	return func(yield func(EventProgress, error) bool) {
		for ev, err := range c.events(ctx, segments("v1", "events", id, "stream"), "") {
			switch {
			case err != nil:
				if !yield(EventProgress{}, err) {
					return
				}
			case ev.name == "done":
				return
			case ev.name == "progress":
				var p EventProgress
				err := json.Unmarshal([]byte(ev.data), &p)
				if !yield(p, err) {
					return
				}
			}
		}
	}
}
