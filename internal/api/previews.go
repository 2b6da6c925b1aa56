package api

import (
	"context"

	"schoolbell/internal/preview"
	"schoolbell/wire"
)

type previewEventInput struct {
	User   string `query:"user" doc:"Id of the person whose messages are shown. Somebody of the audience if left out."`
	Locale string `query:"locale" maxLength:"35" doc:"Language tag in which they are shown, such as es. The language of the person if left out."`
	Body   wire.NewEvent
}

type previewEventOutput struct{ Body *wire.EventPreview }

func (s *Server) previewEvent(ctx context.Context, in *previewEventInput) (*previewEventOutput, error) {
	found, err := s.cfg.Previews.Preview(ctx, in.Body.Event(), preview.Options{User: in.User, Locale: in.Locale})
	if err != nil {
		return nil, err
	}
	return &previewEventOutput{found}, nil
}
