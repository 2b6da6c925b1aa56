package notify

import (
	"math"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// backoffStrategy names the strategy of a failed job's next attempt, see Config.backoff.
const backoffStrategy = "schoolbell"

// attempts is how often a delivery, and so its job, is tried in all.
func (c Config) attempts() int { return 1 + c.Retries }

// retryWait is the wait after the nth failed try, n from 1: base, 5 × base,
// 25 × base and so on, never above a day.
func (c Config) retryWait(n int) time.Duration {
	wait := float64(c.Backoff) * math.Pow(5, float64(max(n, 1)-1))
	return time.Duration(min(wait, float64(24*time.Hour)))
}

// attempt says what a result means for its row. Attempts are spent on attempts
// that the provider turned down or that got lost, not on its wish to be left
// alone and not on connections that it ended without an answer. With a hold, a message that the provider may have
// accepted is sent again once, and only if no receipt tells so before.
func (c Config) attempt(r ledger.Recipient, res schoolbell.Result, hold time.Duration) ledger.Attempt {
	out := ledger.Attempt{Seq: r.Seq, Spent: r.Attempts + 1, Uncertain: r.Uncertain, Reason: res.Reason, ProviderID: res.ProviderID}
	switch res.Verdict {
	case schoolbell.VerdictSent:
		out.Status, out.Reason = schoolbell.DeliverySent, ""
		out.Uncertain = out.Uncertain && !res.Resolved
	case schoolbell.VerdictGiveUp:
		out.Status = schoolbell.DeliveryFailed
	case schoolbell.VerdictUncertain:
		out.Uncertain = true
		out.Status, out.RetryIn = c.again(out.Spent)
		switch {
		case hold <= 0 || out.Status == schoolbell.DeliveryFailed:
		case r.Uncertain:
			out.Status, out.RetryIn = schoolbell.DeliveryFailed, 0
		default:
			out.RetryIn, out.Reason = hold, schoolbell.ReasonAwaitingReceipt
		}
	case schoolbell.VerdictRetry:
		out.Status, out.RetryIn = c.again(out.Spent)
	case schoolbell.VerdictDropped:
		out.Status, out.Spent, out.RetryIn = schoolbell.DeliveryPending, r.Attempts, min(c.retryWait(2), maxRest)
	default: // slow down, untried
		out.Status, out.Spent = schoolbell.DeliveryPending, r.Attempts
	}
	if out.Uncertain && (out.Status == schoolbell.DeliverySent || out.Status == schoolbell.DeliveryFailed) {
		out.Status = schoolbell.DeliveryUncertain // an earlier attempt may nevertheless have reached the user
		if r.Restored && out.Reason == "" {
			out.Reason = sentAfterRestore
		}
	}
	return out
}

// sentAfterRestore is the reason of deliveries that nobody knows to have been sent once or twice.
const sentAfterRestore = "sent after the ledger was restored from a backup; it may have been sent before"

// again returns the status of a row after its nth attempt, and the wait until the next one if there is any.
func (c Config) again(spent int) (schoolbell.DeliveryStatus, time.Duration) {
	if spent >= c.attempts() {
		return schoolbell.DeliveryFailed, 0
	}
	return schoolbell.DeliveryPending, c.retryWait(spent)
}

// backoff is the worker's strategy for failed jobs, in step with their rows' retry times.
func (c Config) backoff(attempt int, b bullmq.Backoff, _ error, _ *bullmq.Job) time.Duration {
	c.Backoff = b.Delay
	return c.retryWait(attempt)
}
