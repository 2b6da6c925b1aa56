package notify

import (
	"context"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/personal"
)

// Change changes an event of which nothing was sent. One of which messages are or were sent, and a cancelled, expired
// or held one, is CodeConflict; an unknown one CodeNotFound. Faults in the result are schoolbell.Faults.
func (p *Pipeline) Change(ctx context.Context, id string, c schoolbell.EventChange) (*schoolbell.Event, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	ledger.ChangeOf(ctx).Set("fields", c.Fields())
	now := schoolbell.Time(time.Now())
	var before time.Time
	ev, err := p.ledger.Changes.ChangeEvent(ctx, id, p.cfg.Channels, func(ev *schoolbell.Event) (*schoolbell.Event, error) {
		before = ev.SendAt
		changed := c.Apply(ev)
		changed.Normalize()
		if err := p.validate(changed, now); err != nil {
			return nil, err
		}
		changed.Status = statusAt(changed.SendAt, now)
		return changed, nil
	})
	if err != nil {
		return nil, err
	}
	if ev.SendAt.Before(before) { // its job may wait for the later time
		p.notifyReconciler(change{eventID: id, jobID: ev.JobID, lane: ev.Lane, earlier: true})
		p.notifyOutbox(ev)
	}
	return ev, nil
}

// Update changes an event of which messages are or were sent. Those who do not have it yet get the new text, and a wave tells the
// others. Its number is 0 if there is no channel to tell them.
func (p *Pipeline) Update(ctx context.Context, id string, c schoolbell.EventChange) (ev *schoolbell.Event, wave int, err error) {
	if err := c.CheckSent(); err != nil {
		return nil, 0, err
	}
	ledger.ChangeOf(ctx).Set("fields", c.Fields())
	now := schoolbell.Time(time.Now())
	ev, w, err := p.ledger.Changes.UpdateEvent(ctx, id, func(ev *schoolbell.Event) (*schoolbell.Event, error) {
		changed := c.Apply(ev)
		changed.Normalize()
		if err := changed.Validate(now); err != nil {
			return changed, err
		}
		return changed, personal.Check(changed)
	})
	if err != nil {
		return nil, 0, err
	}
	p.searchOutbox()
	return ev, w.Number, nil
}

// Retract cancels an event, also a completed one, and tells those whom it has reached by a wave. A second call changes
// nothing. An expired event is CodeConflict, an unknown one CodeNotFound.
func (p *Pipeline) Retract(ctx context.Context, id string) (ev *schoolbell.Event, wave int, err error) {
	ev, w, err := p.ledger.Changes.RetractEvent(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	ledger.ChangeOf(ctx).Set("notify", true)
	p.notifyReconciler(change{eventID: id, jobID: ev.JobID, lane: ev.Lane, cancelled: true})
	p.searchOutbox()
	return ev, w.Number, nil
}
