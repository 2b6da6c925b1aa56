package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell"
	"schoolbell/internal/inbox"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

type listInboxInput struct {
	UserAccess
	Page
}

type listInboxOutput struct{ Body wire.InboxPage }

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
	out.Body.Items = make([]wire.InboxItem, 0, len(list))
	for _, it := range list {
		out.Body.Items = append(out.Body.Items, wire.InboxItemOf(it))
	}
	return out, err
}

type unreadOutput struct{ Body wire.Unread }

type readItemInput struct {
	UserAccess
	Event string `path:"event" doc:"The event's id."`
}

func (s *Server) readItem(ctx context.Context, in *readItemInput) (*unreadOutput, error) {
	ledger.ChangeOf(ctx).Set("event", in.Event)
	unread, err := s.cfg.Inbox.MarkRead(ctx, in.ID, in.Event)
	if err != nil {
		return nil, err
	}
	return &unreadOutput{wire.Unread{Unread: unread}}, nil
}

func (s *Server) acknowledgeItem(ctx context.Context, in *readItemInput) (*unreadOutput, error) {
	ledger.ChangeOf(ctx).Set("event", in.Event)
	unread, err := s.cfg.Inbox.Acknowledge(ctx, in.ID, in.Event)
	if err != nil {
		return nil, err
	}
	return &unreadOutput{wire.Unread{Unread: unread}}, nil
}

type readInboxInput struct {
	UserAccess
	Body *wire.ReadInbox
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
	return &unreadOutput{wire.Unread{Unread: unread}}, nil
}

type streamInboxInput struct {
	UserAccess
	LastEventID string `header:"Last-Event-ID" doc:"Position of the last item received. Later items are sent first."`
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
			out.event("item", strconv.FormatInt(item.Position, 10), wire.InboxItemOf(item))
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
