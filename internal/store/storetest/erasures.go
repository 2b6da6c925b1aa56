package storetest

import (
	"slices"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

func removedRetry(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(5)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 10, 10)
	s.deliver(s.lease(), batches[0], schoolbell.DeliveryFailed)
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	s.removeAll(ledger.KeptDeliveries, later(), 2)
	_, err = s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	wantCode(t, err, schoolbell.CodeConflict)
	_, err = s.Waves.AddWave(s.ctx(), id, toEmail())
	wantCode(t, err, schoolbell.CodeConflict)
	_, err = s.tryAdvance(s.ctx(), s.lease(), batches[0], nil, 5)
	wantCode(t, err, schoolbell.CodeNotFound)
	same(t, "failed emails in progress", s.progressOf(id).Channels[schoolbell.ChannelEmail].Failed, 5)
}

func turns(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	take := func(s *testStore, holder string, length time.Duration) bool {
		t.Helper()
		taken, err := s.Retention.TakeTurn(s.ctx(), holder, length)
		s.must(err)
		return taken
	}
	same(t, "the first one gets it", take(a, "a", time.Hour), true)
	same(t, "another does not", take(b, "b", time.Hour), false)
	same(t, "the first one keeps it", take(a, "a", time.Hour), true)
	b.must(b.Retention.EndTurn(b.ctx(), "b", 0))
	same(t, "another cannot end it", take(b, "b", time.Hour), false)
	a.must(a.Retention.EndTurn(a.ctx(), "a", time.Hour))
	same(t, "none is due after it, for another", take(b, "b", time.Hour), false)
	same(t, "none is due after it, for the same", take(a, "a", time.Hour), false)

	other := newTestStore(t, open())
	same(t, "the turn is one of the ledger", take(other, "c", time.Hour), false)
}

func scrubErased(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3)
	var ids []string
	for range 3 {
		id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
		batches, _ := s.walk(id, 10, 10)
		l := s.lease()
		rows := s.advance(l, batches[0], nil, 10).Recipients
		done := attempts(rows, schoolbell.DeliveryFailed)
		for i := range done {
			done[i].Reason, done[i].ProviderID = "550 no such person", "queued as 4711"
		}
		s.advance(l, batches[0], done, 0)
		ids = append(ids, id)
	}
	s.must(s.People.DeleteUser(s.ctx(), userID(1)))
	_, done, err := s.Retention.ScrubErased(s.ctx(), time.Now().Add(-time.Hour), 2)
	s.must(err)
	same(t, "nobody was erased long ago", done, true)
	scrubbed := 0
	for n := 0; ; n++ {
		rows, done, err := s.Retention.ScrubErased(s.ctx(), later(), 2)
		s.must(err)
		if scrubbed += rows; done {
			break
		}
		if n > 10 {
			t.Fatal("it does not come to an end")
		}
	}
	same(t, "rows scrubbed", scrubbed, 3)
	for _, id := range ids {
		for _, d := range s.rows(id, schoolbell.DeliveryFilter{}) {
			said := d.Reason != "" || d.ProviderID != ""
			if erased := !slices.Contains([]string{userID(0), userID(2)}, d.UserID); said == erased {
				t.Errorf("delivery to %s: %+v", d.UserID, d)
			}
		}
	}
}
