package notify

import (
	"context"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// ofHouseholds splits the rows of a claim: those that are sent, and for the others an attempt without a message. Of the people who
// have one address and would get the same text there, the first gets it. The others follow: their rows wait for the end of
// that of the first, and the ledger gives them the same end.
func (r *batchRun) ofHouseholds(ctx context.Context, ev *schoolbell.Event, rows []ledger.Recipient) (now []ledger.Recipient, others []ledger.Attempt, err error) {
	messages := r.householdMessages(ev, rows)
	if len(messages) == 0 {
		return rows, nil, nil
	}
	first, err := r.advancer.deliveries.FirstOfHouseholds(ctx, r.batch, messages)
	if err != nil {
		return nil, nil, fmt.Errorf("choose who gets messages of households: %w", err)
	}
	now = rows[:0]
	for _, to := range rows {
		if user, ok := first[to.Seq]; ok && user != to.Seq {
			others = append(others, following(to, user))
			continue
		}
		now = append(now, to)
	}
	return now, others, nil
}

// householdMessages returns the messages to people whose address others have too. Those that cannot be rendered fail on their own.
func (r *batchRun) householdMessages(ev *schoolbell.Event, rows []ledger.Recipient) (messages []ledger.HouseholdMessage) {
	for _, to := range rows {
		if !to.Shared || len(to.Addresses) == 0 {
			continue
		}
		msg, err := r.renderer.Render(ev, r.channel, to.Unlinked())
		if err != nil {
			continue
		}
		msg.To = to.Addresses[0]
		messages = append(messages, ledger.HouseholdMessage{User: to.Seq, Fingerprint: msg.Fingerprint()})
	}
	return messages
}

// following leaves a row to the ledger, which ends it together with that of the first user. It costs no attempt.
func following(to ledger.Recipient, first int64) ledger.Attempt {
	return ledger.Attempt{Seq: to.Seq, Status: schoolbell.DeliveryPending, Spent: to.Attempts, Uncertain: to.Uncertain,
		RetryIn: ledger.FollowWait, Reason: schoolbell.ReasonSameAddress, SameAs: first}
}
