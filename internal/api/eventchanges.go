package api

import (
	"context"

	"schoolbell"
	"schoolbell/wire"
)

type changeEventInput struct {
	EventPath
	Body wire.EventChange
}

func (s *Server) changeEvent(ctx context.Context, in *changeEventInput) (*eventOutput, error) {
	ev, err := s.cfg.Pipeline.Change(ctx, in.ID, in.Body.Change())
	if err != nil {
		return nil, err
	}
	return &eventOutput{wire.EventOf(ev)}, nil
}

func (s *Server) updateEvent(ctx context.Context, in *changeEventInput) (*eventOutput, error) {
	return told(s.cfg.Pipeline.Update(ctx, in.ID, in.Body.Change()))
}

type cancelEventInput struct {
	EventPath
	Body *wire.CancelEvent
}

func (s *Server) cancelEvent(ctx context.Context, in *cancelEventInput) (*eventOutput, error) {
	if in.Body != nil && in.Body.Notify {
		return told(s.cfg.Pipeline.Retract(ctx, in.ID))
	}
	ev, err := s.cfg.Pipeline.Cancel(ctx, in.ID)
	return told(ev, 0, err)
}

// told shows an event and the wave that tells of its change.
func told(ev *schoolbell.Event, wave int, err error) (*eventOutput, error) {
	if err != nil {
		return nil, err
	}
	out := wire.EventOf(ev)
	out.Wave = wave
	return &eventOutput{out}, nil
}
