package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// personalize reads what the messages of a claim do not share with others. Most events share everything but names, and need
// nothing.
func (r *batchRun) personalize(ctx context.Context, rows []ledger.Recipient) error {
	if r.ev.Digest {
		return r.personalizeItems(ctx, rows)
	}
	if !r.ev.Personalized() {
		return nil
	}
	users := make([]int64, len(rows))
	for i, to := range rows {
		users[i] = to.Seq
	}
	texts, err := r.advancer.deliveries.Personal(ctx, r.ev, users)
	if err != nil {
		return fmt.Errorf("read what event %s says of its recipients: %w", r.ev.ID, err)
	}
	for i := range rows {
		rows[i].Personal = texts[rows[i].Seq].For(rows[i].Name)
	}
	return nil
}

// personalizeItems is personalize for a digest: it reads what its items say of the recipients, one event after the other.
func (r *batchRun) personalizeItems(ctx context.Context, rows []ledger.Recipient) error {
	readers := map[*schoolbell.Event][]int{} // rows, by personalized event
	for i, to := range rows {
		for _, item := range to.Items {
			if item.Personalized() {
				readers[item] = append(readers[item], i)
			}
		}
	}
	for item, places := range readers {
		users := make([]int64, len(places))
		for i, place := range places {
			users[i] = rows[place].Seq
		}
		texts, err := r.advancer.deliveries.Personal(ctx, item, users)
		if err != nil {
			return fmt.Errorf("read what event %s of a digest says of its recipients: %w", item.ID, err)
		}
		for _, place := range places {
			to := &rows[place]
			if to.ItemTexts == nil {
				to.ItemTexts = map[string]*schoolbell.PersonalText{}
			}
			to.ItemTexts[item.ID] = texts[to.Seq].For(to.Name)
		}
	}
	return nil
}

// untried returns the attempts of rows that were not offered to the provider. The run ends with the reason.
func (r *batchRun) untried(rows []ledger.Recipient, why error) []ledger.Attempt {
	r.broken = why
	attempts := make([]ledger.Attempt, len(rows))
	for i, to := range rows {
		attempts[i] = r.cfg.attempt(to, schoolbell.Result{Verdict: schoolbell.VerdictUntried}, 0)
	}
	return attempts
}

// impersonal returns r without what it says about people, whatever the
// provider's words repeat. Results go to the ledger, where they outlive the person, to Redis and to the log.
func impersonal(r schoolbell.Result, to ledger.Recipient) schoolbell.Result {
	person := schoolbell.Personal{Name: to.Name, Addresses: to.Addresses}
	for _, text := range append(slices.Collect(maps.Values(to.ItemTexts)), to.Personal) {
		addPersonal(&person, text)
	}
	r.Reason = schoolbell.Redact(r.Reason, person)
	r.ProviderID = schoolbell.RedactID(r.ProviderID, person)
	return r
}

// addPersonal adds what a message says of single people.
func addPersonal(person *schoolbell.Personal, text *schoolbell.PersonalText) {
	if text == nil {
		return
	}
	for _, value := range text.Data {
		person.Words = append(person.Words, value)
	}
	for _, s := range text.Students {
		person.Others = append(person.Others, s.Name)
		for _, value := range s.Data {
			person.Words = append(person.Words, value)
		}
	}
}
