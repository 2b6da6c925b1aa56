package notify

import (
	"context"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// send renders and sends the rows of one claim and returns an outcome for every row of it.
func (r *batchRun) send(ctx context.Context, rows []ledger.Recipient) []ledger.Outcome {
	ctx, cancel := r.lease.during(ctx)
	defer cancel()

	results := make([]schoolbell.Result, len(rows))
	msgs := make([]schoolbell.Message, 0, len(rows))
	row := make([]int, 0, len(rows)) // of each message
	for i, to := range rows {
		msg, err := r.renderer.Render(r.ev, r.channel, to)
		if err != nil {
			r.log.Error("message cannot be rendered", "event", r.ev.ID, "channel", string(r.channel), "user", to.UserID, "error", err)
			results[i] = schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "the message could not be rendered"}
			continue
		}
		msgs, row = append(msgs, msg), append(row, i)
	}
	began := time.Now()
	r.sender.Send(ctx, msgs, func(i int, res schoolbell.Result) { results[row[i]] = impersonal(res, rows[row[i]]) })
	r.metrics.sent(r.channel, results, time.Since(began))
	return r.outcomesOf(rows, results)
}

// impersonal returns r without what it says about the person, whatever the
// provider's words repeat. Results go to the ledger, where they outlive the person, to Redis and to the log.
func impersonal(r schoolbell.Result, to ledger.Recipient) schoolbell.Result {
	person := schoolbell.Personal{Name: to.Name, Email: to.Email, Phone: to.Phone}
	r.Reason = schoolbell.Redact(r.Reason, person)
	r.ProviderID = schoolbell.RedactID(r.ProviderID, person)
	return r
}

// outcomesOf turns results into outcomes and lets the channel slow down if the provider asks for it.
func (r *batchRun) outcomesOf(rows []ledger.Recipient, results []schoolbell.Result) []ledger.Outcome {
	outcomes := make([]ledger.Outcome, len(rows))
	slow, after, sent := false, time.Duration(0), false
	dropped, answered := 0, 0
	for i, res := range results {
		outcomes[i] = r.cfg.outcome(rows[i], res)
		if answersMessage(res.Verdict) {
			answered++
		}
		switch res.Verdict {
		case schoolbell.VerdictSent:
			sent = true
		case schoolbell.VerdictSlowDown:
			slow, after = true, max(after, res.After)
			r.reason = res.Reason
		case schoolbell.VerdictDropped:
			dropped++
			r.reason = res.Reason
		case schoolbell.VerdictRetry, schoolbell.VerdictUncertain:
			r.reason = res.Reason
			if outcomes[i].Status == schoolbell.DeliveryPending {
				r.retried++
			} else {
				r.exhausted++
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
		r.log.Warn("provider asked to slow down", "channel", string(r.channel), "rest", r.throttle.slowDown(after), "reason", r.reason)
	case sent:
		r.throttle.good()
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
