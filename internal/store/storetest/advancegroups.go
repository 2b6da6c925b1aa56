package storetest

import (
	"math/rand/v2"
	"sync"
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var advanceGroups = []promise{
	{"Advance does different steps of several events together", advanceMixed},
	{"Advance does two steps of one batch in order", advanceTwice},
	{"Advance of many groups claims each row once", advanceGroupsDisjoint},
}

func advanceMixed(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, first := s.sent(7, 4)
	other, second := s.second(t)
	cancelled, third := s.second(t)
	l, dead := s.lease(), s.lease()
	held := s.advance(l, first[0], nil, 3).Recipients
	late := s.advance(dead, second[0], nil, 2).Recipients
	s.kill(dead)
	_, err := s.Events.CancelEvent(s.ctx(), cancelled)
	s.must(err)
	missing := second[0]
	missing.Seq = 9
	done := attempts(held, schoolbell.DeliverySent)
	done[2].Status, done[2].Addresses = schoolbell.DeliveryFailed, []ledger.AddressChange{{Address: held[2].Addresses[0], State: schoolbell.AddressBounced}}

	grants, err := s.Deliveries.Advance(s.ctx(), []ledger.Step{
		{Lease: l, Batch: first[0], Attempts: done, Claim: 5},
		{Lease: l, Batch: missing, Claim: 5},
		{Lease: l, Batch: first[1], Claim: 2},
		{Lease: dead, Batch: second[0], Attempts: attempts(late, schoolbell.DeliverySent), Claim: 3},
		{Lease: l, Batch: third[0], Attempts: attempts(late, schoolbell.DeliverySent), Claim: 3},
	})
	s.must(err)
	wantCode(t, grants[1].Err, schoolbell.CodeNotFound)
	for i, want := range []int{1, 0, 2, 0, 0} {
		same(t, "people claimed by a step", len(grants[i].Recipients), want)
	}
	grants[0].Recipients, grants[2].Recipients, grants[1] = nil, nil, ledger.Grant{}
	same(t, "what else the steps got", grants, []ledger.Grant{
		{}, {}, {},
		{LeaseEnded: true, Pending: 5, Counts: schoolbell.ChannelProgress{Total: 7, Sent: 2, Pending: 5}},
		{Lost: 2, Finished: true, Counts: schoolbell.ChannelProgress{Total: 7, Cancelled: 7}},
	})
	same(t, "first event", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{
		schoolbell.DeliverySent: 2, schoolbell.DeliveryFailed: 1, schoolbell.DeliverySending: 3, schoolbell.DeliveryPending: 1})
	for _, ev := range []string{id, other, cancelled} {
		s.wantCounted(ev, "the steps")
	}
	again, err := s.Deliveries.Advance(s.ctx(), []ledger.Step{{Lease: l, Batch: second[0], Claim: 7}, {Lease: l, Batch: third[0]}})
	s.must(err)
	same(t, "people claimed whose first address is still used", len(again[0].Recipients), 4)
	same(t, "a finished batch", again[1].Finished, true)
}

func advanceTwice(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(5, 5)
	l := s.lease()
	held := s.advance(l, batches[0], nil, 2).Recipients
	grants, err := s.Deliveries.Advance(s.ctx(), []ledger.Step{
		{Lease: l, Batch: batches[0], Claim: 2},
		{Lease: l, Batch: batches[0], Attempts: attempts(held, schoolbell.DeliverySent), Claim: 2},
		{Lease: l, Batch: batches[0], Attempts: attempts(held, schoolbell.DeliverySent)},
	})
	s.must(err)
	same(t, "people claimed by the first and the second step", []int{len(grants[0].Recipients), len(grants[1].Recipients)}, []int{2, 1})
	same(t, "the third step", []int{grants[2].Lost, grants[2].Sending}, []int{2, 3})
	s.wantCounted(id, "the steps")

	none, err := s.Deliveries.Advance(s.ctx(), nil)
	if err != nil || len(none) != 0 {
		t.Errorf("no steps: %v, %v", none, err)
	}
}

// advanceGroupsDisjoint has workers of two processes advance batches of several events in groups of random order.
func advanceGroupsDisjoint(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	_, batches := a.sent(40, 10)
	ids := []string{batches[0].EventID}
	for range 3 {
		id, more := a.second(t)
		ids, batches = append(ids, id), append(batches, more...)
	}
	claims := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 6 {
		s := []*testStore{a, b}[i%2]
		l, random := s.lease(), rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() {
			done := make([][]ledger.Attempt, len(batches))
			for busy := true; busy; {
				busy = false
				order := random.Perm(len(batches))[:1+random.IntN(len(batches))]
				if random.IntN(4) == 0 {
					order = random.Perm(len(batches))
				}
				steps := make([]ledger.Step, len(order))
				for j, n := range order {
					steps[j] = ledger.Step{Lease: l, Batch: batches[n], Attempts: done[n], Claim: 3}
				}
				grants, err := s.Deliveries.Advance(t.Context(), steps)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for j, g := range grants {
					if g.Lost != 0 || g.Err != nil {
						t.Errorf("%d outcomes lost, %v", g.Lost, g.Err)
					}
					for _, r := range g.Recipients {
						claims[steps[j].Batch.EventID+r.UserID]++
					}
					done[order[j]] = attempts(g.Recipients, schoolbell.DeliverySent)
					busy = busy || !g.Finished
				}
				mu.Unlock()
				busy = busy || len(order) < len(batches)
			}
		})
	}
	wg.Wait()
	wantOnce(t, claims, 160)
	for _, id := range ids {
		same(t, "rows", a.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 40})
		a.wantCounted(id, "the work")
	}
}
