package api

import (
	"context"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

type listSuppressionsInput struct{ Page }

type suppressionsOutput struct{ Body wire.SuppressionPage }

func (s *Server) listSuppressions(ctx context.Context, in *listSuppressionsInput) (*suppressionsOutput, error) {
	at, err := decodeCursor("suppressions", in.Cursor)
	if err != nil {
		return nil, err
	}
	after, err := placeOf(at)
	if err != nil {
		return nil, err
	}
	list, last, err := s.cfg.Suppressions.Suppressions(ctx, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &suppressionsOutput{wire.SuppressionPageOf(list)}
	if len(list) < in.Limit {
		return out, nil
	}
	// A suppression does not say its place, only the list does: ask whether there is one more.
	more, _, err := s.cfg.Suppressions.Suppressions(ctx, last, 1)
	if err != nil || len(more) == 0 {
		return out, err
	}
	out.Body.Next, err = cursor{Kind: "suppressions", ID: placeText(last)}.encode()
	return out, err
}

// placeText writes a place in the list of suppressions as the id of a cursor.
func placeText(c ledger.SuppressionCursor) string {
	return fmt.Sprintf("%d.%d.%d", c.User, c.Channel, c.Position)
}

// placeOf reads what placeText wrote. The zero cursor is the zero place.
func placeOf(at cursor) (c ledger.SuppressionCursor, err error) {
	if at.ID == "" {
		return c, nil
	}
	_, err = fmt.Sscanf(at.ID, "%d.%d.%d", &c.User, &c.Channel, &c.Position)
	if err != nil || placeText(c) != at.ID || c.User < 0 || c.Channel < 0 || c.Position < 0 || c.Channel > maxSmall || c.Position > maxSmall {
		return ledger.SuppressionCursor{}, schoolbell.Invalid("cursor", "does not belong to this list")
	}
	return c, nil
}

// maxSmall bounds the numbers of channels and positions, which are small in every engine.
const maxSmall = 1<<15 - 1

type createSuppressionInput struct{ Body wire.NewSuppression }

func (s *Server) createSuppression(ctx context.Context, in *createSuppressionInput) (*suppressionsOutput, error) {
	b := in.Body
	if b.Channel == schoolbell.ChannelInApp {
		return nil, schoolbell.Invalid("channel", "the inbox has no addresses")
	}
	if err := schoolbell.ValidateAddress(b.Channel, b.Address); err != nil {
		return nil, schoolbell.Invalid("address", "%v", err)
	}
	if b.Reason != "" && schoolbell.CheckLine("reason", b.Reason, maxFaultDetail) != nil {
		return nil, schoolbell.Invalid("reason", "must be one line of at most %d characters", maxFaultDetail)
	}
	list, err := s.cfg.Suppressions.Suppress(ctx, b.Channel, b.Address, b.Reason)
	if err != nil {
		return nil, err
	}
	change := ledger.ChangeOf(ctx)
	change.Set("channel", string(b.Channel))
	change.Set("users", len(list))
	return &suppressionsOutput{wire.SuppressionPageOf(list)}, nil
}

type deleteSuppressionInput struct {
	ID string `path:"id" maxLength:"100" doc:"The suppression's id, from the list."`
}

func (s *Server) deleteSuppression(ctx context.Context, in *deleteSuppressionInput) (*struct{}, error) {
	key, err := schoolbell.ParseSuppressionKey(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Suppressions.RemoveSuppression(ctx, key)
}
