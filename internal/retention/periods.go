package retention

import (
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Periods says for how long each kind of row is kept; 0 means for ever.
type Periods struct {
	Events, Deliveries, Inbox, Receipts, Audit, Idempotency time.Duration
}

// Override returns p with what the school has chosen in place of it.
func (p Periods) Override(r schoolbell.Retention) Periods {
	for _, c := range []struct {
		period *time.Duration
		chosen schoolbell.Period
	}{
		{&p.Events, r.Events}, {&p.Deliveries, r.Deliveries}, {&p.Inbox, r.Inbox},
		{&p.Receipts, r.Receipts}, {&p.Audit, r.Audit}, {&p.Idempotency, r.Idempotency},
	} {
		if d, ok := c.chosen.Duration(); ok {
			*c.period = d
		}
	}
	return p
}

const (
	// inboxSlack is how much older than its period the oldest inbox item becomes before
	// the inboxes are walked: the walk looks at every person.
	inboxSlack = 24 * time.Hour

	// eventSlack is how much longer than its period an event is kept. Its inbox items,
	// which are removed late, and its idempotency key, which may have been
	// stored by another clock, must be gone before it.
	eventSlack = inboxSlack + time.Hour

	// trafficPeriod is what charts show, and a day.
	trafficPeriod = 31 * 24 * time.Hour
)

// before returns the time before which rows of a kind are removed; ok is false if they
// are kept for ever. What belongs to an event is not kept for longer than the event.
func (p Periods) before(kind ledger.Kept, now time.Time) (before time.Time, ok bool) {
	var period time.Duration
	switch kind {
	case ledger.KeptEvents:
		period = p.Events
		if period > 0 {
			period += eventSlack
		}
	case ledger.KeptDeliveries:
		period = shorter(p.Deliveries, p.Events)
	case ledger.KeptInbox:
		period = shorter(p.Inbox, p.Events)
	case ledger.KeptReceipts:
		period = shorter(p.Receipts, p.Events)
	case ledger.KeptAttempts, ledger.KeptMessages:
		period = p.Receipts
	case ledger.KeptKeys:
		period = shorter(p.Idempotency, p.Events)
	case ledger.KeptAudit:
		period = p.Audit
	case ledger.KeptTraffic:
		period = trafficPeriod
	}
	return now.Add(-period), period > 0
}

// shorter returns the shorter of two periods, of which 0 is endless.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
