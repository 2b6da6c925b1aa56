package notify

import (
	"context"
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
	places     chan struct{} // of event jobs that deliver at the same time
	deliverers map[schoolbell.Channel]*deliverer
	queues     *queues
	log        *slog.Logger
}

// newInPlace returns the deliveries in place of a lane. At most half of the event jobs of a process send
// messages, so that a provider that hangs never stops the fan-out of other events. With Retries 0, a failed delivery
// is final and must show as a failed job, so nothing is delivered in place.
func newInPlace(cfg Config, lane schoolbell.Lane, queues *queues, log *slog.Logger) *inPlace {
	most := cfg.InPlace
	if cfg.Retries == 0 {
		most = 0
	}
	return &inPlace{most: most, places: make(chan struct{}, cfg.slots(lane)/2), deliverers: make(map[schoolbell.Channel]*deliverer),
		queues: queues, log: log}
}

// deliver delivers the batches of a whole event and returns those that need a job: all of them
// if they are too large or no place is free.
func (p *inPlace) deliver(ctx context.Context, job *bullmq.Job, ev *schoolbell.Event, batches []ledger.Batch) (left []ledger.Batch) {
	if len(batches) == 0 || !p.fit(batches) {
		return batches
	}
	if !p.enter(ctx) {
		return batches
	}
	defer func() { <-p.places }()
	finished := make([]bool, len(batches))
	var channels sync.WaitGroup
	for i, b := range batches {
		channels.Go(func() { finished[i] = p.deliverOne(ctx, job, ev, b) })
	}
	channels.Wait()
	for i, b := range batches {
		if !finished[i] {
			left = append(left, b)
		}
	}
	return left
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

// deliverOne delivers one batch and reports whether it is finished.
func (p *inPlace) deliverOne(ctx context.Context, job *bullmq.Job, ev *schoolbell.Event, b ledger.Batch) bool {
	d := p.deliverers[b.Channel]
	if d == nil || !p.mayStart(ctx, d) {
		return false
	}
	r := &batchRun{deliverer: d, job: job, ev: ev, batch: b, inPlace: true}
	if _, err := r.run(ctx); err != nil {
		p.log.Debug("a batch delivered in place gets a job", "batch", batchJobID(b), "reason", err)
		return false
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
