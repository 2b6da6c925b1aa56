package storetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var digests = []promise{
	{"FanOut adds items for those who want a digest", digestFanOut},
	{"FanOutSmall adds items too", digestSmall},
	{"A further wave adds no item again", digestWave},
	{"Advance adds items for those who want a digest since", digestAdvance},
	{"Advance makes no item of a row that may have been sent", digestUncertain},
	{"A mandatory category is in no digest", digestMandatory},
	{"DigestWindows are those of all users, each once", digestWindows},
	{"CloseDigests takes the items before the closing", digestClosed},
	{"CloseDigests by two at once takes each item once", digestTogether},
	{"CloseDigests makes one digest for each window", digestLate},
	{"A digest goes to those who have items, with these", digestItems},
	{"Items go with their user and with their events", digestRemoved},
}

// wantDigest makes a user want announcements by email in a digest.
func (s *testStore) wantDigest(users ...string) {
	s.t.Helper()
	for _, user := range users {
		s.must(s.People.PutPreferences(s.ctx(), user, []schoolbell.Preference{{Category: schoolbell.CategoryAnnouncement, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeDigest}}))
	}
}

// closeAll closes the windows of everybody at a time, and returns the digest and how many items it has.
func (s *testStore) closeAll(at time.Time) (id string, items int) {
	s.t.Helper()
	open, err := s.Digests.OpenDigests(s.ctx())
	s.must(err)
	closings := make([]ledger.DigestClosing, len(open))
	for i, o := range open {
		closings[i] = ledger.DigestClosing{Timezone: o.Timezone, Window: o.Window, At: at}
	}
	ev := digestEvent(at)
	items, err = s.Digests.CloseDigests(s.ctx(), ev, closings)
	s.must(err)
	return ev.ID, items
}

// digestEvent is a digest that is created at a time.
func digestEvent(at time.Time) *schoolbell.Event {
	ev := newEvent(schoolbell.Audience{}, schoolbell.ChannelEmail)
	ev.Category, ev.CreatedAt, ev.CreatedBy = schoolbell.CategoryDigest, schoolbell.Time(at), schoolbell.Actor{Kind: schoolbell.ActorSystem}
	return ev
}

// openItems returns how many users have items that are in no digest, as far as their time zones differ.
func (s *testStore) openDigests() int {
	s.t.Helper()
	open, err := s.Digests.OpenDigests(s.ctx())
	s.must(err)
	return len(open)
}

// reasons returns the reasons of the emails of an event, by user.
func (s *testStore) emailReasons(id string) map[string]string {
	s.t.Helper()
	reasons := map[string]string{}
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{Channel: schoolbell.ChannelEmail}) {
		reasons[d.UserID] = string(d.Status) + " " + d.Reason
	}
	return reasons
}

func digestFanOut(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(5)
	s.wantDigest(ids[1], ids[4])
	s.optOut(ids[2], schoolbell.CategoryAnnouncement, schoolbell.ChannelEmail)
	same(t, "digests to be made", s.openDigests(), 0)
	id := s.create(newEvent(toStudents()))
	s.walk(id, 3, 10)
	same(t, "emails", s.emailReasons(id), map[string]string{ids[0]: "pending ", ids[1]: "suppressed in_digest", ids[2]: "suppressed opted_out",
		ids[3]: "pending ", ids[4]: "suppressed in_digest"})
	same(t, "inbox", s.inbox(ids[1]), []string{id})
	s.wantCounted(id, "the walk")
	_, items := s.closeAll(later())
	same(t, "items", items, 2)
}

func digestSmall(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(3)
	s.wantDigest(ids[1])
	id := s.named(ids...)
	step := s.fanOutSmall(id, ledger.SmallClaim{Lease: s.lease(), Channels: byEmail, Most: 3})
	same(t, "people claimed", len(step.Grants[0].Recipients), 2)
	same(t, "email", s.emailReasons(id)[ids[1]], "suppressed in_digest")
	s.wantCounted(id, "the walk")
	_, items := s.closeAll(later())
	same(t, "items", items, 1)
}

func digestWave(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(2)
	s.wantDigest(ids...)
	id := s.create(newEvent(toStudents()))
	s.walk(id, 10, 10)
	wave, err := s.Waves.AddWave(s.ctx(), id, schoolbell.Wave{Channels: byEmail})
	s.must(err)
	s.walkWave(ledger.WaveRef{EventID: id, Wave: wave.Number})
	_, items := s.closeAll(later())
	same(t, "items", items, 2)
}

func digestAdvance(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(6)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 10, 10)
	s.wantDigest(ids[0], ids[2], ids[3], ids[5])
	l := s.lease()
	g := s.advance(l, batches[0], nil, 2)
	if len(g.Recipients) != 1 || g.Recipients[0].UserID != ids[1] || g.LeaseEnded || g.Lost != 0 {
		t.Fatalf("grant %+v", g)
	}
	s.wantCounted(id, "the first claim")
	g = s.advance(l, batches[0], attempts(g.Recipients, schoolbell.DeliverySent), 2)
	if len(g.Recipients) != 1 || g.Recipients[0].UserID != ids[4] || g.Lost != 0 {
		t.Fatalf("grant %+v", g)
	}
	g = s.advance(l, batches[0], attempts(g.Recipients, schoolbell.DeliverySent), 2)
	if len(g.Recipients) != 0 || !g.Finished || g.Counts.Suppressed != 4 || g.Counts.Sent != 2 {
		t.Errorf("grant %+v", g)
	}
	s.wantCounted(id, "the end")
	same(t, "email", s.emailReasons(id)[ids[5]], "suppressed in_digest")
	_, items := s.closeAll(later())
	same(t, "items", items, 4)
}

func digestUncertain(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(1)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 10, 10)
	dead := s.lease()
	s.advance(dead, batches[0], nil, 1)
	s.kill(dead)
	s.wantDigest(ids[0])
	if g := s.advance(s.lease(), batches[0], nil, 1); !g.Finished || g.Counts.Uncertain != 1 {
		t.Errorf("grant %+v", g)
	}
	s.wantCounted(id, "the end")
	same(t, "digests to be made", s.openDigests(), 0)
}

func digestMandatory(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(1)
	s.putCategory(schoolbell.CategoryInfo{ID: "trips", Name: "Trips", Lane: schoolbell.LaneNormal, Channels: byEmail})
	s.must(s.People.PutPreferences(s.ctx(), ids[0], []schoolbell.Preference{{Category: "trips", Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeDigest}}))
	s.putCategory(schoolbell.CategoryInfo{ID: "trips", Name: "Trips", Mandatory: true, Lane: schoolbell.LaneNormal, Channels: byEmail})
	ev := newEvent(toStudents(), schoolbell.ChannelEmail)
	ev.Category = "trips"
	id := s.create(ev)
	batches, _ := s.walk(id, 10, 10)
	same(t, "people claimed", len(s.advance(s.lease(), batches[0], nil, 1).Recipients), 1)
}

func digestWindows(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	windows := func() (all []string) {
		found, err := s.Digests.DigestWindows(s.ctx())
		s.must(err)
		for _, w := range found {
			all = append(all, w.Timezone+" "+w.Window.String())
		}
		slices.Sort(all)
		return all
	}
	same(t, "windows without users", len(windows()), 0)
	ids := s.people(30, func(i int, u *schoolbell.User) { u.Timezone = []string{"", "Asia/Kathmandu", "Europe/Berlin"}[i%3] })
	for i, at := range []schoolbell.ClockTime{"17:00", "07:30", "17:00", "17:00"} {
		s.must(s.Schedules.PutSchedule(s.ctx(), ids[i], schoolbell.Schedule{Digest: schoolbell.DigestWindow{At: at}}))
	}
	want := []string{" ", " 17:00", "Asia/Kathmandu ", "Asia/Kathmandu 07:30", "Europe/Berlin ", "Europe/Berlin 17:00"}
	same(t, "windows", windows(), want)
}

func digestClosed(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(3, func(i int, u *schoolbell.User) { u.Timezone = []string{"", "Asia/Kathmandu", "Asia/Kathmandu"}[i] })
	s.wantDigest(ids...)
	own := schoolbell.DigestWindow{At: "17:00", Weekday: "friday"}
	s.must(s.Schedules.PutSchedule(s.ctx(), ids[2], schoolbell.Schedule{Digest: own}))
	s.walk(s.create(newEvent(toStudents())), 10, 10)

	waiting, err := s.Digests.OpenDigests(s.ctx())
	s.must(err)
	slices.SortFunc(waiting, func(a, b ledger.OpenDigest) int {
		return len(a.Timezone+a.Window.String()) - len(b.Timezone+b.Window.String())
	})
	same(t, "digests to be made", len(waiting), 3)
	same(t, "the last of them", []any{waiting[0].Timezone, waiting[2].Timezone, waiting[2].Window}, []any{"", "Asia/Kathmandu", own})
	if since := time.Since(waiting[0].Since); since < -time.Minute || since > time.Minute {
		t.Errorf("its items are there since %v", waiting[0].Since)
	}
	for _, c := range []struct {
		name  string
		at    time.Time
		items int
	}{{"before the items", time.Now().Add(-time.Hour), 0}, {"after them", later(), 1}, {"again", later(), 0}} {
		ev := digestEvent(c.at)
		items, err := s.Digests.CloseDigests(s.ctx(), ev, []ledger.DigestClosing{{Timezone: "Asia/Kathmandu", Window: own, At: c.at}})
		s.must(err)
		same(t, "items "+c.name, items, c.items)
		stored, err := s.Events.Event(s.ctx(), ev.ID)
		if c.items == 0 {
			wantCode(t, err, schoolbell.CodeNotFound)
			continue
		}
		s.must(err)
		same(t, "digest", []any{stored.Digest, stored.Category, stored.Lane, stored.Status}, []any{true, schoolbell.CategoryDigest, schoolbell.LaneNormal, schoolbell.EventQueued})
	}
	same(t, "digests to be made", s.openDigests(), 2)
}

func digestTogether(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(40)
	s.wantDigest(ids...)
	s.walk(s.create(newEvent(toStudents())), 100, 100)
	others := []*testStore{s, newTestStore(t, open())}
	at := later()
	items := make([]int, 4)
	var closing sync.WaitGroup
	for i := range items {
		closing.Go(func() {
			n, err := others[i%2].Digests.CloseDigests(t.Context(), digestEvent(at), []ledger.DigestClosing{{Timezone: "UTC", At: at}})
			if items[i] = n; err != nil && schoolbell.CodeOf(err) != schoolbell.CodeConflict {
				t.Error(err)
			}
		})
	}
	closing.Wait()
	slices.Sort(items)
	same(t, "items", items, []int{0, 0, 0, 40})
}

func digestLate(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(2)
	s.wantDigest(ids...)
	s.walk(s.named(ids[0]), 10, 10)
	at := later()
	_, items := s.closeAll(at)
	same(t, "items", items, 1)
	s.walk(s.named(ids...), 10, 10) // as if its transaction had begun before the closing
	_, items = s.closeAll(at)
	same(t, "items of the person who got no digest yet", items, 1)
	_, items = s.closeAll(at.Add(time.Hour))
	same(t, "items in the next window", items, 1)
}

func digestItems(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(4)
	s.wantDigest(ids...)
	titled := func(title string, change ...func(*schoolbell.Event)) string {
		ev := newEvent(toStudents(), schoolbell.ChannelEmail)
		ev.Title, ev.Texts = title, map[string]schoolbell.EventText{"es": {Title: "El " + title, Body: "Texto."}}
		for _, f := range change {
			f(ev)
		}
		id := s.create(ev)
		s.walk(id, 10, 10)
		return id
	}
	first := titled("first")
	cancelled := titled("cancelled")
	titled("for one", func(ev *schoolbell.Event) {
		ev.Audience = schoolbell.Audience{Selector: schoolbell.Selector{Users: ids[2:3]}}
	})
	titled("last")
	s.optOut(ids[0], schoolbell.CategoryAnnouncement, schoolbell.ChannelEmail)
	s.must(s.People.DeleteUser(s.ctx(), ids[3]))

	digest, items := s.closeAll(later())
	same(t, "items", items, 10)
	_, err := s.Events.CancelEvent(s.ctx(), cancelled)
	s.must(err)
	batches, people := s.walk(digest, 2, 10)
	same(t, "people", people, 3)
	got := map[string][]string{}
	for _, b := range batches {
		g := s.advance(s.lease(), b, nil, 10)
		for _, r := range g.Recipients {
			got[r.UserID] = []string{}
			for _, ev := range r.Items {
				got[r.UserID] = append(got[r.UserID], ev.Title+" "+ev.Texts["es"].Title)
			}
		}
	}
	same(t, "items", got, map[string][]string{ids[0]: {}, ids[1]: {"first El first", "last El last"}, ids[2]: {"first El first", "for one El for one", "last El last"}})
	s.wantCounted(digest, "the claims")
	same(t, "emails", s.emailReasons(first)[ids[1]], "suppressed in_digest")
	same(t, "digests to be made", s.openDigests(), 0)
}

func digestRemoved(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(2)
	s.wantDigest(ids...)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	s.walk(id, 10, 10)
	s.must(s.People.DeleteUser(s.ctx(), ids[0]))
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "event", sum.Status, schoolbell.EventCompleted)
	s.removeAll(ledger.KeptDeliveries, later(), 100)
	same(t, "digests to be made", s.openDigests(), 1)
	same(t, "events removed", s.removeAll(ledger.KeptEvents, later(), 100), 1)
	same(t, "digests to be made after that", s.openDigests(), 0)
}
