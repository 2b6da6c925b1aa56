package notify

import (
	"context"
	"time"

	"schoolbell/bullmq/combine"
	"schoolbell/internal/ledger"
)

// advanceLimits bound a shared transaction, whose jobs all wait for its end.
var advanceLimits = combine.Limits{Items: 50, Size: 1_000} // steps; rows to record or claim

// advanceTimeout bounds a transaction. A shared one does not end with the context of a job.
const advanceTimeout = 30 * time.Second

// advancer makes the claims and records of all jobs of a process. Those that arrive while a transaction is in
// flight share the next one.
type advancer struct {
	deliveries ledger.Deliveries
	shared     *combine.Combiner[advanceItem]
}

// advanceItem is a step of one job, and its result.
type advanceItem struct {
	step  ledger.Step
	grant ledger.Grant
	err   error
}

func newAdvancer(deliveries ledger.Deliveries) *advancer {
	a := &advancer{deliveries: deliveries}
	a.shared = combine.New(a.do, func(i *advanceItem) int { return len(i.step.Attempts) + i.step.Claim }, advanceLimits)
	return a
}

// do does the steps of items in one transaction.
func (a *advancer) do(ctx context.Context, items []*advanceItem) {
	ctx, cancel := context.WithTimeout(ctx, advanceTimeout)
	defer cancel()
	steps := make([]ledger.Step, len(items))
	for i, item := range items {
		steps[i] = item.step
	}
	grants, err := a.deliveries.Advance(ctx, steps)
	for i, item := range items {
		if item.err = err; err == nil {
			item.grant, item.err = grants[i], grants[i].Err
		}
	}
}

// advance is Deliveries.Advance with one step. An error may hide that the step was done.
func (a *advancer) advance(ctx context.Context, step ledger.Step) (ledger.Grant, error) {
	item := advanceItem{step: step}
	if err := a.shared.Do(ctx, &item); err != nil {
		return ledger.Grant{}, err // the item may be in use until its transaction ends
	}
	return item.grant, item.err
}

// advanceAlone is advance in a transaction of its own, so that no other step can make it fail.
func (a *advancer) advanceAlone(ctx context.Context, step ledger.Step) (ledger.Grant, error) {
	item := advanceItem{step: step}
	a.do(ctx, []*advanceItem{&item})
	return item.grant, item.err
}
