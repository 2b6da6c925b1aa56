package storetest

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var restored = []promise{
	{"HoldRestored finds nothing to do in a new ledger", restoredNew},
	{"HoldRestored holds what was due and leaves the rest", restoredHolds},
	{"HoldRestored leaves events that were due more recently", restoredAge},
	{"HoldRestored ends leases and skips inbox positions", restoredEnds},
	{"nothing of a held event is walked, claimed or retried", restoredQuiet},
	{"ReleaseEvent continues from where the event was", restoredReleased},
	{"rows of waves that were due are claimed as restored", restoredClaims},
	{"a small event that was due is claimed as restored", restoredSmall},
	{"ReleaseEvents releases all if their number is known", restoredAll},
	{"ReleaseEvent queues what is due and leaves later waves", restoredWaves},
	{"a held event can be cancelled", restoredCancelled},
}

// declare says that the ledger was restored, and returns the number of events held.
func (s *testStore) declare() int {
	s.t.Helper()
	r, err := s.Restores.HoldRestored(s.ctx(), true, 0)
	s.must(err)
	if !r.Found {
		s.t.Errorf("HoldRestored: %+v", r)
	}
	return r.Held
}

func (s *testStore) statusIs(id string, want schoolbell.EventStatus) {
	s.t.Helper()
	ev, err := s.Events.Event(s.ctx(), id)
	s.must(err)
	if ev.Status != want || ev.CompletedAt.IsZero() != (want != schoolbell.EventCompleted && want != schoolbell.EventCancelled) {
		s.t.Errorf("the event is %s, completed at %v, want %s", ev.Status, ev.CompletedAt, want)
	}
}

func restoredNew(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, _ := s.sent(1, 1)
	for range 2 {
		r, err := s.Restores.HoldRestored(s.ctx(), false, 0)
		s.must(err)
		same(t, "result", r, ledger.Restored{})
	}
	s.statusIs(id, schoolbell.EventProcessing)
}

func restoredHolds(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	later := newEvent(toStudents(), schoolbell.ChannelEmail)
	later.SendAt, later.Status = time.Now().Add(time.Hour), schoolbell.EventScheduled
	scheduled, queued := s.create(later), s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	processing, cancelled := s.create(newEvent(toStudents(), schoolbell.ChannelEmail)), s.create(newEvent(toStudents()))
	s.walk(processing, 1, 1)
	_, err := s.Events.CancelEvent(s.ctx(), cancelled)
	s.must(err)
	completed := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	reminded, reminder := s.create(newEvent(toStudents(), schoolbell.ChannelInApp)), s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	for _, id := range []string{completed, reminded, reminder} {
		s.walk(id, 1, 1)
		_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
		s.must(err)
		s.statusIs(id, schoolbell.EventCompleted)
	}
	wave := schoolbell.Wave{Channels: []schoolbell.Channel{schoolbell.ChannelEmail}}
	_, err = s.Waves.AddWave(s.ctx(), reminded, wave)
	s.must(err)
	wave.StartsAt = time.Now().Add(time.Hour)
	_, err = s.Waves.AddWave(s.ctx(), reminder, wave)
	s.must(err)

	if held := s.declare(); held != 3 {
		t.Errorf("%d events are held, want 3", held)
	}
	for id, want := range map[string]schoolbell.EventStatus{scheduled: schoolbell.EventScheduled, queued: schoolbell.EventHeld,
		processing: schoolbell.EventHeld, cancelled: schoolbell.EventCancelled, completed: schoolbell.EventCompleted,
		reminded: schoolbell.EventHeld, reminder: schoolbell.EventCompleted} {
		s.statusIs(id, want)
	}
	if held := s.declare(); held != 0 {
		t.Errorf("%d events are held the second time", held)
	}
}

func restoredAge(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	old := newEvent(toStudents())
	old.CreatedAt = schoolbell.Time(time.Now().Add(-2 * time.Hour))
	before, after := s.create(old), s.create(newEvent(toStudents()))
	r, err := s.Restores.HoldRestored(s.ctx(), true, time.Hour)
	s.must(err)
	same(t, "result", r, ledger.Restored{Found: true, Held: 1})
	s.statusIs(before, schoolbell.EventHeld)
	s.statusIs(after, schoolbell.EventQueued)
	batches, _ := s.walk(after, 1, 1)
	s.claimedAs(batches[0], false)
}

func restoredEnds(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(2, 2)
	l := s.lease()
	s.advance(l, batches[0], nil, 1)
	inbox := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	s.walk(inbox, 2, 2)
	before, _, err := s.Inboxes.InboxTail(s.ctx())
	s.must(err)
	secret, err := s.Auth.Secret(s.ctx(), "tokens", []byte("one"))
	s.must(err)
	if string(secret) != "one" {
		t.Fatalf("secret %q", secret)
	}

	s.declare()
	if err := s.Leases.RenewLease(s.ctx(), l, time.Hour); schoolbell.CodeOf(err) != schoolbell.CodeConflict {
		t.Errorf("the lease was renewed: %v", err)
	}
	secret, err = s.Auth.Secret(s.ctx(), "tokens", []byte("two"))
	s.must(err)
	if string(secret) != "two" {
		t.Errorf("the secret of tokens is still %q", secret)
	}
	s.walk(s.create(newEvent(toStudents(), schoolbell.ChannelInApp)), 2, 2)
	after, _, err := s.Inboxes.InboxTail(s.ctx())
	s.must(err)
	if after-before <= ledger.SkippedPositions {
		t.Errorf("positions went from %d to %d", before, after)
	}
	_, err = s.Events.ReleaseEvent(s.ctx(), id)
	s.must(err)
	g := s.advance(s.lease(), batches[0], nil, 2)
	if len(g.Recipients) != 2 || !g.Recipients[0].Uncertain || !g.Recipients[1].Uncertain {
		t.Errorf("claimed after the release: %+v", g.Recipients)
	}
}

func restoredQuiet(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(3, 3)
	l := s.lease()
	first := s.advance(l, batches[0], nil, 1)
	s.declare()
	refused := func(what string, err error) {
		t.Helper()
		if schoolbell.CodeOf(err) != schoolbell.CodeConflict {
			t.Errorf("%s: %v, want a conflict", what, err)
		}
	}
	unwalked := s.create(newEvent(toStudents()))
	s.declare()
	_, err := s.FanOuts.FanOut(s.ctx(), zeroth(unwalked), 1, 1)
	refused("a walk", err)
	_, err = s.Waves.AddWave(s.ctx(), id, schoolbell.Wave{Channels: []schoolbell.Channel{schoolbell.ChannelEmail}})
	refused("a further wave", err)
	_, err = s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	refused("a retry", err)
	for name, list := range map[string]func() ([]ledger.QueuedWave, error){
		"unqueued": func() ([]ledger.QueuedWave, error) { return s.Waves.UnqueuedWaves(s.ctx(), anyTime, 10) },
		"open":     func() ([]ledger.QueuedWave, error) { return s.Waves.OpenWaves(s.ctx(), ledger.WaveRef{}, 10) },
	} {
		waves, err := list()
		s.must(err)
		if len(waves) > 0 {
			t.Errorf("%s waves: %+v", name, waves)
		}
	}
	// What a worker was sending at this moment is recorded, and nothing more is claimed.
	g := s.advance(l, batches[0], attempts(first.Recipients, schoolbell.DeliverySent), 3)
	if len(g.Recipients) > 0 || g.Lost > 0 || g.Finished || g.Pending != 2 {
		t.Errorf("grant of a held event: %+v", g)
	}
	g = s.advance(s.lease(), batches[0], nil, 3)
	if len(g.Recipients) > 0 || g.Finished || g.Pending != 2 || g.LeaseEnded {
		t.Errorf("grant of a held event, under a new lease: %+v", g)
	}
	s.statusIs(id, schoolbell.EventHeld)
}

func restoredReleased(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	walked, batches := s.sent(3, 3)
	unwalked := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	s.declare()
	for id, want := range map[string]schoolbell.EventStatus{walked: schoolbell.EventProcessing, unwalked: schoolbell.EventQueued} {
		ev, err := s.Events.ReleaseEvent(s.ctx(), id)
		s.must(err)
		if ev.Status != want {
			t.Errorf("released as %s, want %s", ev.Status, want)
		}
		s.statusIs(id, want)
		if _, err := s.Events.ReleaseEvent(s.ctx(), id); schoolbell.CodeOf(err) != schoolbell.CodeConflict {
			t.Errorf("a second release: %v, want a conflict", err)
		}
	}
	if _, err := s.Events.ReleaseEvent(s.ctx(), "nothing"); schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
		t.Errorf("a release of an unknown event: %v", err)
	}
	s.deliver(s.lease(), batches[0], schoolbell.DeliverySent)
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(walked))
	s.must(err)
	s.statusIs(walked, schoolbell.EventCompleted)
	if _, people := s.walk(unwalked, 10, 10); people != 3 {
		t.Errorf("%d people walked after the release, want 3", people)
	}
}

// claimedAs expects that everybody in the batch can be claimed, as restored or not.
func (s *testStore) claimedAs(b ledger.Batch, restored bool) {
	s.t.Helper()
	g := s.advance(s.lease(), b, nil, b.Size)
	if len(g.Recipients) != b.Size {
		s.t.Errorf("%d of %d rows claimed", len(g.Recipients), b.Size)
	}
	for _, r := range g.Recipients {
		if r.Restored != restored || r.Uncertain != restored {
			s.t.Errorf("claimed %+v, want it restored and uncertain: %v", r, restored)
		}
	}
}

func restoredClaims(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	walked, batches := s.sent(2, 2)
	unwalked := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	reminded := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	s.walk(reminded, 10, 10)
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(reminded))
	s.must(err)
	due := s.wave(reminded, toEmail())
	s.declare()
	for _, id := range []string{walked, unwalked, reminded} {
		_, err := s.Events.ReleaseEvent(s.ctx(), id)
		s.must(err)
	}
	made, _ := s.walk(unwalked, 10, 10)
	ofDue, _ := s.walkWave(due)
	for _, b := range []ledger.Batch{batches[0], made[0], ofDue[0]} {
		s.claimedAs(b, true)
	}
	// What did not exist cannot have been sent.
	ofLater, _ := s.walkWave(s.wave(reminded, toEmail()))
	s.claimedAs(ofLater[0], false)
	_, batches = s.sent(1, 1)
	s.claimedAs(batches[0], false)
}

func restoredSmall(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(1)
	id := s.named(ids[0])
	s.declare()
	_, err := s.Events.ReleaseEvent(s.ctx(), id)
	s.must(err)
	for id, want := range map[string]bool{id: true, s.named(ids[0]): false} {
		step := s.fanOutSmall(id, ledger.SmallClaim{Lease: s.lease(), Channels: byEmail, Most: 1})
		if r := step.Grants[0].Recipients; len(r) != 1 || r[0].Restored != want || r[0].Uncertain != want {
			t.Errorf("claimed %+v, want it restored and uncertain: %v", r, want)
		}
	}
}

func restoredAll(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	walked, _ := s.sent(3, 3)
	unwalked := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	cancelled := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	s.declare()
	_, err := s.Events.CancelEvent(s.ctx(), cancelled)
	s.must(err)
	for _, wrong := range []int{0, 1, 3} {
		if err := s.Events.ReleaseEvents(s.ctx(), wrong); schoolbell.CodeOf(err) != schoolbell.CodeConflict {
			t.Errorf("a release of %d events: %v, want a conflict", wrong, err)
		}
		s.statusIs(walked, schoolbell.EventHeld)
	}
	s.must(s.Events.ReleaseEvents(s.ctx(), 2))
	s.statusIs(walked, schoolbell.EventProcessing)
	s.statusIs(unwalked, schoolbell.EventQueued)
	s.statusIs(cancelled, schoolbell.EventCancelled)
}

func restoredWaves(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	later := toEmail()
	later.StartsAt = schoolbell.Time(time.Now().Add(time.Hour))
	due, future := s.wave(id, toEmail()), s.wave(id, later)
	s.declare()
	refs := func(waves []ledger.QueuedWave, err error) (refs []ledger.WaveRef) {
		t.Helper()
		s.must(err)
		for _, w := range waves {
			refs = append(refs, w.WaveRef)
		}
		return refs
	}
	same(t, "waves without a job while the event is held", refs(s.Waves.UnqueuedWaves(s.ctx(), anyTime, 10)), []ledger.WaveRef(nil))
	_, err := s.Events.ReleaseEvent(s.ctx(), id)
	s.must(err)
	same(t, "waves with a job", refs(s.Waves.OpenWaves(s.ctx(), ledger.WaveRef{}, 10)), []ledger.WaveRef{zeroth(id), due})
	same(t, "waves without a job", refs(s.Waves.UnqueuedWaves(s.ctx(), anyTime, 10)), []ledger.WaveRef{future})
	s.declare()
	s.must(s.Events.ReleaseEvents(s.ctx(), 1))
	same(t, "waves without a job after the release of all", refs(s.Waves.UnqueuedWaves(s.ctx(), anyTime, 10)), []ledger.WaveRef{future})
}

func restoredCancelled(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, _ := s.sent(3, 3)
	s.declare()
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	s.statusIs(id, schoolbell.EventCancelled)
	p, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	if p.Channels[schoolbell.ChannelEmail].Cancelled != 3 {
		t.Errorf("progress %+v", p)
	}
}
