package storetest

import (
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var leases = []promise{
	{"An expired lease claims nothing; its outcomes are recorded", leaseEnded},
	{"A row of a dead lease is uncertain; a late outcome is lost", leaseTakenOver},
	{"A renewed lease keeps its rows", leaseRenewed},
	{"CloseLease gives rows back at no cost and without doubt", leaseClosed},
	{"CloseLease releases rows of a cancelled event as cancelled", leaseClosedCancelled},
	{"Leases of two processes on one database are different", leaseIDs},
}

var crowds = []promise{
	{"Concurrent claims never overlap and cover every row", claimsDisjoint},
	{"Calls that fail leave alone what succeeds beside them", failuresApart},
	{"Concurrent claims of a dead worker's rows never overlap", takeOversDisjoint},
	{"Workers that have only just come claim nobody else's rows", newcomersDisjoint},
}

func leaseEnded(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(4, 10)
	l := s.lease()
	rs := s.advance(l, batches[0], nil, 2).Recipients
	s.kill(l)
	g := s.advance(l, batches[0], attempts(rs[:1], schoolbell.DeliverySent), 2)
	if !g.LeaseEnded || g.Lost != 0 || len(g.Recipients) != 0 || g.Pending != 2 || g.Sending != 1 {
		t.Errorf("grant %+v, want one row recorded and none claimed", g)
	}
	wantCode(t, s.Leases.RenewLease(s.ctx(), l, time.Hour), schoolbell.CodeConflict)
	wantCode(t, s.Leases.RenewLease(s.ctx(), l, time.Hour), schoolbell.CodeConflict)
	s.must(s.Leases.CloseLease(s.ctx(), l))
	same(t, "rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 1, schoolbell.DeliverySending: 1, schoolbell.DeliveryPending: 2})
	wantCode(t, s.Leases.RenewLease(s.ctx(), ledger.Lease{ID: l.ID + 1000}, time.Hour), schoolbell.CodeConflict)
}

func leaseTakenOver(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	id, batches := a.sent(4, 10)
	dead, live := a.lease(), b.lease()
	lost := a.advance(dead, batches[0], nil, 2).Recipients
	a.kill(dead)
	got := b.advance(live, batches[0], nil, 10).Recipients
	if len(got) != 4 {
		t.Fatalf("%d rows taken over, want 4", len(got))
	}
	for i, r := range got {
		if want := i < 2; r.Uncertain != want || r.Attempts != 0 {
			t.Errorf("row %d: %+v, want uncertain %v and no spent try", i, r, want)
		}
	}
	g := a.advance(dead, batches[0], attempts(lost, schoolbell.DeliveryFailed), 0)
	if !g.LeaseEnded || g.Lost != 2 {
		t.Errorf("grant %+v, want both outcomes lost with the lease", g)
	}
	g = a.advance(a.lease(), batches[0], attempts(lost, schoolbell.DeliveryFailed), 0)
	same(t, "late outcomes lost", g.Lost, 2)
	g = b.advance(live, batches[0], attempts(got, schoolbell.DeliverySent), 10)
	same(t, "grant", g, ledger.Grant{Finished: true, Counts: schoolbell.ChannelProgress{Total: 4, Sent: 2, Uncertain: 2}})
	same(t, "first row", a.status(id, schoolbell.ChannelEmail)[userID(0)], schoolbell.DeliveryUncertain)
}

func leaseRenewed(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, batches := s.sent(2, 10)
	l, err := s.Leases.OpenLease(s.ctx(), "worker", time.Minute)
	s.must(err)
	rs := s.advance(l, batches[0], nil, 2).Recipients
	s.must(s.Leases.RenewLease(s.ctx(), l, time.Hour))
	g := s.advance(s.lease(), batches[0], nil, 2)
	if len(g.Recipients) != 0 || g.NextIn <= 59*time.Minute {
		t.Errorf("grant %+v, want claimed rows for about an hour", g)
	}
	if g := s.advance(l, batches[0], attempts(rs, schoolbell.DeliverySent), 0); g.Lost != 0 || !g.Finished {
		t.Errorf("grant %+v, want both recorded", g)
	}
}

func leaseClosed(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	id, batches := a.sent(9, 3)
	l, other := a.lease(), a.lease()
	for _, batch := range batches {
		rs := a.advance(l, batch, nil, 2).Recipients
		done := attempts(rs[:1], schoolbell.DeliveryPending)
		done[0].Spent = 3
		a.advance(l, batch, done, 0)
		a.advance(l, batch, nil, 1)
		a.advance(other, batch, nil, 1)
	}
	b.must(b.Leases.CloseLease(b.ctx(), l))
	same(t, "rows", a.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySending: 3, schoolbell.DeliveryPending: 6})
	for _, batch := range batches {
		rs := a.advance(a.lease(), batch, nil, 10).Recipients
		if len(rs) != 2 || rs[0].Attempts != 3 || rs[0].Uncertain || rs[1].Attempts != 0 || rs[1].Uncertain {
			t.Errorf("claimed after the close %+v, want both rows as they were before", rs)
		}
	}
	b.must(b.Leases.CloseLease(b.ctx(), l))
	wantCode(t, b.Leases.RenewLease(b.ctx(), l, time.Hour), schoolbell.CodeConflict)
}

func leaseClosedCancelled(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(3, 10)
	l := s.lease()
	s.advance(l, batches[0], nil, 2)
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	s.must(s.Leases.CloseLease(s.ctx(), l))
	same(t, "rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliveryCancelled: 3})
}

func leaseIDs(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	seen := map[int64]bool{}
	for range 5 {
		for _, s := range []*testStore{a, b} {
			l := s.lease()
			if seen[l.ID] {
				t.Fatalf("lease %d was given before", l.ID)
			}
			seen[l.ID] = true
			s.must(s.Leases.CloseLease(s.ctx(), l))
		}
	}
}

// drain has workers claim all batches to the end; each notes whom it claimed and
// records them as sent.
func drain(t *testing.T, schools []*testStore, workers, claim int, batches []ledger.Batch) (claims map[string]int) {
	t.Helper()
	claims = map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range workers {
		s := schools[i%len(schools)]
		l := s.lease()
		wg.Go(func() {
			for j := range batches {
				batch := batches[(i+j)%len(batches)]
				var done []ledger.Attempt
				for {
					g, err := s.tryAdvance(t.Context(), l, batch, done, claim)
					if err != nil {
						t.Error(err)
						return
					}
					if g.Lost != 0 {
						t.Errorf("%d outcomes lost", g.Lost)
					}
					mu.Lock()
					for _, r := range g.Recipients {
						claims[r.UserID]++
					}
					mu.Unlock()
					if len(g.Recipients) == 0 {
						break
					}
					done = attempts(g.Recipients, schoolbell.DeliverySent)
				}
			}
		})
	}
	wg.Wait()
	return claims
}

func wantOnce(t *testing.T, claims map[string]int, n int) {
	t.Helper()
	if len(claims) != n {
		t.Errorf("%d people were claimed, want %d", len(claims), n)
	}
	for user, times := range claims {
		if times != 1 {
			t.Errorf("%s was claimed %d times", user, times)
		}
	}
}

func claimsDisjoint(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	id, batches := a.sent(400, 100)
	wantOnce(t, drain(t, []*testStore{a, b}, 8, 7, batches), 400)
	same(t, "rows", a.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 400})
	left, err := a.FanOuts.OpenBatches(a.ctx(), zeroth(id), nil, 10)
	a.must(err)
	for _, batch := range left { // a worker may have looked while others still held rows
		if g := a.advance(a.lease(), batch, nil, 1); !g.Finished {
			t.Errorf("batch %d: %+v", batch.Seq, g)
		}
	}
	sum, err := a.Waves.FinishWave(a.ctx(), zeroth(id))
	a.must(err)
	same(t, "status", sum.Status, schoolbell.EventCompleted)
}

func failuresApart(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(200, 50)
	dead := s.lease()
	s.kill(dead)
	stop := make(chan struct{})
	var failing sync.WaitGroup
	for range 4 {
		failing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				g, err := s.tryAdvance(t.Context(), dead, batches[0], nil, 5)
				if err != nil || !g.LeaseEnded || len(g.Recipients) != 0 {
					t.Errorf("under a dead lease: %+v, %v", g, err)
				}
				_, err = s.tryAdvance(t.Context(), dead, ledger.Batch{EventID: id, Channel: schoolbell.ChannelEmail, Seq: 99}, nil, 5)
				wantCode(t, err, schoolbell.CodeNotFound)
			}
		})
	}
	wantOnce(t, drain(t, []*testStore{s}, 4, 7, batches), 200)
	close(stop)
	failing.Wait()
	same(t, "rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 200})
}

func takeOversDisjoint(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	id, batches := a.sent(120, 40)
	for range 3 {
		dead := a.lease()
		for _, batch := range batches {
			a.advance(dead, batch, nil, 10)
		}
		a.kill(dead)
	}
	wantOnce(t, drain(t, []*testStore{a, b}, 8, 7, batches), 120)
	same(t, "rows", a.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 90, schoolbell.DeliveryUncertain: 30})
}

// newcomersDisjoint has every claim made under a lease that was opened after other
// claims had begun: to those such a lease must not look like one that is gone.
func newcomersDisjoint(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, batches := s.sent(600, 600)
	claims := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				l, err := s.Leases.OpenLease(t.Context(), "newcomer", time.Hour)
				if err != nil {
					t.Error(err)
					return
				}
				g, err := s.tryAdvance(t.Context(), l, batches[0], nil, 3)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, r := range g.Recipients {
					claims[r.UserID]++
				}
				mu.Unlock()
				if len(g.Recipients) == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	wantOnce(t, claims, 600)
}
