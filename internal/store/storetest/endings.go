package storetest

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var endings = []promise{
	{"FinishWave completes an event when every row is final", finish},
	{"FinishWave leaves an event open before that", finishEarly},
	{"FinishWave of a cancelled event ends dead workers' rows", finishCancelled},
	{"EndAbandoned ends what dead workers hold of cancelled events", endAbandoned},
	{"CancelEvent is final, repeatable and refused when completed", cancel},
	{"CancelEvent before the walk means that nobody is reached", cancelQueued},
	{"RetryFailed reopens failed rows and only their batches", retry},
	{"RetryFailed refuses cancelled and unfinished events", retryRefused},
	{"RetryFailed without failed rows changes nothing", retryNone},
}

func finish(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(3, 10)
	s.deliver(s.lease(), batches[0], schoolbell.DeliverySent)
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	want := ledger.Summary{EventID: id, Status: schoolbell.EventCompleted, Finished: true, Progress: schoolbell.Progress{Percent: 100, Total: 3, Done: 3,
		Channels: map[schoolbell.Channel]schoolbell.ChannelProgress{schoolbell.ChannelEmail: {Total: 3, Sent: 3}}}}
	same(t, "summary", sum, want)
	ev, err := s.Events.Event(s.ctx(), id)
	s.must(err)
	if ev.Status != schoolbell.EventCompleted || time.Since(ev.CompletedAt) > time.Minute {
		t.Errorf("event %+v", ev)
	}
	at := ev.CompletedAt
	sum, err = s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "summary, finished again", sum, want)
	ev, err = s.Events.Event(s.ctx(), id)
	s.must(err)
	same(t, "time of completion", ev.CompletedAt, at)
}

func finishEarly(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(4)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	open1 := func(when string, percent int) {
		t.Helper()
		sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
		s.must(err)
		if sum.Status == schoolbell.EventCompleted || sum.Progress.Percent != percent {
			t.Errorf("%s: %+v, want open at %d %%", when, sum, percent)
		}
	}
	open1("before the walk", 0)
	l := s.lease()
	step, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 2, 10)
	s.must(err)
	s.deliver(l, step.Batches[0], schoolbell.DeliverySent)
	open1("in the middle of the walk", 99)
	batches, _ := s.walk(id, 2, 10)
	open1("with rows pending", 50)
	s.advance(l, batches[0], nil, 1)
	open1("with a claimed row", 50)
	s.must(s.Leases.CloseLease(s.ctx(), l))
	s.deliver(s.lease(), batches[0], schoolbell.DeliveryFailed)
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "status in the end", sum.Status, schoolbell.EventCompleted)
}

func finishCancelled(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(4, 10)
	dead, live := s.lease(), s.lease()
	s.advance(dead, batches[0], nil, 2)
	rs := s.advance(live, batches[0], nil, 1).Recipients
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	s.kill(dead)
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "summary", sum, ledger.Summary{EventID: id, Status: schoolbell.EventCancelled, Finished: true, Progress: schoolbell.Progress{Percent: 75, Total: 4, Done: 3,
		Channels: map[schoolbell.Channel]schoolbell.ChannelProgress{schoolbell.ChannelEmail: {Total: 4, Pending: 1, Cancelled: 1, Uncertain: 2}}}})
	s.advance(live, batches[0], attempts(rs, schoolbell.DeliverySent), 0)
	sum, err = s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "percent in the end", sum.Progress.Percent, 100)
}

func endAbandoned(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(4, 10)
	dead, live := s.lease(), s.lease()
	s.advance(dead, batches[0], nil, 2)
	rs := s.advance(live, batches[0], nil, 1).Recipients
	other, theirs := s.second(t)
	s.advance(dead, theirs[0], nil, 1)
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	s.wantEnded(0, "while the workers live")
	s.kill(dead)
	s.wantEnded(1, "when one is dead")
	same(t, "rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{
		schoolbell.DeliveryUncertain: 2, schoolbell.DeliverySending: 1, schoolbell.DeliveryCancelled: 1})
	same(t, "cancelled rows of the open event", s.tally(other, schoolbell.ChannelEmail)[schoolbell.DeliveryCancelled], 0)
	s.wantEnded(0, "a second time")
	s.wantCounted(id, "the end of a dead worker")
	s.advance(live, batches[0], attempts(rs, schoolbell.DeliverySent), 0)
	same(t, "rows in the end", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{
		schoolbell.DeliveryUncertain: 2, schoolbell.DeliverySent: 1, schoolbell.DeliveryCancelled: 1})
}

func (s *testStore) wantEnded(events int, when string) {
	s.t.Helper()
	n, err := s.Deliveries.EndAbandoned(s.ctx())
	s.must(err)
	same(s.t, "events ended "+when, n, events)
}

func cancel(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(2, 10)
	first, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	again, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	same(t, "event cancelled again", again, first)
	if g := s.advance(s.lease(), batches[0], nil, 10); len(g.Recipients) != 0 || !g.Finished {
		t.Errorf("grant %+v of a cancelled event", g)
	}
	id, batches = s.second(t)
	s.deliver(s.lease(), batches[0], schoolbell.DeliverySent)
	_, err = s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	_, err = s.Events.CancelEvent(s.ctx(), id)
	wantCode(t, err, schoolbell.CodeConflict)
}

func cancelQueued(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3)
	id := s.create(newEvent(toStudents()))
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	if _, n := s.walk(id, 10, 10); n != 0 {
		t.Errorf("%d people reached", n)
	}
	p, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	same(t, "percent", p.Percent, 100)
}

func retry(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(6, 2)
	l := s.lease()
	s.deliver(l, batches[0], schoolbell.DeliverySent)
	s.deliver(l, batches[2], schoolbell.DeliveryFailed)
	rs := s.advance(l, batches[1], nil, 2).Recipients
	done := attempts(rs, schoolbell.DeliverySent)
	done[1].Status, done[1].Spent, done[1].Reason, done[1].ProviderID = schoolbell.DeliveryFailed, 4, "550", "p"
	s.advance(l, batches[1], done, 1)
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "status before", sum.Status, schoolbell.EventCompleted)

	n, err := s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	s.must(err)
	same(t, "rows to try again", n, 3)
	ev, err := s.Events.Event(s.ctx(), id)
	s.must(err)
	if ev.Status != schoolbell.EventProcessing || !ev.CompletedAt.IsZero() {
		t.Errorf("event %+v, want it open again", ev)
	}
	left, err := s.FanOuts.OpenBatches(s.ctx(), zeroth(id), nil, 10)
	s.must(err)
	same(t, "open batches", left, batches[1:])
	g := s.advance(l, batches[1], nil, 10)
	if len(g.Recipients) != 1 || g.Recipients[0].UserID != rs[1].UserID || g.Recipients[0].Attempts != 0 || g.Recipients[0].Uncertain {
		t.Fatalf("claimed %+v, want the failed row alone with no spent try", g.Recipients)
	}
	s.advance(l, batches[1], attempts(g.Recipients, schoolbell.DeliverySent), 0)
	s.deliver(l, batches[2], schoolbell.DeliverySent)
	sum, err = s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "status after", sum.Status, schoolbell.EventCompleted)
	same(t, "rows after", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 6})
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{}) {
		if d.Reason != "" || d.Attempts != 1 {
			t.Errorf("row %+v still tells of the failure", d)
		}
	}
}

func retryRefused(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(4)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	step, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 2, 2)
	s.must(err)
	s.deliver(s.lease(), step.Batches[0], schoolbell.DeliveryFailed)
	_, err = s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	wantCode(t, err, schoolbell.CodeConflict)
	_, err = s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	_, err = s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	wantCode(t, err, schoolbell.CodeConflict)
	same(t, "rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliveryFailed: 2})
}

func retryNone(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(2, 10)
	s.deliver(s.lease(), batches[0], schoolbell.DeliverySent)
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	n, err := s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	s.must(err)
	same(t, "rows to try again", n, 0)
	ev, err := s.Events.Event(s.ctx(), id)
	s.must(err)
	same(t, "status", ev.Status, schoolbell.EventCompleted)
}
