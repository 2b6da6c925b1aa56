package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell"
	"schoolbell/internal/inbox"
)

// itemResponse is one event in a user's inbox.
type itemResponse struct {
	Position  int64               `json:"position" doc:"Grows with arrival; the id of the item in the live stream."`
	EventID   string              `json:"event_id"`
	Title     string              `json:"title"`
	Body      string              `json:"body"`
	Category  schoolbell.Category `json:"category"`
	Data      json.RawMessage     `json:"data,omitempty"`
	Location  string              `json:"location,omitempty"`
	StartsAt  stamp               `json:"starts_at,omitzero"`
	EndsAt    stamp               `json:"ends_at,omitzero"`
	ArrivedAt stamp               `json:"arrived_at"`
	ReadAt    stamp               `json:"read_at,omitzero" doc:"Not there while unread."`
	Cancelled bool                `json:"cancelled,omitempty" doc:"The event was cancelled after it arrived."`
}

func newItemResponse(it schoolbell.InboxItem) itemResponse {
	return itemResponse{Position: it.Position, EventID: it.EventID, Title: it.Title, Body: it.Body, Category: it.Category,
		Data: it.Data, Location: it.Location, StartsAt: stamp(it.StartsAt), EndsAt: stamp(it.EndsAt),
		ArrivedAt: stamp(it.ArrivedAt), ReadAt: stamp(it.ReadAt), Cancelled: it.Cancelled}
}

type listInboxInput struct {
	UserAccess
	Page
}

type listInboxOutput struct {
	Body struct {
		Items  []itemResponse `json:"items"`
		Unread int            `json:"unread" doc:"In the whole inbox."`
		Next   string         `json:"next,omitempty" doc:"Cursor of the next page; not there on the last."`
	}
}

func (s *Server) listInbox(ctx context.Context, in *listInboxInput) (*listInboxOutput, error) {
	at, err := decodeCursor("inbox", in.Cursor)
	if err != nil {
		return nil, err
	}
	list, unread, err := s.cfg.Inbox.List(ctx, in.ID, at.N, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listInboxOutput{}
	out.Body.Unread = unread
	list, out.Body.Next, err = cut(list, in.Limit, func(it schoolbell.InboxItem) cursor { return cursor{Kind: "inbox", N: it.Position} })
	out.Body.Items = make([]itemResponse, 0, len(list))
	for _, it := range list {
		out.Body.Items = append(out.Body.Items, newItemResponse(it))
	}
	return out, err
}

type unreadOutput struct {
	Body struct {
		Unread int `json:"unread" doc:"How many are unread now."`
	}
}

type readItemInput struct {
	UserAccess
	Event string `path:"event" doc:"The event's id."`
}

func (s *Server) readItem(ctx context.Context, in *readItemInput) (*unreadOutput, error) {
	unread, err := s.cfg.Inbox.MarkRead(ctx, in.ID, in.Event)
	if err != nil {
		return nil, err
	}
	out := &unreadOutput{}
	out.Body.Unread = unread
	return out, nil
}

type readInboxInput struct {
	UserAccess
	Body *struct {
		UpTo int64 `json:"up_to,omitempty" minimum:"0" doc:"Position of the last item that was seen; all there are if left out."`
	}
}

func (s *Server) readInbox(ctx context.Context, in *readInboxInput) (*unreadOutput, error) {
	var upTo int64
	if in.Body != nil {
		upTo = in.Body.UpTo
	}
	unread, err := s.cfg.Inbox.MarkAllRead(ctx, in.ID, upTo)
	if err != nil {
		return nil, err
	}
	out := &unreadOutput{}
	out.Body.Unread = unread
	return out, nil
}

type streamInboxInput struct {
	UserAccess
	LastEventID string `header:"Last-Event-ID" doc:"Position of the last item that was seen: what came after it is sent first."`
}

// streamInbox sends an event named item for each item that arrives. Its id is the
// item's position. The stream ends when the server stops, and within ten seconds of
// the end of the caller's key or token and of the user; a client that comes back with
// Last-Event-ID misses nothing.
func (s *Server) streamInbox(ctx context.Context, in *streamInboxInput) (*huma.StreamResponse, error) {
	after, err := lastPosition(in.LastEventID)
	if err != nil {
		return nil, err
	}
	if err := s.streams.Err(); err != nil {
		return nil, stopping()
	}
	c := callerOf(ctx)
	leave, err := s.open.open(c)
	if err != nil {
		return nil, err
	}
	sub, err := s.cfg.Inbox.Subscribe(ctx, in.ID, after)
	if err != nil {
		leave()
		return nil, err
	}
	check := func(ctx context.Context) error {
		if err := c.check(ctx); err != nil {
			return err
		}
		return s.cfg.Inbox.Check(ctx, in.ID, sub)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer leave()
		defer sub.Close()
		r, w := humago.Unwrap(hc)
		s.stream(w, r, check, func(ctx context.Context, out *sse) { s.sendItems(ctx, out, sub) })
	}}, nil
}

func (s *Server) sendItems(ctx context.Context, out *sse, sub *inbox.Subscription) {
	for out.ok() {
		item, err := nextWithin(ctx, sub, s.cfg.Heartbeat)
		switch {
		case err == nil:
			out.event("item", strconv.FormatInt(item.Position, 10), newItemResponse(item))
		case ctx.Err() == nil && isTimeout(err):
			out.heartbeat()
		default:
			return
		}
	}
}

func nextWithin(ctx context.Context, sub *inbox.Subscription, d time.Duration) (schoolbell.InboxItem, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return sub.Next(ctx)
}

// lastPosition reads a Last-Event-ID; -1 means there is none.
func lastPosition(text string) (int64, error) {
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, schoolbell.Invalid("Last-Event-ID", "must be the id of an event of this stream")
	}
	return n, nil
}

func stopping() error {
	return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the server is stopping"}
}

var _ http.Handler = (*Server)(nil)
