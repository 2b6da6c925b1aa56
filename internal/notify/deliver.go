package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// deliverer works one channel's queue: it sends the rows of a batch that are
// still pending, in groups small enough that a crash leaves few of them in doubt.
type deliverer struct {
	*Pipeline
	channel  schoolbell.Channel
	sender   Sender
	renderer Renderer
	leases   *leaseKeeper
	throttle *throttle
	progress *progressReporter
}

// pass is one run of a batch's job.
type pass struct {
	*deliverer
	job   *bullmq.Job
	ev    *schoolbell.Event
	batch ledger.Batch

	lease    *heldLease       // under which the latest group was claimed
	outcomes []ledger.Outcome // of that group, to be recorded

	retried   int    // rows that failed for now in this pass
	exhausted int    // rows whose last try failed in this pass
	reason    string // of the latest failure
}

func (d *deliverer) handle(ctx context.Context, job *bullmq.Job) (any, error) {
	var data batchJobData
	if err := json.Unmarshal(job.Data, &data); err != nil || !schoolbell.ValidID(data.EventID) || data.Channel != d.channel {
		return nil, bullmq.Unrecoverable(fmt.Errorf("job data names no %s batch", d.channel))
	}
	ev, err := d.eventOrFail(ctx, data.EventID)
	if err != nil {
		return nil, err
	}
	p := &pass{deliverer: d, job: job, ev: ev,
		batch: ledger.Batch{EventID: data.EventID, Channel: data.Channel, Seq: data.Seq}}
	return p.run(ctx)
}

// run goes round: record what the last group came to and claim the next one,
// in one transaction; send it; until nothing is left to claim.
func (p *pass) run(ctx context.Context) (any, error) {
	for {
		if why := p.interrupted(ctx); why != nil {
			return nil, p.handBack(ctx, why)
		}
		grant, err := p.claim(ctx)
		switch {
		case err != nil:
			return nil, err
		case grant.LeaseEnded:
			p.leases.retire(p.lease) // the ledger knows better than the local clock
		case len(grant.Recipients) == 0:
			return p.end(ctx, grant)
		default:
			p.outcomes = p.send(ctx, grant.Recipients)
		}
	}
}

// claim records the outcomes so far and claims the next group under a lease
// that is good now. Outcomes of a lease that is not are recorded first, under it.
func (p *pass) claim(ctx context.Context) (ledger.Grant, error) {
	if len(p.outcomes) > 0 && p.lease.over() {
		if err := p.record(ctx); err != nil {
			return ledger.Grant{}, err
		}
	}
	lease, err := p.leases.Lease(ctx)
	if err != nil {
		return ledger.Grant{}, err
	}
	if len(p.outcomes) > 0 && lease != p.lease {
		if err := p.record(ctx); err != nil {
			return ledger.Grant{}, err
		}
	}
	p.lease = lease
	return p.advance(ctx, claimSize)
}

// record stores the outcomes so far and claims nothing.
func (p *pass) record(ctx context.Context) error {
	if len(p.outcomes) == 0 {
		return nil
	}
	_, err := p.advance(ctx, 0)
	return err
}

// errResting says that the provider wants the channel to rest.
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

// interrupted says why the pass must not go on, if so.
func (p *pass) interrupted(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case stopping(ctx):
		return bullmq.Requeue()
	case p.throttle.rest() > 0:
		return errResting
	}
	return nil
}

// handBack records the outcomes so far and returns the job at no attempt.
func (p *pass) handBack(ctx context.Context, why error) error {
	if err := p.record(ctx); err != nil {
		return err
	}
	if errors.Is(why, errResting) {
		return bullmq.Throttled(max(p.throttle.rest(), time.Millisecond))
	}
	return why
}

// end says what becomes of the job now that the batch has no row to claim.
func (p *pass) end(ctx context.Context, grant ledger.Grant) (any, error) {
	p.progress.report(ctx, p.ev.ID)
	switch {
	case grant.Finished && p.exhausted > 0:
		return nil, bullmq.Unrecoverable(fmt.Errorf("%d of %d deliveries failed: %s", grant.Counts.Failed, grant.Counts.Total, p.reason))
	case grant.Finished:
		return grant.Counts, nil
	case p.retried > 0 && p.job.Attempt() < p.job.Options.Attempts:
		return nil, fmt.Errorf("%d deliveries failed for now: %s", p.retried, p.reason)
	}
	// Rows wait for their retry time or for another worker's lease: that is
	// nobody's failure, so it costs no attempt.
	wait := max(grant.NextIn, 100*time.Millisecond)
	return nil, bullmq.DelayUntil(time.Now().Add(wait))
}

const recordTimeout = 30 * time.Second

// advance is Ledger.Advance with the outcomes so far. Outcomes are facts that
// exist nowhere else, so they outlive ctx and are offered again and again while
// the ledger is unavailable. After a failure that may have hidden a commit the lease is retired.
func (p *pass) advance(ctx context.Context, claim int) (ledger.Grant, error) {
	if len(p.outcomes) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		grant, err := p.ledger.Advance(ctx, p.lease.Lease, p.batch, p.outcomes, claim)
		switch {
		case err == nil:
			p.noteLost(grant.Lost)
			p.outcomes = nil
			return grant, nil
		case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
			return grant, bullmq.Unrecoverable(err)
		}
		p.leases.retire(p.lease)
		claim = 0 // a second try must not claim what the first may have claimed already
		if len(p.outcomes) == 0 {
			return grant, fmt.Errorf("claim deliveries of %s: %w", batchJobID(p.batch), err)
		}
		select {
		case <-ctx.Done():
			p.leases.abandon(p.lease)
			return grant, fmt.Errorf("record %d outcomes of %s: %w", len(p.outcomes), batchJobID(p.batch), err)
		case <-time.After(wait):
		}
	}
}

func (p *pass) noteLost(n int) {
	if n == 0 {
		return
	}
	p.metrics.lost.Add(float64(n))
	p.log.Warn("outcomes came after another worker had taken the rows over", "batch", batchJobID(p.batch), "rows", n)
}

// send renders and sends one claimed group and returns an outcome for every row of it.
func (p *pass) send(ctx context.Context, rows []ledger.Recipient) []ledger.Outcome {
	ctx, cancel := p.lease.during(ctx)
	defer cancel()

	results := make([]schoolbell.Result, len(rows))
	msgs := make([]schoolbell.Message, 0, len(rows))
	row := make([]int, 0, len(rows)) // of each message
	for i, r := range rows {
		msg, err := p.renderer.Render(p.ev, p.channel, r)
		if err != nil {
			p.log.Error("message cannot be rendered", "event", p.ev.ID, "channel", string(p.channel), "user", r.UserID, "error", err)
			results[i] = schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "the message could not be rendered"}
			continue
		}
		msgs, row = append(msgs, msg), append(row, i)
	}
	began := time.Now()
	p.sender.Send(ctx, msgs, func(i int, r schoolbell.Result) { results[row[i]] = impersonal(r, rows[row[i]]) })
	p.metrics.sent(p.channel, results, time.Since(began))
	return p.judge(rows, results)
}

// impersonal returns r without what it says about the person, whatever the
// provider's words repeat. Results go to the ledger, where they outlive the person, to Redis and to the log.
func impersonal(r schoolbell.Result, to ledger.Recipient) schoolbell.Result {
	person := schoolbell.Personal{Name: to.Name, Email: to.Email, Phone: to.Phone}
	r.Reason = schoolbell.Redact(r.Reason, person)
	r.ProviderID = schoolbell.RedactID(r.ProviderID, person)
	return r
}

// judge turns results into outcomes and lets the channel slow down if the provider asks for it.
func (p *pass) judge(rows []ledger.Recipient, results []schoolbell.Result) []ledger.Outcome {
	outcomes := make([]ledger.Outcome, len(rows))
	slow, after, sent := false, time.Duration(0), false
	dropped, answered := 0, 0
	for i, res := range results {
		outcomes[i] = p.cfg.outcome(rows[i], res)
		if answersMessage(res.Verdict) {
			answered++
		}
		switch res.Verdict {
		case schoolbell.VerdictSent:
			sent = true
		case schoolbell.VerdictSlowDown:
			slow, after = true, max(after, res.After)
			p.reason = res.Reason
		case schoolbell.VerdictDropped:
			dropped++
			p.reason = res.Reason
		case schoolbell.VerdictRetry, schoolbell.VerdictUncertain:
			p.reason = res.Reason
			if outcomes[i].Status == schoolbell.DeliveryPending {
				p.retried++
			} else {
				p.exhausted++
			}
		}
	}
	if !slow && dropped > 1 && answered == 0 {
		// It is not about one message. The rest does not grow, so that a few
		// messages that the provider cannot take delay the others little.
		slow, after = true, firstRest
	}
	switch {
	case slow:
		p.log.Warn("provider wants us to slow down", "channel", string(p.channel), "rest", p.throttle.slowDown(after), "reason", p.reason)
	case sent:
		p.throttle.good()
	}
	return outcomes
}

// answersMessage reports whether the provider said something about the message.
func answersMessage(v schoolbell.Verdict) bool {
	switch v {
	case schoolbell.VerdictSent, schoolbell.VerdictRetry, schoolbell.VerdictGiveUp:
		return true
	}
	return false
}
