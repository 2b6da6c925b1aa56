package notify

import (
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// sendable splits the rows of a claim: those that may be sent now, and for the others an attempt without a message. Rows whose
// recipients have quiet hours wait, except those of urgent events. A digest that has nothing left to tell is not sent.
func (r *batchRun) sendable(rows []ledger.Recipient) (now []ledger.Recipient, others []ledger.Attempt) {
	if !hasQuietHours(r.ev) && !r.ev.Digest {
		return rows, nil
	}
	quiet := quietHours{school: r.cfg.School(), now: r.cfg.Now()}
	now = rows[:0]
	for _, to := range rows {
		switch wait := quiet.wait(to); {
		case r.ev.Digest && len(to.Items) == 0:
			others = append(others, emptyDigest(to))
		case wait > 0 && hasQuietHours(r.ev):
			others = append(others, r.heldAttempt(to, wait))
		default:
			now = append(now, to)
		}
	}
	return now, others
}

// emptyDigest ends a row of a digest that has nothing to tell.
func emptyDigest(to ledger.Recipient) ledger.Attempt {
	a := ledger.Attempt{Seq: to.Seq, Status: schoolbell.DeliverySuppressed, Spent: to.Attempts, Uncertain: to.Uncertain, Reason: schoolbell.ReasonEmptyDigest}
	if to.Uncertain { // an earlier attempt may have reached the recipient
		a.Status = schoolbell.DeliveryUncertain
	}
	return a
}

// hasQuietHours reports whether the messages of an event wait for the end of quiet hours.
func hasQuietHours(ev *schoolbell.Event) bool { return ev.Lane != schoolbell.LaneUrgent }

// quietHours tells how long recipients are left alone from a time on. It keeps the latest answer, because most recipients
// have the same quiet hours in the same time zone.
type quietHours struct {
	school schoolbell.SchoolSettings
	now    time.Time

	hours    schoolbell.QuietHours
	timezone string
	latest   time.Duration
}

// wait returns how long the quiet hours of a recipient last, 0 if there are none now.
func (q *quietHours) wait(to ledger.Recipient) time.Duration {
	hours := to.QuietHours
	if hours == (schoolbell.QuietHours{}) {
		hours = q.school.QuietHours
	}
	if hours.From == hours.To {
		return 0
	}
	if hours == q.hours && to.Timezone == q.timezone {
		return q.latest
	}
	q.hours, q.timezone, q.latest = hours, to.Timezone, 0
	if end, quiet := hours.End(q.now, schoolbell.FirstTimezone(to.Timezone, q.school.Timezone)); quiet {
		q.latest = end.Sub(q.now).Truncate(time.Millisecond) + time.Millisecond // the ledger counts milliseconds
	}
	return q.latest
}

// heldAttempt leaves a row as it is for a time. If a receipt may tell that the provider has the message already, the row
// goes on awaiting it.
func (r *batchRun) heldAttempt(to ledger.Recipient, wait time.Duration) ledger.Attempt {
	a := ledger.Attempt{Seq: to.Seq, Status: schoolbell.DeliveryPending, Spent: to.Attempts, Uncertain: to.Uncertain, RetryIn: wait,
		Reason: schoolbell.ReasonQuietHours}
	if to.Uncertain && r.cfg.Holds[r.channel] > 0 {
		a.Reason = schoolbell.ReasonAwaitingReceipt
	}
	return a
}
