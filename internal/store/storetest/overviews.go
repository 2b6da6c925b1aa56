package storetest

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

// overviews are the promises of ledger.Overviews and ledger.Traffic.
var overviews = []promise{
	{"CountedEvents counts as Progress does", countedEvents},
	{"OpenEvents returns those in progress before queued ones", openEvents},
	{"AddTraffic adds to the present minute", traffic},
	{"Old traffic is removed", oldTraffic},
}

func countedEvents(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	finished, batches := s.sent(5, 2)
	l := s.lease()
	s.deliver(l, batches[0], schoolbell.DeliverySent)
	s.deliver(l, batches[1], schoolbell.DeliveryFailed)
	begun := s.create(newEvent(toStudents(), schoolbell.ChannelEmail, schoolbell.ChannelInApp))
	batches, _ = s.walk(begun, 5, 2)
	s.advance(l, batches[0], nil, 2)
	nobody := s.create(scheduled(newEvent(toStudents())))
	events, err := s.Overviews.CountedEvents(s.ctx(), schoolbell.EventFilter{}, "", 10)
	s.must(err)
	var ids []string
	for _, ev := range events {
		ids = append(ids, ev.ID)
		want, err := s.Events.Progress(s.ctx(), ev.ID)
		s.must(err)
		same(t, "counts of "+ev.Title, ev.Progress, want)
	}
	same(t, "events", ids, []string{nobody, begun, finished})
	older, err := s.Overviews.CountedEvents(s.ctx(), schoolbell.EventFilter{}, begun, 10)
	s.must(err)
	if len(older) != 1 || older[0].ID != finished {
		t.Errorf("%d events before the second", len(older))
	}
}

func openEvents(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	begun, _ := s.sent(3, 2)
	queued := s.create(newEvent(toStudents()))
	s.create(scheduled(newEvent(toStudents())))
	for limit, want := range map[int][]string{10: {begun, queued}, 1: {begun}} {
		events, err := s.Overviews.OpenEvents(s.ctx(), schoolbell.EventFilter{}, limit)
		s.must(err)
		var ids []string
		for _, ev := range events {
			ids = append(ids, ev.ID)
		}
		same(t, "open events", ids, want)
	}
}

func traffic(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	began := time.Now().Add(-time.Minute)
	for range 2 {
		s.must(s.Traffic.AddTraffic(s.ctx(), []ledger.ChannelTraffic{
			{Channel: schoolbell.ChannelEmail, Sent: 20, Failed: 1}, {Channel: schoolbell.ChannelInApp, Sent: 30}, {Channel: "pigeon", Sent: 9}}))
	}
	steps, err := s.Overviews.Traffic(s.ctx(), began.Add(-time.Hour), 24*time.Hour)
	s.must(err)
	sums := map[ledger.ChannelTraffic]bool{}
	for _, step := range steps {
		if step.From.Unix()%(24*3600) != 0 || time.Since(step.From) > 25*time.Hour {
			t.Errorf("a step begins at %s", step.From)
		}
		sums[step.ChannelTraffic] = true
	}
	if len(steps) == 2 { // not if a day began meanwhile
		same(t, "traffic", sums, map[ledger.ChannelTraffic]bool{
			{Channel: schoolbell.ChannelEmail, Sent: 40, Failed: 2}: true, {Channel: schoolbell.ChannelInApp, Sent: 60}: true})
	}
	if steps, err = s.Overviews.Traffic(s.ctx(), time.Now().Add(time.Hour), time.Minute); err != nil || len(steps) > 0 {
		t.Errorf("traffic of the future: %v, %v", steps, err)
	}
}

func oldTraffic(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.must(s.Traffic.AddTraffic(s.ctx(), []ledger.ChannelTraffic{{Channel: schoolbell.ChannelEmail, Sent: 1}, {Channel: schoolbell.ChannelSMS, Sent: 1}}))
	same(t, "rows removed before now", s.removeAll(ledger.KeptTraffic, time.Now().Add(-time.Hour), 1), 0)
	same(t, "rows removed", s.removeAll(ledger.KeptTraffic, time.Now().Add(time.Hour), 1), 2)
}

// scheduled returns ev as an event that starts in an hour.
func scheduled(ev *schoolbell.Event) *schoolbell.Event {
	ev.Status, ev.SendAt = schoolbell.EventScheduled, time.Now().Add(time.Hour).Truncate(time.Millisecond)
	return ev
}
