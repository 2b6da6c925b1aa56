package notify

import (
	"context"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// send renders and sends the rows of one claim and returns an attempt for each, not in their order. It reuses the
// recipients of the claim.
func (r *batchRun) send(ctx context.Context, claim ledger.Grant) []ledger.Attempt {
	rows, others := r.sendable(claim.Recipients)
	if len(rows) == 0 {
		return others
	}
	ctx, cancel := r.lease.during(ctx)
	defer cancel()
	if err := r.personalize(ctx, rows); err != nil {
		return append(others, r.untried(rows, err)...)
	}
	ev := r.ev
	if claim.Notice != "" {
		told := *r.ev
		told.Notice = claim.Notice
		ev = &told
	}
	rows, followers, err := r.ofHouseholds(ctx, ev, rows)
	if err != nil {
		return append(others, r.untried(rows, err)...)
	}
	if others = append(others, followers...); len(rows) == 0 {
		return others
	}

	msgs := make([]schoolbell.Message, 0, len(rows))
	row := make([]int, 0, len(rows)) // of each message
	first := make([]int, len(rows))  // message of each row
	for i, to := range rows {
		first[i] = len(msgs)
		msg, err := r.renderer.Render(ev, r.channel, to)
		if err != nil {
			r.log.Error("message cannot be rendered", "event", r.ev.ID, "channel", string(r.channel), "user", to.UserID, "error", err)
			continue
		}
		addresses := to.Addresses
		if len(addresses) == 0 {
			addresses = []string{""} // the channel needs none
		}
		for n, address := range addresses {
			msg.ID, msg.To = schoolbell.MessageKey{EventID: r.ev.ID, Wave: r.batch.Wave, User: to.Seq, Address: n}.String(), address
			msgs, row = append(msgs, msg), append(row, i)
		}
	}
	results := make([]schoolbell.Result, len(msgs))
	began := time.Now()
	r.sender.Send(ctx, msgs, func(i int, res schoolbell.Result) { results[i] = impersonal(res, rows[row[i]]) })
	r.metrics.sent(r.channel, results, time.Since(began))
	r.use(results)

	attempts, hold := make([]ledger.Attempt, len(rows)), r.cfg.hold(r.ev, r.channel)
	verdicts := verdicts{}
	for i, to := range rows {
		end := len(msgs)
		if i+1 < len(rows) {
			end = first[i+1]
		}
		res := strongest(results[first[i]:end])
		attempts[i] = r.cfg.attempt(to, res, hold)
		attempts[i].Addresses = addressChanges(msgs[first[i]:end], results[first[i]:end])
		verdicts.add(res)
		r.count(res, attempts[i])
	}
	r.adapt(verdicts)
	r.traffic.addAttempts(r.channel, attempts)
	return append(attempts, others...)
}

// strongest returns the result that decides about a delivery to several addresses: it is
// sent when one of them accepted it, and fails when all refused it for good. Without any
// result, the message could not be rendered.
func strongest(results []schoolbell.Result) schoolbell.Result {
	if len(results) == 0 {
		return schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "the message could not be rendered"}
	}
	best := results[0]
	for _, res := range results[1:] {
		if strength(res.Verdict) > strength(best.Verdict) {
			best = res
		}
	}
	return best
}

func strength(v schoolbell.Verdict) int {
	switch v {
	case schoolbell.VerdictSent:
		return 3
	case schoolbell.VerdictUncertain:
		return 2
	case schoolbell.VerdictGiveUp:
		return 0
	}
	return 1 // to be tried again
}

// addressChanges returns the new states of addresses that the results tell.
func addressChanges(msgs []schoolbell.Message, results []schoolbell.Result) (changes []ledger.AddressChange) {
	for i, res := range results {
		if res.Address != "" {
			changes = append(changes, ledger.AddressChange{Address: msgs[i].To, State: res.Address, Reason: res.Reason})
		}
	}
	return changes
}

// verdicts sums up what a provider said about the messages of one claim.
type verdicts struct {
	sent     bool
	slow     bool
	rest     time.Duration // that the provider asked for
	dropped  int           // deliveries of which the provider said nothing
	answered int           // deliveries of which it said something
	reason   string        // of the latest failure
}

func (v *verdicts) add(res schoolbell.Result) {
	switch res.Verdict {
	case schoolbell.VerdictSent:
		v.sent = true
		v.answered++
		return
	case schoolbell.VerdictRetry, schoolbell.VerdictGiveUp:
		v.answered++
	case schoolbell.VerdictSlowDown:
		v.slow, v.rest = true, max(v.rest, res.After)
	case schoolbell.VerdictDropped:
		v.dropped++
	}
	if res.Reason != "" && res.Verdict != schoolbell.VerdictGiveUp {
		v.reason = res.Reason
	}
}

// count notes for the end of the job that a delivery failed for now, or for good after its
// last attempt.
func (r *batchRun) count(res schoolbell.Result, a ledger.Attempt) {
	if res.Verdict != schoolbell.VerdictRetry && res.Verdict != schoolbell.VerdictUncertain || a.Reason == schoolbell.ReasonAwaitingReceipt {
		return // a row that awaits a receipt has not failed, and costs its job no attempt
	}
	r.reason = res.Reason
	if a.Status == schoolbell.DeliveryPending {
		r.retried++
	} else {
		r.exhausted++
	}
}

// adapt lets the channel rest if the provider wants it to.
func (r *batchRun) adapt(v verdicts) {
	if !v.slow && v.dropped > 1 && v.answered == 0 {
		// It is not about one message. The rest does not grow, so that a few
		// messages that the provider cannot take delay the others little.
		v.slow, v.rest = true, firstRest
	}
	switch {
	case v.slow:
		r.log.Warn("provider asked to slow down", "channel", string(r.channel), "rest", r.throttle.slowDown(v.rest), "reason", v.reason)
	case v.sent:
		r.throttle.good()
	}
}
