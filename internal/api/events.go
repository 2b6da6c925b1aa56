package api

import (
	"context"
	"net/http"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

const maxIdempotencyKey = 255

type createEventInput struct {
	Key     string `header:"Idempotency-Key" doc:"Up to 255 printable characters. The same key with the same body gives the same event again, for as long as the server keeps idempotency keys (RETAIN_IDEMPOTENCY, by default seven days). Each API key has its own."`
	Body    wire.NewEvent
	RawBody []byte
}

type createEventOutput struct {
	Status   int
	Location string `header:"Location"`
	Replayed string `header:"Idempotency-Replayed" doc:"true if the event already existed."`
	Body     *wire.Event
}

func (s *Server) createEvent(ctx context.Context, in *createEventInput) (*createEventOutput, error) {
	idem := ledger.Idempotency{Scope: callerOf(ctx).keyID(), Key: in.Key}
	if err := checkKey("Idempotency-Key", in.Key); err != nil {
		return nil, err
	}
	if in.Key != "" {
		var err error
		if idem.Fingerprint, err = fingerprint(in.RawBody); err != nil {
			return nil, err
		}
	}
	ev, replayed, err := s.cfg.Pipeline.Create(ctx, requestedEvent(ctx, &in.Body, ledger.ChangeOf(ctx)), idem)
	if err != nil {
		return nil, err
	}
	out := &createEventOutput{Status: http.StatusCreated, Location: "/v1/events/" + ev.ID, Body: wire.EventOf(ev)}
	if replayed {
		ledger.ChangeOf(ctx).Void()
		out.Status, out.Replayed = http.StatusOK, "true"
	}
	return out, nil
}

// requestedEvent returns the event that the caller asks for, and notes its details in the change.
func requestedEvent(ctx context.Context, in *wire.NewEvent, change *ledger.Change) *schoolbell.Event {
	ev := in.Event()
	ev.CreatedBy = callerOf(ctx).Actor()
	change.Set("channels", ev.Channels)
	if ev.Category != "" {
		change.Set("category", ev.Category)
	}
	return ev
}

// checkKey checks an idempotency key, which came in a field. Keys are scoped by the API key: what two
// programs call their requests is not known to each other.
func checkKey(field, key string) error {
	if len(key) > maxIdempotencyKey {
		return schoolbell.Invalid(field, "must be at most %d characters", maxIdempotencyKey)
	}
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return schoolbell.Invalid(field, "must be printable ASCII")
		}
	}
	return nil
}

// EventPath names an event in the path.
type EventPath struct {
	ID string `path:"id" doc:"The event's id."`
}

type eventOutput struct{ Body *wire.Event }

func (s *Server) getEvent(ctx context.Context, in *EventPath) (*eventOutput, error) {
	ev, err := s.cfg.Store.Event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	progress, err := s.cfg.Store.Progress(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := wire.EventOf(ev)
	out.Progress = &progress
	if s.cfg.SMSCost != nil && slices.Contains(ev.Channels, schoolbell.ChannelSMS) {
		segments, price, currency := s.cfg.SMSCost(ev)
		out.Costs = &wire.Costs{SMS: wire.SMSCostOf(segments, progress.Channels[schoolbell.ChannelSMS], price, currency)}
	}
	return &eventOutput{out}, nil
}

func (s *Server) releaseEvent(ctx context.Context, in *EventPath) (*eventOutput, error) {
	ev, err := s.cfg.Pipeline.Release(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &eventOutput{wire.EventOf(ev)}, nil
}

type releaseEventsInput struct{ Body wire.ReleaseHeld }

type releaseEventsOutput struct{ Body wire.Released }

func (s *Server) releaseEvents(ctx context.Context, in *releaseEventsInput) (*releaseEventsOutput, error) {
	if err := s.cfg.Pipeline.ReleaseAll(ctx, in.Body.Held); err != nil {
		return nil, err
	}
	return &releaseEventsOutput{wire.Released{Released: in.Body.Held}}, nil
}

type retryInput struct {
	EventPath
	Body *wire.RetryEvent
}

type retryOutput struct{ Body wire.Retried }

func (s *Server) retryEvent(ctx context.Context, in *retryInput) (*retryOutput, error) {
	n, err := s.cfg.Pipeline.Retry(ctx, in.ID, in.Body.Filter())
	if err != nil {
		return nil, err
	}
	ledger.ChangeOf(ctx).Set("deliveries", n)
	return &retryOutput{wire.Retried{ID: in.ID, Retried: n}}, nil
}

type listEventsInput struct {
	Page
	Status schoolbell.EventStatus `query:"status" doc:"Only events with this status."`
	Query  string                 `query:"q" maxLength:"200" doc:"Only events with this text in the title, in upper or lower case, or with this id."`
}

type listEventsOutput struct{ Body wire.EventPage }

func (s *Server) listEvents(ctx context.Context, in *listEventsInput) (*listEventsOutput, error) {
	at, err := decodeCursor("events", in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.Store.Events(ctx, schoolbell.EventFilter{Status: in.Status, Text: in.Query}, at.ID, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listEventsOutput{}
	list, out.Body.Next, err = cut(list, in.Limit, func(ev *schoolbell.Event) cursor { return cursor{Kind: "events", ID: ev.ID} })
	out.Body.Events = make([]*wire.Event, 0, len(list))
	for _, ev := range list {
		out.Body.Events = append(out.Body.Events, wire.EventOf(ev))
	}
	return out, err
}

type listUserDeliveriesInput struct {
	UserPath
	Page
}

type listUserDeliveriesOutput struct{ Body wire.UserDeliveryPage }

func (s *Server) listUserDeliveries(ctx context.Context, in *listUserDeliveriesInput) (*listUserDeliveriesOutput, error) {
	at, err := decodeCursor("user-deliveries", in.Cursor)
	if err != nil {
		return nil, err
	}
	list, next, err := s.cfg.PersonDeliveries.DeliveriesOf(ctx, in.ID, nil, at.ID, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listUserDeliveriesOutput{}
	out.Body.Deliveries = make([]wire.UserDelivery, 0, len(list))
	for _, d := range list {
		out.Body.Deliveries = append(out.Body.Deliveries, wire.UserDeliveryOf(d))
	}
	if next != "" {
		out.Body.Next, err = cursor{Kind: "user-deliveries", ID: next}.encode()
	}
	return out, err
}

type listDeliveriesInput struct {
	EventPath
	Page
	Status  schoolbell.DeliveryStatus `query:"status" doc:"Only deliveries with this status."`
	Outcome schoolbell.Outcome        `query:"outcome" doc:"Only deliveries with this outcome."`
	Channel schoolbell.Channel        `query:"channel" doc:"Only deliveries on this channel."`
}

type listDeliveriesOutput struct{ Body wire.DeliveryPage }

func (s *Server) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*listDeliveriesOutput, error) {
	at, err := decodeCursor("deliveries", in.Cursor)
	if err != nil {
		return nil, err
	}
	filter := schoolbell.DeliveryFilter{Status: in.Status, Outcome: in.Outcome, Channel: in.Channel}
	list, last, err := s.cfg.Store.Deliveries(ctx, in.ID, filter, ledger.DeliveryCursor{Wave: at.Wave, Channel: at.Channel, Seq: at.N}, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listDeliveriesOutput{}
	out.Body.Deliveries = make([]wire.Delivery, 0, len(list))
	for _, d := range list {
		out.Body.Deliveries = append(out.Body.Deliveries, wire.DeliveryOf(d))
	}
	if len(list) < in.Limit {
		return out, nil
	}
	// A row does not say its place, only the list does: ask whether there is one more.
	more, _, err := s.cfg.Store.Deliveries(ctx, in.ID, filter, last, 1)
	if err != nil || len(more) == 0 {
		return out, err
	}
	out.Body.Next, err = cursor{Kind: "deliveries", Wave: last.Wave, Channel: last.Channel, N: last.Seq}.encode()
	return out, err
}
