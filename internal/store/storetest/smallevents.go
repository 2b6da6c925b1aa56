package storetest

import (
	"sync"
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var smallEvents = []promise{
	{"FanOutSmall claims the deliveries of a small event", smallClaimed},
	{"FanOutSmall claims nothing that is not small", smallNotSmall},
	{"FanOutSmall claims nothing under a lease that has ended", smallLeaseEnded},
	{"FinishWave records attempts and finishes the wave", smallFinished},
	{"Small events at the same time do not affect each other", smallTogether},
}

// named creates an event to some people by their ids, in-app and by email.
func (s *testStore) named(ids ...string) string {
	s.t.Helper()
	var ev schoolbell.Event
	ev.Audience.Users = ids
	return s.create(newEvent(ev.Audience))
}

func (s *testStore) fanOutSmall(id string, claim ledger.SmallClaim) ledger.FanOutStep {
	s.t.Helper()
	step, err := s.FanOuts.FanOutSmall(s.ctx(), zeroth(id), 500, 100, claim)
	s.must(err)
	return step
}

var byEmail = []schoolbell.Channel{schoolbell.ChannelEmail}

func smallClaimed(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(4, func(i int, u *schoolbell.User) {
		if i == 1 {
			u.Email = ""
		}
	})
	id := s.named(ids[0], ids[1], ids[3])
	l := s.lease()
	step := s.fanOutSmall(id, ledger.SmallClaim{Lease: l, Channels: byEmail, Most: 3})
	same(t, "users and end", []any{step.Users, step.Done, len(step.Batches), len(step.Grants)}, []any{3, true, 1, 1})
	same(t, "people claimed", len(step.Grants[0].Recipients), 2)
	same(t, "first of them", step.Grants[0].Recipients[0].Addresses, []string{ids[0] + "@example.org"})
	same(t, "rows", s.status(id, schoolbell.ChannelEmail), map[string]schoolbell.DeliveryStatus{
		ids[0]: schoolbell.DeliverySending, ids[1]: schoolbell.DeliverySuppressed, ids[3]: schoolbell.DeliverySending})
	same(t, "inbox", s.inbox(ids[3]), []string{id})
	s.wantCounted(id, "the claim")
	if g := s.advance(s.lease(), step.Batches[0], nil, 5); len(g.Recipients) != 0 || g.Sending != 2 {
		t.Errorf("another lease gets %+v", g)
	}
	again := s.fanOutSmall(id, ledger.SmallClaim{Lease: l, Channels: byEmail, Most: 3})
	same(t, "a second walk", again, ledger.FanOutStep{Done: true})
}

func smallNotSmall(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(3)
	l := s.lease()
	large := s.fanOutSmall(s.named(ids...), ledger.SmallClaim{Lease: l, Channels: byEmail, Most: 2})
	same(t, "grants of a larger event", large.Grants, []ledger.Grant(nil))
	other := s.fanOutSmall(s.named(ids[0]), ledger.SmallClaim{Lease: l, Channels: []schoolbell.Channel{schoolbell.ChannelSMS}, Most: 2})
	same(t, "grants of another channel", other.Grants, []ledger.Grant{{}})
	same(t, "rows that can still be claimed", len(s.advance(l, other.Batches[0], nil, 5).Recipients), 1)
	part, err := s.FanOuts.FanOutSmall(s.ctx(), zeroth(s.named(ids...)), 2, 100, ledger.SmallClaim{Lease: l, Channels: byEmail, Most: 9})
	s.must(err)
	same(t, "grants of a part of an event", part.Grants, []ledger.Grant(nil))
}

func smallLeaseEnded(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(1)
	dead := s.lease()
	s.kill(dead)
	id := s.named(ids[0])
	step := s.fanOutSmall(id, ledger.SmallClaim{Lease: dead, Channels: byEmail, Most: 2})
	if g := step.Grants[0]; !g.LeaseEnded || len(g.Recipients) != 0 {
		t.Errorf("grant %+v", g)
	}
	s.wantCounted(id, "the walk")
	same(t, "rows that can be claimed", len(s.advance(s.lease(), step.Batches[0], nil, 5).Recipients), 1)
}

func smallFinished(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(2)
	l := s.lease()
	for _, c := range []struct {
		status schoolbell.DeliveryStatus
		event  schoolbell.EventStatus
	}{{schoolbell.DeliverySent, schoolbell.EventCompleted}, {schoolbell.DeliveryPending, schoolbell.EventProcessing}} {
		id := s.named(ids...)
		step := s.fanOutSmall(id, ledger.SmallClaim{Lease: l, Channels: byEmail, Most: 2})
		done := attempts(step.Grants[0].Recipients, schoolbell.DeliverySent)
		done[1].Status = c.status
		sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id), ledger.Step{Lease: l, Batch: step.Batches[0], Attempts: done})
		s.must(err)
		finished := c.event == schoolbell.EventCompleted
		same(t, "event", []any{sum.Status, sum.Finished, sum.Grants[0].Finished, sum.Grants[0].Lost}, []any{c.event, finished, finished, 0})
		p, err := s.Events.Progress(s.ctx(), id)
		s.must(err)
		same(t, "progress in the summary", sum.Progress, p)
		s.wantCounted(id, "the end")
	}
	missing := ledger.Batch{EventID: "x", Channel: schoolbell.ChannelEmail, Seq: 1}
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(s.named(ids...)), ledger.Step{Lease: l, Batch: missing})
	s.must(err)
	wantCode(t, sum.Grants[0].Err, schoolbell.CodeNotFound)
}

func smallTogether(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids, l := s.people(3), s.lease()
	claim := ledger.SmallClaim{Lease: l, Channels: byEmail, Most: 3}
	events := make([]string, 30)
	for i := range events {
		events[i] = s.named(ids[:1+i%3]...)
	}
	const unknown, cancelled = 10, 20 // among the others
	events[unknown] = "unknown"
	_, err := s.Events.CancelEvent(s.ctx(), events[cancelled])
	s.must(err)

	steps, failed := make([]ledger.FanOutStep, len(events)), make([]error, len(events))
	s.atOnce(len(events), func(i int) { steps[i], failed[i] = s.FanOuts.FanOutSmall(s.ctx(), zeroth(events[i]), 500, 100, claim) })
	sums := make([]ledger.Summary, len(events))
	s.atOnce(len(events), func(i int) {
		var end []ledger.Step
		for b, batch := range steps[i].Batches {
			end = append(end, ledger.Step{Lease: l, Batch: batch, Attempts: attempts(steps[i].Grants[b].Recipients, schoolbell.DeliverySent)})
		}
		var err error
		sums[i], err = s.Waves.FinishWave(s.ctx(), zeroth(events[i]), end...)
		if failed[i] == nil && err != nil {
			t.Errorf("finish event %d: %v", i, err)
		}
	})
	for i, id := range events {
		switch i {
		case unknown:
			wantCode(t, failed[i], schoolbell.CodeNotFound)
		case cancelled:
			same(t, "walk of the cancelled event", steps[i], ledger.FanOutStep{Done: true})
			same(t, "its status", sums[i].Status, schoolbell.EventCancelled)
		default:
			s.must(failed[i])
			same(t, "event", []any{steps[i].Users, sums[i].Status, sums[i].Progress.Channels[schoolbell.ChannelEmail].Sent},
				[]any{1 + i%3, schoolbell.EventCompleted, 1 + i%3})
			s.wantCounted(id, "the end")
		}
	}
	same(t, "items in the inbox of everybody", len(s.inbox(ids[0])), len(events)-2)
}

// atOnce calls f for 0 to n-1, all at the same time.
func (s *testStore) atOnce(n int, f func(i int)) {
	s.t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}
