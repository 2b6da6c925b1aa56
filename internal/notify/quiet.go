package notify

import (
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// awake splits the rows of a claim: those that may be sent now, and for the others, whose recipients have quiet hours, an
// attempt that lets them wait. Urgent events wait for nobody.
func (r *batchRun) awake(rows []ledger.Recipient) (awake []ledger.Recipient, held []ledger.Attempt) {
	if !hasQuietHours(r.ev) {
		return rows, nil
	}
	quiet := quietHours{school: r.cfg.School(), now: r.cfg.Now()}
	awake = rows[:0]
	for _, to := range rows {
		if wait := quiet.wait(to); wait > 0 {
			held = append(held, r.heldAttempt(to, wait))
			continue
		}
		awake = append(awake, to)
	}
	return awake, held
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
