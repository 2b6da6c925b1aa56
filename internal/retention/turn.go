package retention

import (
	"context"
	"errors"
	"time"

	"schoolbell/internal/ledger"
)

// turn is one round of one process.
type turn struct {
	*Service
	hurry   bool // no turn and no rests
	renewed time.Time
	rows    map[ledger.Kept]int
}

// errTurnLost ends a round: the process was so slow that another one has taken over.
var errTurnLost = errors.New("another process has taken over")

func (t *turn) renew(ctx context.Context) (taken bool, err error) {
	t.renewed = time.Now()
	return t.store.TakeTurn(ctx, t.holder, turnLength)
}

// removeKind removes rows of a kind from before a time.
func (t *turn) removeKind(ctx context.Context, kind ledger.Kept, before time.Time) error {
	if kind == ledger.KeptInbox {
		oldest, ok, err := t.store.OldestInbox(ctx)
		if err != nil || !ok || oldest.After(before.Add(-inboxSlack)) {
			return err
		}
	}
	var at ledger.RemovalCursor
	err := t.pieces(ctx, func() (done bool, err error) {
		r, err := t.store.RemoveOld(ctx, kind, before, at, pieceRows)
		at = r.Next
		t.rows[kind] += r.Rows
		t.removed.WithLabelValues(string(kind)).Add(float64(r.Rows))
		return r.Done, err
	})
	if n := t.rows[kind]; n > 0 {
		t.log.Info("old rows removed", "kind", string(kind), "rows", n, "before", before.UTC())
	}
	return err
}

// scrub deletes what providers said about people who were deleted before a time.
func (t *turn) scrub(ctx context.Context, before time.Time) error {
	return t.pieces(ctx, func() (done bool, err error) {
		_, done, err = t.store.ScrubErased(ctx, before, scrubEvents)
		return done, err
	})
}

// pieces calls do until it is done, and rests after each call.
func (t *turn) pieces(ctx context.Context, do func() (done bool, err error)) error {
	for {
		start := time.Now()
		done, err := do()
		if err != nil || done {
			return err
		}
		if err := t.rest(ctx, time.Since(start)); err != nil {
			return err
		}
	}
}

// rest lets others work after a piece that took so long, and keeps the turn.
func (t *turn) rest(ctx context.Context, took time.Duration) error {
	if t.hurry {
		return ctx.Err()
	}
	timer := time.NewTimer(min(max(restFactor*took, shortestRest), longestRest))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	if time.Since(t.renewed) < renewInterval {
		return nil
	}
	taken, err := t.renew(ctx)
	if err == nil && !taken {
		err = errTurnLost
	}
	return err
}
