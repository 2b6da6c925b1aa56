package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"schoolbell/internal/outage"
)

const (
	forgetInterval = 10 * time.Minute
	forgetPiece    = 1_000 // keys in one transaction, so that nobody waits for long
)

// runForgetting removes idempotency keys whose time is over, until ctx ends.
func (p *Pipeline) runForgetting(ctx context.Context) error {
	tick := time.NewTicker(forgetInterval)
	defer tick.Stop()
	var down outage.Log
	for {
		_, err := p.ForgetKeys(ctx, time.Now())
		down.Note(ctx, p.log, slog.LevelError, "delete old idempotency keys", err)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ForgetKeys removes idempotency keys that were used longer ago than
// Config.RetainIdempotency, as of the time now, and returns how many.
func (p *Pipeline) ForgetKeys(ctx context.Context, now time.Time) (n int, err error) {
	for {
		gone, err := p.ledger.Events.ForgetKeys(ctx, now.Add(-p.cfg.RetainIdempotency), forgetPiece)
		n += gone
		if err != nil {
			return n, fmt.Errorf("delete idempotency keys: %w", err)
		}
		if gone < forgetPiece {
			return n, nil
		}
	}
}
