package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// deliverer works the queue of one channel and lane: it sends the rows of a batch that are
// still pending, in claims small enough that a crash leaves few of them uncertain.
type deliverer struct {
	cfg      Config
	events   ledger.Events
	advancer *advancer // that of the process
	metrics  *Metrics
	traffic  *traffic
	log      *slog.Logger
	channel  schoolbell.Channel
	lane     schoolbell.Lane
	sender   Sender        // of the channel, for this lane
	queue    *bullmq.Queue // that it works
	other    *bullmq.Queue // of the channel, of the other lane
	renderer Renderer
	leases   *leaseKeeper
	throttle *throttle // both lanes' of the channel
	progress *progressReporter
	gate     *quotaGate // of the channel's quota, for this lane; nil without a quota
}

// batchRun is one run of a batch's job.
type batchRun struct {
	*deliverer
	job   *bullmq.Job
	ev    *schoolbell.Event
	batch ledger.Batch

	turn turn // under the channel's quota

	lease    *heldLease       // of the latest claim
	attempts []ledger.Attempt // under it that are not recorded yet

	retried   int    // rows that failed for now in this run
	exhausted int    // rows whose last attempt failed in this run
	reason    string // of the latest failure
	broken    error  // why nothing of the latest claim could be sent
}

func (d *deliverer) handle(ctx context.Context, job *bullmq.Job) (any, error) {
	var data batchJobData
	if err := json.Unmarshal(job.Data, &data); err != nil || !schoolbell.ValidID(data.EventID) || data.Wave < 0 || data.Channel != d.channel {
		return nil, bullmq.Unrecoverable(fmt.Errorf("job data names no %s batch", d.channel))
	}
	ev, err := eventOrFail(ctx, d.events, data.EventID)
	if err != nil {
		return nil, err
	}
	if ev.Status == schoolbell.EventHeld { // the event's job adds this one again when the event is released
		return schoolbell.ChannelProgress{}, nil
	}
	if err := takeTurn(ctx, d.queue, job); err != nil {
		return nil, err
	}
	r := &batchRun{deliverer: d, job: job, ev: ev,
		batch: ledger.Batch{EventID: data.EventID, Wave: data.Wave, Channel: data.Channel, Seq: data.Seq}}
	return r.run(ctx)
}

// run claims rows and sends them, and records their outcomes in the transaction that claims further ones,
// until nothing is left to claim.
func (r *batchRun) run(ctx context.Context) (any, error) {
	defer r.settle(ctx)
	for {
		if why := r.interrupted(ctx); why != nil {
			return nil, r.handBack(ctx, why)
		}
		rows, why := r.mayClaim(ctx)
		if why != nil {
			return r.pause(ctx, why)
		}
		grant, err := r.claim(ctx, rows)
		switch {
		case err != nil:
			return nil, err
		case grant.LeaseEnded:
			r.leases.retire(r.lease) // the ledger knows better than the local clock
		case grant.Changed:
			if err := r.reread(ctx); err != nil {
				return nil, err
			}
		case len(grant.Recipients) == 0:
			return r.end(ctx, grant)
		default:
			r.attempts = r.send(ctx, grant)
		}
	}
}

// claim records the outcomes so far and claims up to so many further rows under a lease that is valid now. Outcomes of an
// earlier lease are recorded first, under that lease.
func (r *batchRun) claim(ctx context.Context, rows int) (ledger.Grant, error) {
	if len(r.attempts) > 0 && r.lease.over() {
		if err := r.record(ctx); err != nil {
			return ledger.Grant{}, err
		}
	}
	lease, err := r.leases.Lease(ctx)
	if err != nil {
		return ledger.Grant{}, err
	}
	if len(r.attempts) > 0 && lease != r.lease {
		if err := r.record(ctx); err != nil {
			return ledger.Grant{}, err
		}
	}
	r.lease = lease
	return r.advance(ctx, rows)
}

// reread reads the event, which was changed.
func (r *batchRun) reread(ctx context.Context) (err error) {
	r.ev, err = eventOrFail(ctx, r.events, r.ev.ID)
	return err
}

// record stores the outcomes so far and claims nothing.
func (r *batchRun) record(ctx context.Context) error {
	if len(r.attempts) == 0 {
		return nil
	}
	_, err := r.advance(ctx, 0)
	return err
}

// errResting is returned while the provider wants the channel to rest.
var errResting = errors.New("the channel rests")

// stopping reports whether the worker was told to stop.
func stopping(ctx context.Context) bool {
	select {
	case <-bullmq.Stopping(ctx):
		return true
	default:
		return false
	}
}

// interrupted returns why the run must stop here, or nil.
func (r *batchRun) interrupted(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case stopping(ctx):
		return bullmq.Requeue()
	case r.broken != nil:
		return r.broken
	case r.throttle.rest() > 0:
		return errResting
	}
	return nil
}

// handBack records the outcomes so far and returns the job at no attempt.
func (r *batchRun) handBack(ctx context.Context, why error) error {
	if err := r.record(ctx); err != nil {
		return err
	}
	if !errors.Is(why, errResting) {
		return why
	}
	rest := max(r.throttle.rest(), time.Millisecond)
	r.restOther(ctx, rest)
	return bullmq.Throttled(rest)
}

// restOther lets the channel's other lane rest too, in all processes: the provider makes no
// difference between them. This lane rests with the job's outcome.
func (r *batchRun) restOther(ctx context.Context, rest time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	if err := r.other.RateLimit(ctx, rest); err != nil {
		r.log.Warn("the rest of a channel was not announced to workers of the other lane", "queue", r.other.Name(), "error", err)
	}
}

// end returns the outcome of the job when the batch has no row to claim.
func (r *batchRun) end(ctx context.Context, grant ledger.Grant) (any, error) {
	r.progress.report(ctx, r.ev)
	switch {
	case grant.Finished && r.exhausted > 0:
		return nil, bullmq.Unrecoverable(fmt.Errorf("%d of %d deliveries failed: %s", grant.Counts.Failed, grant.Counts.Total, r.reason))
	case grant.Finished:
		return grant.Counts, nil
	case r.retried > 0 && r.job.Attempt() < r.job.Options.Attempts:
		return nil, fmt.Errorf("%d deliveries will be retried: %s", r.retried, r.reason)
	}
	// Rows wait for their retry time or for another worker's lease: that is
	// nobody's failure, so it costs no attempt.
	wait := grant.NextIn
	if hold := r.cfg.Holds[r.channel]; 0 < hold && wait <= hold { // a receipt may end the rows that await one
		wait = min(wait, r.cfg.ReceiptPoll)
	}
	if !r.ev.ExpiresAt.IsZero() { // then they end, also if they wait for the end of quiet hours
		wait = min(wait, time.Until(r.ev.ExpiresAt))
	}
	return nil, bullmq.DelayUntil(time.Now().Add(max(wait, 100*time.Millisecond)))
}

const recordTimeout = 30 * time.Second

// advance does a step with the outcomes so far. Outcomes are facts that exist nowhere else, so
// recording them outlives ctx and is repeated while the ledger is unavailable. After a failure that may have
// hidden a commit the lease is retired.
func (r *batchRun) advance(ctx context.Context, claim int) (ledger.Grant, error) {
	if len(r.attempts) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
	}
	advance := r.advancer.advance
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		grant, err := advance(ctx, ledger.Step{Lease: r.lease.Lease, Batch: r.batch, Revision: r.ev.Revision, Attempts: r.attempts, Claim: claim, Hold: r.cfg.Holds[r.channel], Shared: r.cfg.Households})
		switch {
		case err == nil:
			r.noteLost(grant.Lost)
			r.attempts = nil
			return grant, nil
		case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
			return grant, bullmq.Unrecoverable(err)
		}
		r.leases.retire(r.lease)
		claim, advance = 0, r.advancer.advanceAlone // a second try must not claim what the first may have claimed already
		if len(r.attempts) == 0 {
			return grant, fmt.Errorf("claim deliveries of %s: %w", batchJobID(r.batch), err)
		}
		select {
		case <-ctx.Done():
			r.leases.abandon(r.lease)
			return grant, fmt.Errorf("record %d outcomes of %s: %w", len(r.attempts), batchJobID(r.batch), err)
		case <-time.After(wait):
		}
	}
}

func (r *batchRun) noteLost(n int) {
	if n == 0 {
		return
	}
	r.metrics.lost.Add(float64(n))
	r.log.Warn("outcomes arrived after another worker had claimed the rows", "batch", batchJobID(r.batch), "rows", n)
}
