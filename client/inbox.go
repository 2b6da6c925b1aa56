package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"

	"schoolbell/wire"
)

// Inbox lists a user's inbox, newest first.
func (c *Client) Inbox(ctx context.Context, userID string, p Page) (*wire.InboxPage, error) {
	out := &wire.InboxPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "users", userID, "inbox"), query: p.query()}, out)
	return out, err
}

// ReadItem marks one event of the inbox read and returns how many are unread then.
func (c *Client) ReadItem(ctx context.Context, userID, eventID string) (int, error) {
	var out wire.Unread
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "users", userID, "inbox", eventID, "read")}, &out)
	return out.Unread, err
}

// AcknowledgeItem confirms one event of the inbox, marks it read, and returns how many are unread then.
func (c *Client) AcknowledgeItem(ctx context.Context, userID, eventID string) (int, error) {
	var out wire.Unread
	_, err := c.do(ctx, call{method: http.MethodPost, path: segments("v1", "users", userID, "inbox", eventID, "acknowledge")}, &out)
	return out.Unread, err
}

// ReadInbox marks everything up to position upTo read (0: all) and returns how many are unread then.
func (c *Client) ReadInbox(ctx context.Context, userID string, upTo int64) (int, error) {
	in := wire.ReadInbox{UpTo: upTo}
	var out wire.Unread
	_, err := c.json(ctx, call{method: http.MethodPost, path: segments("v1", "users", userID, "inbox", "read-all")}, in, &out)
	return out.Unread, err
}

// WatchInbox yields the items that arrive after position after, or from now on
// if that is below zero, until ctx ends. A lost connection is yielded as an
// error; if the loop goes on, watching is taken up after the last item seen, so
// that none is missed or seen twice. A [*Problem] ends it.
func (c *Client) WatchInbox(ctx context.Context, userID string, after int64) iter.Seq2[wire.InboxItem, error] {
	last := ""
	if after >= 0 {
		last = strconv.FormatInt(after, 10)
	}
	return func(yield func(wire.InboxItem, error) bool) {
		for ev, err := range c.events(ctx, segments("v1", "users", userID, "inbox", "stream"), last) {
			var item wire.InboxItem
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
