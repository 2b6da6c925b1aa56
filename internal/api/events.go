package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

const maxIdempotencyKey = 255

// eventRequest is an event as clients write it.
type eventRequest struct {
	Title     string                `json:"title" doc:"One line, at most 200 characters." example:"Sports day moved to Friday"`
	Body      string                `json:"body" doc:"Plain text, at most 20,000 characters; an empty line parts paragraphs." example:"Because of the rain, sports day is on Friday at nine."`
	Category  schoolbell.Category   `json:"category,omitempty" doc:"Kind of event; announcement if left out. Urgent and attendance reach people whatever they opted out of."`
	Audience  schoolbell.Audience   `json:"audience" doc:"Whom it concerns: all that the parts pick, each once, less those that exclude picks."`
	Channels  *[]schoolbell.Channel `json:"channels,omitempty" maxItems:"20" doc:"How it travels; in_app and email if left out."`
	Data      json.RawMessage       `json:"data,omitempty" doc:"An object of your own, at most 16 KiB, handed to the inbox unread."`
	Location  string                `json:"location,omitempty" doc:"Where the thing itself is."`
	StartsAt  *time.Time            `json:"starts_at,omitempty" doc:"When the thing itself begins."`
	EndsAt    *time.Time            `json:"ends_at,omitempty" doc:"When the thing itself ends."`
	SendAt    *time.Time            `json:"send_at,omitempty" doc:"When to tell people; at once if left out or past."`
	ExpiresAt *time.Time            `json:"expires_at,omitempty" doc:"After this nothing more is sent."`
}

func (in *eventRequest) event() *schoolbell.Event {
	ev := &schoolbell.Event{Title: in.Title, Body: in.Body, Category: in.Category, Audience: in.Audience, Data: in.Data,
		Location: in.Location, StartsAt: optional(in.StartsAt), EndsAt: optional(in.EndsAt),
		SendAt: optional(in.SendAt), ExpiresAt: optional(in.ExpiresAt),
		Channels: []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail}}
	if in.Channels != nil {
		ev.Channels = *in.Channels
	}
	return ev
}

// eventResponse is an event as the API shows it.
type eventResponse struct {
	ID          string                 `json:"id"`
	Status      schoolbell.EventStatus `json:"status"`
	Title       string                 `json:"title"`
	Body        string                 `json:"body"`
	Category    schoolbell.Category    `json:"category"`
	Audience    schoolbell.Audience    `json:"audience"`
	Channels    []schoolbell.Channel   `json:"channels"`
	Data        json.RawMessage        `json:"data,omitempty"`
	Location    string                 `json:"location,omitempty"`
	StartsAt    stamp                  `json:"starts_at,omitzero"`
	EndsAt      stamp                  `json:"ends_at,omitzero"`
	SendAt      stamp                  `json:"send_at,omitzero"`
	ExpiresAt   stamp                  `json:"expires_at,omitzero"`
	CreatedAt   stamp                  `json:"created_at"`
	CompletedAt stamp                  `json:"completed_at,omitzero" doc:"When it became completed or cancelled."`
	Progress    *schoolbell.Progress   `json:"progress,omitempty" doc:"Counted from the deliveries themselves; not in lists."`
}

func newEventResponse(ev *schoolbell.Event) *eventResponse {
	return &eventResponse{ID: ev.ID, Status: ev.Status, Title: ev.Title, Body: ev.Body, Category: ev.Category,
		Audience: ev.Audience, Channels: ev.Channels, Data: ev.Data, Location: ev.Location,
		StartsAt: stamp(ev.StartsAt), EndsAt: stamp(ev.EndsAt), SendAt: stamp(ev.SendAt), ExpiresAt: stamp(ev.ExpiresAt),
		CreatedAt: stamp(ev.CreatedAt), CompletedAt: stamp(ev.CompletedAt)}
}

type createEventInput struct {
	Key     string `header:"Idempotency-Key" doc:"Up to 255 printable characters. The same key with the same body gives the same event again, for as long as the server keeps keys (RETAIN_IDEMPOTENCY, usually seven days). Each API key has its own."`
	Body    eventRequest
	RawBody []byte
}

type createEventOutput struct {
	Status   int
	Location string `header:"Location"`
	Replayed string `header:"Idempotency-Replayed" doc:"true if the event was there before."`
	Body     *eventResponse
}

func (s *Server) createEvent(ctx context.Context, in *createEventInput) (*createEventOutput, error) {
	idem, err := idempotency(callerOf(ctx).keyID(), in.Key, in.RawBody)
	if err != nil {
		return nil, err
	}
	ev, replayed, err := s.cfg.Pipeline.Create(ctx, in.Body.event(), idem)
	if err != nil {
		return nil, err
	}
	out := &createEventOutput{Status: http.StatusCreated, Location: "/v1/events/" + ev.ID, Body: newEventResponse(ev)}
	if replayed {
		out.Status, out.Replayed = http.StatusOK, "true"
	}
	return out, nil
}

// idempotency is scoped by the API key: what two programs call their requests is not
// known to each other.
func idempotency(scope, key string, body []byte) (ledger.Idempotency, error) {
	if key == "" {
		return ledger.Idempotency{}, nil
	}
	if len(key) > maxIdempotencyKey {
		return ledger.Idempotency{}, schoolbell.Invalid("Idempotency-Key", "must be at most %d characters", maxIdempotencyKey)
	}
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return ledger.Idempotency{}, schoolbell.Invalid("Idempotency-Key", "must be printable ASCII")
		}
	}
	print, err := fingerprint(body)
	return ledger.Idempotency{Scope: scope, Key: key, Fingerprint: print}, err
}

// EventPath names an event in the path.
type EventPath struct {
	ID string `path:"id" doc:"The event's id."`
}

type eventOutput struct{ Body *eventResponse }

func (s *Server) getEvent(ctx context.Context, in *EventPath) (*eventOutput, error) {
	ev, err := s.cfg.Store.Event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	progress, err := s.cfg.Store.Progress(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := newEventResponse(ev)
	out.Progress = &progress
	return &eventOutput{out}, nil
}

func (s *Server) cancelEvent(ctx context.Context, in *EventPath) (*eventOutput, error) {
	ev, err := s.cfg.Pipeline.Cancel(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &eventOutput{newEventResponse(ev)}, nil
}

type retryOutput struct {
	Body struct {
		ID      string `json:"id"`
		Retried int    `json:"retried" doc:"How many failed deliveries are tried again."`
	}
}

func (s *Server) retryEvent(ctx context.Context, in *EventPath) (*retryOutput, error) {
	n, err := s.cfg.Pipeline.Retry(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &retryOutput{}
	out.Body.ID, out.Body.Retried = in.ID, n
	return out, nil
}

type listEventsInput struct {
	Page
	Status schoolbell.EventStatus `query:"status" doc:"Only events that stand there."`
}

type listEventsOutput struct {
	Body struct {
		Events []*eventResponse `json:"events"`
		Next   string           `json:"next,omitempty" doc:"Cursor of the next page; not there on the last."`
	}
}

func (s *Server) listEvents(ctx context.Context, in *listEventsInput) (*listEventsOutput, error) {
	at, err := decodeCursor("events", in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.Store.Events(ctx, in.Status, at.ID, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listEventsOutput{}
	list, out.Body.Next, err = cut(list, in.Limit, func(ev *schoolbell.Event) cursor { return cursor{Kind: "events", ID: ev.ID} })
	out.Body.Events = make([]*eventResponse, 0, len(list))
	for _, ev := range list {
		out.Body.Events = append(out.Body.Events, newEventResponse(ev))
	}
	return out, err
}

type listDeliveriesInput struct {
	EventPath
	Page
	Status  schoolbell.DeliveryStatus `query:"status" doc:"Only deliveries that stand there."`
	Channel schoolbell.Channel        `query:"channel" doc:"Only deliveries on that channel."`
}

type deliveryResponse struct {
	EventID    string                    `json:"event_id"`
	UserID     string                    `json:"user_id"`
	Channel    schoolbell.Channel        `json:"channel"`
	Status     schoolbell.DeliveryStatus `json:"status"`
	Attempts   int                       `json:"attempts" doc:"Tries that were spent."`
	Reason     string                    `json:"reason,omitempty" doc:"Why it failed, was suppressed or is uncertain."`
	ProviderID string                    `json:"provider_id,omitempty" doc:"The provider's own id for the message."`
	ReadAt     stamp                     `json:"read_at,omitzero" doc:"When the user read it in the app."`
	UpdatedAt  stamp                     `json:"updated_at"`
}

type listDeliveriesOutput struct {
	Body struct {
		Deliveries []deliveryResponse `json:"deliveries"`
		Next       string             `json:"next,omitempty" doc:"Cursor of the next page; not there on the last."`
	}
}

func (s *Server) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*listDeliveriesOutput, error) {
	at, err := decodeCursor("deliveries", in.Cursor)
	if err != nil {
		return nil, err
	}
	filter := schoolbell.DeliveryFilter{Status: in.Status, Channel: in.Channel}
	list, last, err := s.cfg.Store.Deliveries(ctx, in.ID, filter, ledger.DeliveryCursor{Channel: at.Channel, Seq: at.N}, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listDeliveriesOutput{}
	out.Body.Deliveries = make([]deliveryResponse, 0, len(list))
	for _, d := range list {
		out.Body.Deliveries = append(out.Body.Deliveries, newDeliveryResponse(d))
	}
	if len(list) < in.Limit {
		return out, nil
	}
	// A row does not say its place, only the list does: ask whether there is one more.
	more, _, err := s.cfg.Store.Deliveries(ctx, in.ID, filter, last, 1)
	if err != nil || len(more) == 0 {
		return out, err
	}
	out.Body.Next, err = cursor{Kind: "deliveries", Channel: last.Channel, N: last.Seq}.encode()
	return out, err
}

func newDeliveryResponse(d schoolbell.Delivery) deliveryResponse {
	out := deliveryResponse{EventID: d.EventID, UserID: d.UserID, Channel: d.Channel, Status: d.Status, Attempts: d.Attempts,
		Reason: d.Reason, ProviderID: d.ProviderID, UpdatedAt: stamp(d.UpdatedAt)}
	if d.ReadAt != nil {
		out.ReadAt = stamp(*d.ReadAt)
	}
	return out
}
