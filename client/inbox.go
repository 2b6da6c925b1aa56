package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"time"

	"schoolbell"
)

// InboxItem is one event in a user's inbox.
type InboxItem struct {
	Position  int64               `json:"position"` // grows with arrival
	EventID   string              `json:"event_id"`
	Title     string              `json:"title"`
	Body      string              `json:"body"`
	Category  schoolbell.Category `json:"category"`
	Data      json.RawMessage     `json:"data,omitempty"`
	Location  string              `json:"location,omitempty"`
	StartsAt  time.Time           `json:"starts_at,omitzero"`
	EndsAt    time.Time           `json:"ends_at,omitzero"`
	ArrivedAt time.Time           `json:"arrived_at"`
	ReadAt    time.Time           `json:"read_at,omitzero"` // zero while unread
	Cancelled bool                `json:"cancelled,omitempty"`
}

// InboxPage is one page of an inbox, newest first.
type InboxPage struct {
	Items  []InboxItem `json:"items"`
	Unread int         `json:"unread"` // in the whole inbox
	Next   string      `json:"next"`
}

// Inbox lists a user's inbox, newest first.
func (c *Client) Inbox(ctx context.Context, userID string, p Page) (*InboxPage, error) {
	out := &InboxPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "users", userID, "inbox"), query: p.query()}, out)
	return out, err
}

type unread struct {
	Unread int `json:"unread"`
}

// ReadItem marks one event of the inbox read and returns how many are unread then.
func (c *Client) ReadItem(ctx context.Context, userID, eventID string) (int, error) {
	var out unread
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "users", userID, "inbox", eventID, "read")}, &out)
	return out.Unread, err
}

// ReadInbox marks everything up to position upTo read (0: all) and returns how many are unread then.
func (c *Client) ReadInbox(ctx context.Context, userID string, upTo int64) (int, error) {
	in := struct {
		UpTo int64 `json:"up_to,omitempty"`
	}{upTo}
	var out unread
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "users", userID, "inbox", "read-all")}, in, &out)
	return out.Unread, err
}

// WatchInbox yields the items that arrive after position after, or from now on
// if that is below zero, until ctx ends. A lost connection is yielded as an
// error; if the loop goes on, watching is taken up after the last item seen, so
// that none is missed or seen twice. A [*Problem] ends it.
func (c *Client) WatchInbox(ctx context.Context, userID string, after int64) iter.Seq2[InboxItem, error] {
	last := ""
	if after >= 0 {
		last = strconv.FormatInt(after, 10)
	}
	return func(yield func(InboxItem, error) bool) {
		for ev, err := range c.events(ctx, segments("v1", "users", userID, "inbox", "stream"), last) {
			var item InboxItem
			if err == nil {
				if ev.name != "item" {
					continue
				}
				err = json.Unmarshal([]byte(ev.data), &item)
			}
			if !yield(item, err) {
				return
			}
		}
	}
}
