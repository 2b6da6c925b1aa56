package notify

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// inPlace delivers the batches of small events inside their own jobs: no batch job, no second run of the
// event's job. If that fails at any point, the batch gets a job after all, which continues from what the
// ledger has, as after a crash.
type inPlace struct {
	most       int           // deliveries of a channel
	households bool          // as in Config
	places     chan struct{} // of event jobs that deliver at the same time
	deliverers map[schoolbell.Channel]*deliverer
	waves      ledger.Waves
	log        *slog.Logger
}

// newInPlace returns the deliveries in place of a lane. At most half of the event jobs of a process send
// messages, so that a provider that hangs never stops the fan-out of other events. With Retries 0, a failed delivery
// is final and must show as a failed job, so nothing is delivered in place.
func newInPlace(cfg Config, lane schoolbell.Lane, waves ledger.Waves, log *slog.Logger) *inPlace {
	most := cfg.InPlace
	if cfg.Retries == 0 {
		most = 0
	}
	return &inPlace{most: most, households: cfg.Households, places: make(chan struct{}, cfg.eventSlots(lane)/2), deliverers: make(map[schoolbell.Channel]*deliverer),
		waves: waves, log: log}
}

// early is a place that an event job has taken before it walks, to claim what it fans out in the same transaction.
type early struct {
	places   chan struct{}
	leases   *leaseKeeper
	lease    *heldLease
	channels []schoolbell.Channel // on which it may send
	full     bool                 // no place was free: nothing is claimed or sent
	revision int                  // of the event that it sends
	shared   bool                 // as in ledger.Step
}

// claim returns what the walk claims.
func (e *early) claim(most int) ledger.SmallClaim {
	return ledger.SmallClaim{Lease: e.lease.Lease, Channels: e.channels, Most: most, Revision: e.revision, Shared: e.shared}
}

// leave frees the place.
func (e *early) leave() {
	if e != nil && !e.full {
		<-e.places
	}
}

// prepare takes a place for an event whose audience names so few users that all can be delivered in place. It
// returns nil if the event must be walked first: its audience may be large, or there may be nothing to claim.
func (p *inPlace) prepare(ctx context.Context, ev *schoolbell.Event) *early {
	a := &ev.Audience
	if len(a.Users) == 0 || len(a.Users) > p.most || len(a.Roles) > 0 || len(a.Groups) > 0 || !a.GuardiansOf.Empty() {
		return nil
	}
	e := &early{places: p.places, revision: ev.Revision, shared: p.households}
	for _, ch := range ev.Channels {
		d := p.deliverers[ch]
		if d == nil || d.gate != nil || !p.mayStart(ctx, d) { // what a quota allows is known only when it is reserved
			continue
		}
		e.leases, e.lease, e.channels = d.leases, d.leases.current(), append(e.channels, ch)
	}
	if e.lease == nil {
		return nil
	}
	e.full = !p.enter(ctx)
	return e
}

// take takes a place after the walk.
func (p *inPlace) take(ctx context.Context) *early {
	return &early{places: p.places, full: !p.enter(ctx)}
}

// deliver delivers the batches of a whole event, and returns those that need a job: all of them if they are too
// large or no place is free. It records the outcomes in the transaction that finishes the event. The summary
// is nil if there was nothing to record.
func (p *inPlace) deliver(ctx context.Context, job *bullmq.Job, ev *schoolbell.Event, step ledger.FanOutStep, early *early) (left []ledger.Batch, sum *ledger.Summary, err error) {
	if len(step.Batches) == 0 || !p.fit(step.Batches) {
		return step.Batches, nil, nil
	}
	if early == nil {
		early = p.take(ctx)
		defer early.leave()
	}
	if early.full {
		return step.Batches, nil, nil
	}
	runs := make([]*batchRun, len(step.Batches))
	var channels sync.WaitGroup
	for i, b := range step.Batches {
		d := p.deliverers[b.Channel]
		if d == nil {
			continue
		}
		r := &batchRun{deliverer: d, job: job, ev: ev, batch: b}
		var grant ledger.Grant
		if len(step.Grants) > 0 {
			grant, r.lease = step.Grants[i], early.lease
		}
		channels.Go(func() {
			if len(grant.Recipients) > 0 || p.mayStart(ctx, d) && r.claimInPlace(ctx, &grant) {
				r.attempts = r.send(ctx, grant)
				runs[i] = r
			}
			r.settle(ctx)
		})
	}
	channels.Wait()
	return p.finish(ctx, eventRef(ev), step.Batches, runs)
}

// claimInPlace claims the rows of a small batch, and reports whether it got any.
func (r *batchRun) claimInPlace(ctx context.Context, grant *ledger.Grant) bool {
	if r.interrupted(ctx) != nil {
		return false
	}
	rows, err := r.mayClaim(ctx)
	if err != nil {
		return false
	}
	if *grant, err = r.claim(ctx, rows); err != nil {
		r.log.Debug("a batch is not delivered in place", "batch", batchJobID(r.batch), "error", err)
		return false
	}
	if grant.LeaseEnded {
		r.leases.retire(r.lease)
	}
	return len(grant.Recipients) > 0
}

// finish records the outcomes of runs and finishes the event, both in one transaction. Runs are nil for batches of
// which nothing was sent. It returns the batches that are not finished. Outcomes are recorded also if that fails.
func (p *inPlace) finish(ctx context.Context, wave ledger.WaveRef, batches []ledger.Batch, runs []*batchRun) (left []ledger.Batch, sum *ledger.Summary, err error) {
	var steps []ledger.Step
	var sent []*batchRun
	for i, r := range runs {
		if r == nil {
			left = append(left, batches[i])
			continue
		}
		sent, steps = append(sent, r), append(steps, ledger.Step{Lease: r.lease.Lease, Batch: r.batch, Revision: r.ev.Revision, Attempts: r.attempts})
	}
	if len(sent) == 0 {
		return left, nil, nil
	}
	lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	done, err := p.waves.FinishWave(lasting, wave, steps...)
	if err != nil { // perhaps after the commit: then the batch jobs find nothing to do
		p.log.Warn("a small event was not finished together with its deliveries", "event", wave.EventID, "error", err)
		err = nil
		for _, r := range sent {
			r.leases.retire(r.lease)
			err = errors.Join(err, r.record(ctx))
			left = append(left, r.batch)
		}
		return left, nil, err
	}
	for i, r := range sent {
		r.noteLost(done.Grants[i].Lost)
		r.attempts = nil
		if !done.Grants[i].Finished || r.exhausted > 0 {
			left = append(left, r.batch)
		}
	}
	return left, &done, nil
}

// placeWait is how long an event job waits for a place. Until then the batch job that it saves costs more than
// the wait; while a provider hangs, it delays the fan-out of events that come later.
const placeWait = 50 * time.Millisecond

// enter takes a place, and reports false if none became free.
func (p *inPlace) enter(ctx context.Context) bool {
	if cap(p.places) == 0 {
		return false
	}
	timer := time.NewTimer(placeWait)
	defer timer.Stop()
	select {
	case p.places <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// fit reports whether each channel has at most one batch, and a small one.
func (p *inPlace) fit(batches []ledger.Batch) bool {
	for _, b := range batches {
		if b.Seq > 1 || b.Size > p.most {
			return false
		}
	}
	return true
}

// mayStart reports whether the channel's queue would let a job start now, and so whether a batch may be sent
// without one.
func (p *inPlace) mayStart(ctx context.Context, d *deliverer) bool {
	if d.throttle.rest() > 0 || d.gate.closed() > 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	if d.gate.hasRate() { // others may wait for their turn
		front, err := d.queue.Front(ctx, "")
		if err != nil || front.Waiting > 0 || front.Priority > 0 {
			return false
		}
	}
	restricted, err := d.queue.IsRestricted(ctx)
	return err == nil && !restricted
}
