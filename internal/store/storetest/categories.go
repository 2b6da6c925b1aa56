package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var categories = []promise{
	{"A new ledger has the built-in categories", categoriesBuiltIn},
	{"PutCategory keeps and replaces every field but built_in", categoryRoundTrip},
	{"PutCategory stops at the limit", categoriesMany},
	{"DeleteCategory refuses built-in and used categories", categoryDeleted},
	{"CreateEvent refuses unknown categories and channels by field", eventUnknownChannels},
	{"CreateEvent fills in the category's channels that are set up", eventChannelsOfCategory},
	{"CreateEvent and DeleteCategory at once: one of them fails", eventCategoryRace},
	{"A mandatory category made by the school ignores opt-outs", categoryMandatory},
	{"An event keeps the lane that its category had", categoryLane},
	{"PutChannels adds channels, and changes those that differ", channelsPut},
}

func trips() schoolbell.CategoryInfo {
	return schoolbell.CategoryInfo{ID: "trips", Name: "Trips 学校", Lane: schoolbell.LaneNormal, Position: 25,
		Channels: []schoolbell.Channel{schoolbell.ChannelEmail, schoolbell.ChannelInApp}}
}

func (s *testStore) putCategory(c schoolbell.CategoryInfo) {
	s.t.Helper()
	_, err := s.School.PutCategory(s.ctx(), c)
	s.must(err)
}

func categoriesBuiltIn(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	got, err := s.School.Categories(s.ctx())
	s.must(err)
	same(t, "categories", got, schoolbell.BuiltInCategories())
}

func categoryRoundTrip(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	c := trips()
	change, err := s.School.PutCategory(s.ctx(), c)
	s.must(err)
	same(t, "change", change, schoolbell.ChangeCreated)
	got, err := s.School.Category(s.ctx(), "trips")
	s.must(err)
	same(t, "category", got, c)
	c.Name, c.Mandatory, c.Lane, c.Position, c.Channels = "Outings", true, schoolbell.LaneUrgent, 1, []schoolbell.Channel{schoolbell.ChannelSMS}
	change, err = s.School.PutCategory(s.ctx(), c)
	s.must(err)
	same(t, "change", change, schoolbell.ChangeUpdated)
	all, err := s.School.Categories(s.ctx())
	s.must(err)
	same(t, "categories, by position", all, append([]schoolbell.CategoryInfo{c}, schoolbell.BuiltInCategories()...))

	urgent := schoolbell.CategoryInfo{ID: schoolbell.CategoryUrgent, Name: "Alarm", Lane: schoolbell.LaneUrgent, Channels: schoolbell.DefaultChannels()}
	s.putCategory(urgent)
	urgent.BuiltIn = true
	got, err = s.School.Category(s.ctx(), schoolbell.CategoryUrgent)
	s.must(err)
	same(t, "built-in category, changed", got, urgent)
	_, err = s.School.Category(s.ctx(), "party")
	wantCode(t, err, schoolbell.CodeNotFound)
}

func categoryLane(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	c := trips()
	s.putCategory(c)
	create := func() (id string) {
		ev := newEvent(toStudents())
		ev.Category, ev.Lane = "trips", "fast" // the caller's word does not count
		return s.create(ev)
	}
	before := create()
	c.Lane = schoolbell.LaneUrgent
	s.putCategory(c)
	after := create()
	s.wave(before, toEmail())
	want := map[ledger.WaveRef]schoolbell.Lane{
		{EventID: before}: schoolbell.LaneNormal, {EventID: before, Wave: 1}: schoolbell.LaneNormal, {EventID: after}: schoolbell.LaneUrgent,
	}
	waves, err := s.Waves.UnqueuedWaves(s.ctx(), 0, 10)
	s.must(err)
	refs := make([]ledger.WaveRef, len(waves))
	got := map[ledger.WaveRef]schoolbell.Lane{}
	for i, w := range waves {
		refs[i], got[w.WaveRef] = w.WaveRef, w.Lane
	}
	same(t, "lanes of waves without a job", got, want)
	s.must(s.Waves.MarkQueued(s.ctx(), refs))
	waves, err = s.Waves.OpenWaves(s.ctx(), ledger.WaveRef{}, 10)
	s.must(err)
	clear(got)
	for _, w := range waves {
		got[w.WaveRef] = w.Lane
	}
	same(t, "lanes of open waves", got, want)
	for id, lane := range map[string]schoolbell.Lane{before: schoolbell.LaneNormal, after: schoolbell.LaneUrgent} {
		ev, err := s.Events.Event(s.ctx(), id)
		s.must(err)
		same(t, "lane of the event", ev.Lane, lane)
	}
}

func categoriesMany(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for i := len(schoolbell.BuiltInCategories()); i < schoolbell.MaxCategories; i++ {
		c := trips()
		c.ID = schoolbell.Category(fmt.Sprint("c", i))
		s.putCategory(c)
	}
	_, err := s.School.PutCategory(s.ctx(), trips())
	wantCode(t, err, schoolbell.CodeConflict)
	c := trips()
	c.ID = "c50"
	s.putCategory(c) // one that is there may be changed
}

func categoryDeleted(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("a"))
	wantCode(t, s.School.DeleteCategory(s.ctx(), "trips"), schoolbell.CodeNotFound)
	wantCode(t, s.School.DeleteCategory(s.ctx(), schoolbell.CategoryDigest), schoolbell.CodeConflict)
	s.putCategory(trips())
	s.optOut("a", "trips", schoolbell.ChannelEmail)
	s.optOut("a", schoolbell.CategoryEvent, schoolbell.ChannelEmail)
	s.optOut("a", "trips", schoolbell.ChannelSMS)
	s.put(person("b"))
	s.optOut("b", "trips", schoolbell.ChannelEmail)
	for _, locale := range []string{"en", "es", "en"} {
		_, err := s.Templates.PutTemplate(s.ctx(), schoolbell.Template{TemplateKey: schoolbell.TemplateKey{Category: "trips", Channel: schoolbell.ChannelEmail, Locale: locale}})
		s.must(err)
	}
	s.sameUse("trips", schoolbell.CategoryUse{Templates: 2, People: 2})
	s.must(s.School.DeleteCategory(s.ctx(), "trips"))
	s.sameUse("trips", schoolbell.CategoryUse{})
	left, err := s.People.Preferences(s.ctx(), "a")
	s.must(err)
	same(t, "preferences", left, []schoolbell.Preference{{Category: schoolbell.CategoryEvent, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeOff}})

	s.putCategory(trips())
	ev := newEvent(toStudents())
	ev.Category = "trips"
	s.create(ev)
	s.sameUse("trips", schoolbell.CategoryUse{Events: 1})
	wantCode(t, s.School.DeleteCategory(s.ctx(), "trips"), schoolbell.CodeConflict)
}

func (s *testStore) sameUse(id schoolbell.Category, want schoolbell.CategoryUse) {
	s.t.Helper()
	got, err := s.School.CategoryUse(s.ctx(), id)
	s.must(err)
	same(s.t, "what belongs to the category", got, want)
}

func eventUnknownChannels(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ev := newEvent(toStudents())
	ev.Category = "party"
	_, _, err := s.Events.CreateEvent(s.ctx(), ev, nil, ledger.Idempotency{})
	wantFields(t, err, "category")
	ev = newEvent(toStudents(), schoolbell.ChannelEmail, "pigeon", "fax")
	_, _, err = s.Events.CreateEvent(s.ctx(), ev, nil, ledger.Idempotency{})
	wantFields(t, err, "channels[1]", "channels[2]")
}

func eventChannelsOfCategory(t *testing.T, open func() *store.Ledger) {
	stores := []*testStore{newTestStore(t, open()), newTestStore(t, open())} // two processes
	stores[0].putCategory(trips())
	create := func(s *testStore, setUp ...schoolbell.Channel) (*schoolbell.Event, error) {
		ev := newEvent(toStudents())
		ev.Category, ev.Channels = "trips", nil
		stored, _, err := s.Events.CreateEvent(s.ctx(), ev, setUp, ledger.Idempotency{})
		if err != nil {
			return nil, err
		}
		read, errRead := s.Events.Event(s.ctx(), ev.ID)
		s.must(errRead)
		same(t, "event read again", read, stored)
		return stored, nil
	}
	changed := trips()
	for _, c := range []struct{ category, setUp, want []schoolbell.Channel }{
		{trips().Channels, schoolbell.Channels(), trips().Channels},
		{trips().Channels, []schoolbell.Channel{schoolbell.ChannelSMS, schoolbell.ChannelInApp}, []schoolbell.Channel{schoolbell.ChannelInApp}},
		{[]schoolbell.Channel{schoolbell.ChannelSMS}, schoolbell.Channels(), []schoolbell.Channel{schoolbell.ChannelSMS}},
	} {
		changed.Channels = c.category
		stores[1].putCategory(changed)
		ev, err := create(stores[0], c.setUp...)
		stores[0].must(err)
		same(t, "channels", ev.Channels, c.want)
	}
	_, err := create(stores[0], schoolbell.ChannelInApp, schoolbell.ChannelEmail)
	wantFields(t, err, "channels")
	if want := "none of the channels of category trips is set up here: sms"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want %q", err, want)
	}
	unknown := newEvent(schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"nobody"}}})
	unknown.Category, unknown.Channels = "party", nil
	_, _, err = stores[0].Events.CreateEvent(t.Context(), unknown, schoolbell.Channels(), ledger.Idempotency{})
	wantFields(t, err, "audience.users[0]", "category")
}

func eventCategoryRace(t *testing.T, open func() *store.Ledger) {
	creator, deleter := newTestStore(t, open()), newTestStore(t, open())
	for range 25 {
		deleter.putCategory(trips())
		ev := newEvent(toStudents())
		ev.Category, ev.Channels = "trips", nil
		var created, deleted error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _, created = creator.Events.CreateEvent(t.Context(), ev, schoolbell.Channels(), ledger.Idempotency{Key: ev.ID, Fingerprint: "f"})
		})
		wg.Go(func() { deleted = deleter.School.DeleteCategory(t.Context(), "trips") })
		wg.Wait()
		if (created == nil) == (deleted == nil) {
			t.Fatalf("creating the event: %v; deleting its category: %v; want one of them to fail", created, deleted)
		}
		if created == nil {
			wantCode(t, deleted, schoolbell.CodeConflict)
			return
		}
		wantFields(t, created, "category")
	}
}

func categoryMandatory(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	alarm := schoolbell.CategoryInfo{ID: "alarm", Name: "Alarm", Mandatory: true, Lane: schoolbell.LaneUrgent, Channels: schoolbell.DefaultChannels()}
	s.putCategory(alarm)
	s.put(person("a"), person("b"))
	for _, user := range []string{"a", "b"} {
		s.optOut(user, "alarm", schoolbell.ChannelEmail)
	}
	ev := newEvent(toStudents(), schoolbell.ChannelEmail)
	ev.Category = "alarm"
	id := s.create(ev)
	batches, _ := s.walk(id, 10, 10)
	same(t, "rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliveryPending: 2})
	l := s.lease()
	same(t, "claimed while mandatory", len(s.advance(l, batches[0], nil, 1).Recipients), 1)
	alarm.Mandatory = false
	s.putCategory(alarm)
	same(t, "claimed when it is no longer mandatory", len(s.advance(l, batches[0], nil, 1).Recipients), 0)
	same(t, "rows", s.status(id, schoolbell.ChannelEmail)["b"], schoolbell.DeliverySuppressed)
}

// pigeon is a channel that no program knows.
const pigeon schoolbell.Channel = "pigeon"

func channelsPut(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	s := a
	s.must(s.Channels.PutChannels(s.ctx(), ledger.BuiltInChannels()))
	s.must(s.Channels.PutChannels(s.ctx(), []ledger.ChannelInfo{{Name: pigeon, Addressed: true}, {Name: "smoke"}}))
	s.must(s.Channels.PutChannels(s.ctx(), []ledger.ChannelInfo{{Name: pigeon, Addressed: true}}))
	withLoft := func(_ int, u *schoolbell.User) {
		u.Addresses = []schoolbell.Address{{Channel: pigeon, Address: "loft of " + u.ID}, {Channel: pigeon, Address: "other loft"}}
	}
	s.people(2, withLoft)
	b.put(person("without")) // another process, which has not seen the channel yet
	id := b.create(newEvent(toStudents(), pigeon, "smoke"))
	batches, _ := b.walk(id, 10, 10)
	same(t, "pigeon rows", b.status(id, pigeon), map[string]schoolbell.DeliveryStatus{
		userID(0): schoolbell.DeliveryPending, userID(1): schoolbell.DeliveryPending, "without": schoolbell.DeliverySuppressed})
	same(t, "smoke rows", b.tally(id, "smoke"), map[schoolbell.DeliveryStatus]int{schoolbell.DeliveryPending: 3})
	l := s.lease()
	for _, batch := range batches {
		for _, r := range s.advance(l, batch, nil, 10).Recipients {
			if batch.Channel == pigeon {
				same(t, "addresses", r.Addresses, []string{"loft of " + r.UserID})
			} else if len(r.Addresses) != 0 {
				t.Errorf("addresses on a channel without addresses: %v", r.Addresses)
			}
		}
	}
	s.must(s.Channels.PutChannels(s.ctx(), []ledger.ChannelInfo{{Name: pigeon, Addressed: true, EveryAddress: true}}))
	id = s.create(newEvent(toStudents(), pigeon))
	batches, _ = s.walk(id, 10, 10)
	for _, r := range s.advance(l, batches[0], nil, 10).Recipients {
		same(t, "all addresses", r.Addresses, []string{"loft of " + r.UserID, "other loft"})
	}
}
