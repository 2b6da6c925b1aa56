package storetest

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var changes = []promise{
	{"ChangeEvent stores every field and raises the revision", changeStored},
	{"ChangeEvent refuses unknown names and events that were begun", changeRefused},
	{"Nothing is claimed for another revision than the present", changeClaims},
	{"UpdateEvent tells those whom an earlier revision has reached", updateTells},
	{"UpdateEvent waits until nobody sends the text before", updateWaits},
	{"UpdateEvent refuses what cannot be told", updateRefused},
	{"RetractEvent tells those whom the event has reached", retractTells},
	{"RetractEvent changes nothing a second time", retractTwice},
	{"A worker's end does not end what tells of a cancellation", retractAbandoned},
}

// retitle is a change of the title, as a caller makes it.
func retitle(title string) func(*schoolbell.Event) (*schoolbell.Event, error) {
	return func(ev *schoolbell.Event) (*schoolbell.Event, error) {
		return schoolbell.EventChange{Title: &title}.Apply(ev), nil
	}
}

// update updates an event and returns its wave.
func (s *testStore) update(id, title string) ledger.WaveRef {
	s.t.Helper()
	_, w, err := s.Changes.UpdateEvent(s.ctx(), id, retitle(title))
	s.must(err)
	return ledger.WaveRef{EventID: id, Wave: w.Number}
}

// retract retracts an event and returns its wave.
func (s *testStore) retract(id string) ledger.WaveRef {
	s.t.Helper()
	_, w, err := s.Changes.RetractEvent(s.ctx(), id)
	s.must(err)
	return ledger.WaveRef{EventID: id, Wave: w.Number}
}

// told returns who has a delivery in a wave.
func (s *testStore) told(w ledger.WaveRef) (users []string) {
	s.t.Helper()
	for _, d := range s.rows(w.EventID, schoolbell.DeliveryFilter{}) {
		if d.Wave == w.Wave {
			users = append(users, d.UserID)
		}
	}
	return users
}

func changeStored(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	at := schoolbell.Time(time.Now().Add(time.Hour))
	want := *s.event(id)
	want.Title, want.Body, want.Location, want.Data = "New", "Other", "Hall", []byte(`{"a":1}`)
	want.Texts = map[string]schoolbell.EventText{"es": {Title: "Nuevo", Body: "Otro"}}
	want.StartsAt, want.EndsAt, want.ExpiresAt, want.SendAt = at.Add(time.Hour), at.Add(2*time.Hour), at.Add(3*time.Hour), at
	want.Audience, want.Channels = schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID(1)}}}, []schoolbell.Channel{schoolbell.ChannelSMS}
	want.Status, want.Revision = schoolbell.EventScheduled, 1
	got, err := s.Changes.ChangeEvent(s.ctx(), id, nil, func(*schoolbell.Event) (*schoolbell.Event, error) { return &want, nil })
	s.must(err)
	same(t, "changed event", got, &want)
	same(t, "stored event", s.event(id), &want)
	if queued, err := s.Waves.UnqueuedWaves(s.ctx(), 2*time.Hour, 10); err != nil || len(queued) != 1 || queued[0].StartIn < 50*time.Minute {
		t.Errorf("the outbox has %+v, %v; want the event, in an hour", queued, err)
	}
}

func changeRefused(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	change := func(id string, apply func(*schoolbell.Event) (*schoolbell.Event, error)) error {
		_, err := s.Changes.ChangeEvent(s.ctx(), id, nil, apply)
		return err
	}
	wantCode(t, change("unknown", retitle("x")), schoolbell.CodeNotFound)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	wantFields(t, change(id, func(ev *schoolbell.Event) (*schoolbell.Event, error) {
		ev.Audience.Users, ev.Channels = []string{"nobody"}, []schoolbell.Channel{"fax"}
		return ev, nil
	}), "audience.users[0]", "channels[0]")
	refused := schoolbell.Invalid("title", "is too long")
	if err := change(id, func(*schoolbell.Event) (*schoolbell.Event, error) { return nil, refused }); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
		t.Errorf("the error of the caller became %v", err)
	}
	same(t, "event after refusals", s.event(id).Revision, 0)
	sent, _ := s.sent(2, 10)
	wantCode(t, change(sent, retitle("x")), schoolbell.CodeConflict)
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	wantCode(t, change(id, retitle("x")), schoolbell.CodeConflict)
}

func changeClaims(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(3, 10)
	l := s.lease()
	g := s.advance(l, batches[0], nil, 1)
	s.update(id, "New")
	g = s.advance(l, batches[0], attempts(g.Recipients, schoolbell.DeliverySent), 2)
	if !g.Changed || len(g.Recipients) != 0 || g.Lost != 0 || g.Pending != 2 {
		t.Errorf("a worker that knows an earlier revision got %+v, want nothing but what is left", g)
	}
	s.revision = 1
	if g = s.advance(l, batches[0], nil, 2); g.Changed || len(g.Recipients) != 2 {
		t.Errorf("a worker that knows the revision got %+v, want two rows", g)
	}
	named := s.create(newEvent(schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID(0)}}}, schoolbell.ChannelEmail))
	_, err := s.Changes.ChangeEvent(s.ctx(), named, nil, retitle("New"))
	s.must(err)
	step, err := s.FanOuts.FanOutSmall(s.ctx(), zeroth(named), 10, 10, ledger.SmallClaim{Lease: l, Channels: []schoolbell.Channel{schoolbell.ChannelEmail}, Most: 10})
	s.must(err)
	for _, g := range step.Grants {
		if len(g.Recipients) > 0 {
			t.Errorf("a walk that knows an earlier revision claimed %+v", g)
		}
	}
	same(t, "people walked", step.Users, 1)
}

func updateTells(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(5, 10)
	l := s.lease()
	g := s.advance(l, batches[0], nil, 3)
	done := attempts(g.Recipients, schoolbell.DeliverySent)
	done[1].Status = schoolbell.DeliveryFailed
	s.advance(l, batches[0], done, 0)
	first := s.update(id, "New")
	same(t, "wave of a second change", s.update(id, "Newer"), first)
	s.revision = 2
	s.deliver(l, batches[0], schoolbell.DeliverySent)
	again, people := s.walkWave(first)
	same(t, "people told", people, 2)
	same(t, "people with a delivery of the wave", s.told(first), []string{g.Recipients[0].UserID, g.Recipients[2].UserID})
	if grant := s.advance(l, again[0], nil, 5); grant.Notice != schoolbell.NoticeChanged || len(grant.Recipients) != 2 {
		t.Errorf("a claim of the wave got %+v, want two rows that tell of a change", grant)
	} else {
		s.advance(l, again[0], attempts(grant.Recipients, schoolbell.DeliverySent), 1)
	}
	if sum, err := s.Waves.FinishWave(s.ctx(), first); err != nil || !sum.Finished {
		t.Errorf("the wave is %+v, %v; want finished", sum, err)
	}
	third := s.update(id, "Newest")
	if _, people := s.walkWave(third); people != 4 {
		t.Errorf("a later change tells %d people, want the 4 whom an earlier text has reached", people)
	}
}

func updateWaits(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(2, 10)
	l := s.lease()
	g := s.advance(l, batches[0], nil, 1)
	w := s.update(id, "New")
	_, err := s.FanOuts.FanOut(s.ctx(), w, 10, 10)
	wantCode(t, err, schoolbell.CodeConflict)
	s.advance(l, batches[0], attempts(g.Recipients, schoolbell.DeliverySent), 0)
	s.revision = 1
	s.deliver(l, batches[0], schoolbell.DeliverySent)
	s.walkWave(w)
	same(t, "people told", s.told(w), []string{g.Recipients[0].UserID})
}

func updateRefused(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	update := func(id string) error {
		_, _, err := s.Changes.UpdateEvent(s.ctx(), id, retitle("x"))
		return err
	}
	wantCode(t, update("unknown"), schoolbell.CodeNotFound)
	wantCode(t, update(s.create(newEvent(toStudents(), schoolbell.ChannelEmail))), schoolbell.CodeConflict)
	id, _ := s.sent(1, 10)
	for range schoolbell.MaxWaves - 1 {
		s.walkWave(s.update(id, "New"))
	}
	wantCode(t, update(id), schoolbell.CodeConflict)
	same(t, "revision after a refusal", s.event(id).Revision, schoolbell.MaxWaves-1)
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	wantCode(t, update(id), schoolbell.CodeConflict)
	inApp := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	s.walk(inApp, 10, 10)
	same(t, "wave of an event in the inbox only", s.update(inApp, "New"), zeroth(inApp))
}

func retractTells(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(4, 10)
	l := s.lease()
	g := s.advance(l, batches[0], nil, 2)
	s.advance(l, batches[0], attempts(g.Recipients, schoolbell.DeliverySent), 0)
	w := s.retract(id)
	same(t, "status", s.event(id).Status, schoolbell.EventCancelled)
	same(t, "revision", s.event(id).Revision, 1)
	same(t, "deliveries of the event itself", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 2, schoolbell.DeliveryCancelled: 2})
	again, people := s.walkWave(w)
	same(t, "people told", people, 2)
	_, err := s.Deliveries.EndAbandoned(s.ctx())
	s.must(err)
	s.revision = 1
	grant := s.advance(l, again[0], nil, 1)
	same(t, "notice", grant.Notice, schoolbell.NoticeCancelled)
	s.advance(l, again[0], attempts(grant.Recipients, schoolbell.DeliverySent), 0)
	if sum, err := s.Waves.FinishWave(s.ctx(), w); err != nil || sum.Finished {
		t.Errorf("with a delivery to come the wave is %+v, %v", sum, err)
	}
	s.deliver(l, again[0], schoolbell.DeliverySent)
	if sum, err := s.Waves.FinishWave(s.ctx(), w); err != nil || !sum.Finished || sum.Status != schoolbell.EventCancelled {
		t.Errorf("the wave is %+v, %v; want finished, and the event cancelled", sum, err)
	}
	s.wantCounted(id, "after the retraction")
}

func retractTwice(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(1, 10)
	s.deliver(s.lease(), batches[0], schoolbell.DeliverySent)
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "status", sum.Status, schoolbell.EventCompleted)
	w := s.retract(id)
	same(t, "second wave", s.retract(id), w)
	same(t, "revision", s.event(id).Revision, 1)
	_, err = s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	if _, people := s.walkWave(w); people != 1 {
		t.Errorf("%d people are told, want 1", people)
	}
	unsent := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	same(t, "wave of an event that was not sent", s.retract(unsent), zeroth(unsent))
	_, _, err = s.Changes.RetractEvent(s.ctx(), "unknown")
	wantCode(t, err, schoolbell.CodeNotFound)
}

func retractAbandoned(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(1, 10)
	l := s.lease()
	s.deliver(l, batches[0], schoolbell.DeliverySent)
	w := s.retract(id)
	again, _ := s.walkWave(w)
	s.revision = 1
	s.advance(l, again[0], nil, 1)
	s.kill(l)
	if n, err := s.Deliveries.EndAbandoned(s.ctx()); err != nil || n != 0 {
		t.Errorf("EndAbandoned ended %d events, %v; want none", n, err)
	}
	g := s.advance(s.lease(), again[0], nil, 1)
	if len(g.Recipients) != 1 || !g.Recipients[0].Uncertain {
		t.Errorf("another worker got %+v, want the delivery as uncertain", g)
	}
}
