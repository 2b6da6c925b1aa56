package storetest

import (
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var restoredRetractions = []promise{
	{"HoldRestored holds what tells of a cancellation", restoredRetraction},
	{"a release goes on telling of a cancellation", restoredTelling},
	{"what tells of a cancellation can be ended while it is held", restoredSilent},
}

// retracted returns an event that was sent to n people and cancelled, the wave that tells them, and the event as it was then.
func (s *testStore) retracted(n int) (ledger.WaveRef, *schoolbell.Event) {
	s.t.Helper()
	id, batches := s.sent(n, n)
	s.deliver(s.lease(), batches[0], schoolbell.DeliverySent)
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	w := s.retract(id)
	return w, s.event(id)
}

func restoredRetraction(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	w, before := s.retracted(2)
	told, _ := s.retracted(1)
	batches, _ := s.walkWave(told)
	s.revision = 1
	s.deliver(s.lease(), batches[0], schoolbell.DeliverySent)
	_, err := s.Waves.FinishWave(s.ctx(), told)
	s.must(err)
	same(t, "events held", s.declare(), 1)
	s.statusIs(told.EventID, schoolbell.EventCancelled)
	s.statusIs(w.EventID, schoolbell.EventHeld)
	same(t, "time of the cancellation", s.event(w.EventID).CancelledAt, before.CompletedAt)
	_, err = s.FanOuts.FanOut(s.ctx(), w, 10, 10)
	wantCode(t, err, schoolbell.CodeConflict)
	_, _, err = s.Changes.RetractEvent(s.ctx(), w.EventID)
	wantCode(t, err, schoolbell.CodeConflict)
	same(t, "events held the second time", s.declare(), 0)
}

func restoredTelling(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	one, before := s.retracted(2)
	other, _ := s.retracted(1)
	same(t, "events held", s.declare(), 2)
	ev, err := s.Events.ReleaseEvent(s.ctx(), one.EventID)
	s.must(err)
	same(t, "status", ev.Status, schoolbell.EventCancelled)
	same(t, "time of the cancellation", ev.CompletedAt, before.CompletedAt)
	s.must(s.Events.ReleaseEvents(s.ctx(), 1))
	s.statusIs(other.EventID, schoolbell.EventCancelled)
	batches, people := s.walkWave(one)
	same(t, "people told", people, 2)
	s.revision = 1
	s.claimedAs(batches[0], true)
}

func restoredSilent(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	walked, before := s.retracted(2)
	batches, _ := s.walkWave(walked)
	unwalked, _ := s.retracted(1)
	s.declare()
	for _, w := range []ledger.WaveRef{walked, unwalked} {
		ev, err := s.Events.CancelEvent(s.ctx(), w.EventID)
		s.must(err)
		same(t, "status", ev.Status, schoolbell.EventCancelled)
	}
	same(t, "time of the cancellation", s.event(walked.EventID).CancelledAt, before.CompletedAt)
	p, err := s.Events.Progress(s.ctx(), walked.EventID)
	s.must(err)
	same(t, "emails sent", p.Channels[schoolbell.ChannelEmail].Sent, 2)
	same(t, "emails that do not tell", p.Waves[1].Channels[schoolbell.ChannelEmail].Cancelled, 2)
	s.revision = 1
	if g := s.advance(s.lease(), batches[0], nil, 2); len(g.Recipients) > 0 {
		t.Errorf("claimed %+v", g.Recipients)
	}
	if _, people := s.walkWave(unwalked); people > 0 {
		t.Errorf("%d people are told", people)
	}
	s.wantCounted(walked.EventID, "after the end")
}
