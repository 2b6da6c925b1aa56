package storetest

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var calendars = []promise{
	{"CreateFeed keeps a feed until it is revoked", feedLife},
	{"A feed ends with its user", feedErased},
	{"FeedEvents are dated events of the inbox, newest first", feedEvents},
	{"FeedEvents have what reached the user outside of the inbox", feedOutside},
	{"FeedEvents have the newest revision and cancellations", feedChanges},
}

// feed gives a user a feed.
func (s *testStore) feed(user string, id int64) ledger.CalendarFeed {
	s.t.Helper()
	f, err := s.Calendars.CreateFeed(s.ctx(), user, id)
	s.must(err)
	return f
}

// fed returns the titles of the events of a feed.
func (s *testStore) fed(f ledger.CalendarFeed, since time.Time, limit int) (titles []string) {
	s.t.Helper()
	found, err := s.Calendars.FeedEvents(s.ctx(), f, since, limit)
	s.must(err)
	for _, e := range found.Events {
		titles = append(titles, e.Title)
	}
	return titles
}

// dated stores an in-app event to all students and walks it.
func (s *testStore) dated(title string, start time.Time) string {
	s.t.Helper()
	ev := newEvent(toStudents(), schoolbell.ChannelInApp)
	ev.Title, ev.StartsAt = title, start
	s.create(ev)
	s.walk(ev.ID, 10, 10)
	return ev.ID
}

func feedLife(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	none, err := s.Calendars.Feed(s.ctx(), userID(0))
	s.must(err)
	same(t, "feed before", none.ID, int64(0))
	first := s.feed(userID(0), 1<<62+1)
	same(t, "feed", first, ledger.CalendarFeed{User: none.User, ID: 1<<62 + 1})
	same(t, "feed that is created again", s.feed(userID(0), 7), first)
	other := s.feed(userID(1), 9)
	s.must(s.Calendars.RevokeFeed(s.ctx(), userID(0)))
	s.must(s.Calendars.RevokeFeed(s.ctx(), userID(0)))
	_, err = s.Calendars.FeedEvents(s.ctx(), first, time.Time{}, 10)
	wantCode(t, err, schoolbell.CodeNotFound)
	s.fed(other, time.Time{}, 10)
	for _, wrong := range []ledger.CalendarFeed{{User: first.User}, {User: other.User, ID: first.ID}, {User: 1 << 40, ID: 9}} {
		_, err = s.Calendars.FeedEvents(s.ctx(), wrong, time.Time{}, 10)
		wantCode(t, err, schoolbell.CodeNotFound)
	}
	same(t, "the next feed", s.feed(userID(0), 8).ID, int64(8))
	_, err = s.Calendars.FeedEvents(s.ctx(), first, time.Time{}, 10)
	wantCode(t, err, schoolbell.CodeNotFound)
}

func feedErased(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	f := s.feed(userID(0), 5)
	s.put(person(userID(0))) // a change of the person
	s.fed(f, time.Time{}, 10)
	s.must(s.People.DeleteUser(s.ctx(), userID(0)))
	s.put(person(userID(0)))
	_, err := s.Calendars.FeedEvents(s.ctx(), f, time.Time{}, 10)
	wantCode(t, err, schoolbell.CodeNotFound)
	now, err := s.Calendars.Feed(s.ctx(), userID(0))
	s.must(err)
	same(t, "feed of another person with the id", now.ID, int64(0))
}

func feedEvents(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1, func(_ int, u *schoolbell.User) { u.Locale = "es-MX" })
	s.put(person("head", schoolbell.RoleStaff))
	f := s.feed(userID(0), 5)
	same(t, "events of an empty inbox", s.fed(f, time.Time{}, 10), []string(nil))
	start := schoolbell.Time(time.Now())
	s.dated("undated", time.Time{})
	s.dated("past", start.Add(-time.Millisecond))
	s.dated("now", start)
	s.dated("later", start.Add(time.Hour))
	s.dated("soon", start.Add(time.Minute))
	for title, to := range map[string]schoolbell.Audience{"not sent yet": toStudents(), "of others": {Selector: schoolbell.Selector{Users: []string{"head"}}}} {
		ev := newEvent(to, schoolbell.ChannelInApp)
		ev.Title, ev.StartsAt = title, start
		s.create(ev)
		if title == "of others" {
			s.walk(ev.ID, 10, 10)
		}
	}
	same(t, "events", s.fed(f, start, 10), []string{"soon", "later", "now"})
	same(t, "those that arrived last", s.fed(f, start, 2), []string{"soon", "later"})
	same(t, "with older ones", s.fed(f, start.Add(-time.Hour), 10), []string{"soon", "later", "now", "past"})
	found, err := s.Calendars.FeedEvents(s.ctx(), f, start, 1)
	s.must(err)
	same(t, "language", found.Locale, "es-MX")
	same(t, "event", found.Events[0], s.event(found.Events[0].ID))
	same(t, "events of the head", s.fed(s.feed("head", 6), start, 10), []string{"of others"})
}

// Events by email only: to one whom it reached, one who follows the first, one without an address and one who opted out.
func feedOutside(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(5, oneAddress(2), func(i int, u *schoolbell.User) {
		if i == 2 {
			u.Email = ""
		}
	})
	s.must(s.People.PutPreferences(s.ctx(), userID(3), []schoolbell.Preference{{Category: schoolbell.CategoryAnnouncement, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeOff}}))
	start := schoolbell.Time(time.Now())
	ev := newEvent(toStudents(), schoolbell.ChannelEmail)
	ev.Title, ev.StartsAt = "by email", start
	s.create(ev)
	batches, _ := s.walk(ev.ID, 10, 10)
	feeds := map[string]ledger.CalendarFeed{}
	for i := range 5 {
		feeds[userID(i)] = s.feed(userID(i), int64(i+1))
	}
	got := func() (titles [][]string) {
		for i := range 5 {
			titles = append(titles, s.fed(feeds[userID(i)], start, 10))
		}
		return titles
	}
	var none []string
	same(t, "before it is sent", got(), [][]string{none, none, none, none, none})
	l := s.lease()
	to := s.ask(l, batches[0], nil, 10).Recipients
	s.ask(l, batches[0], append(append(attempts(to[:1], schoolbell.DeliverySent), follow(to[1:2], to[0].Seq)...), attempts(to[2:], schoolbell.DeliveryFailed)...), 0)
	s.ask(l, batches[0], nil, 10)
	told := []string{"by email"}
	same(t, "after it was sent", got(), [][]string{told, told, none, none, told})
	same(t, "after its start", len(s.fed(feeds[userID(0)], start.Add(time.Millisecond), 10)), 0)
	s.dated("in the inbox", start)
	same(t, "with one in the inbox", got()[0], []string{"in the inbox", "by email"})
	same(t, "the newest", s.fed(feeds[userID(0)], start, 1), []string{"in the inbox"})
}

func feedChanges(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	f := s.feed(userID(0), 5)
	id := s.dated("Trip", schoolbell.Time(time.Now()))
	event := func() *schoolbell.Event {
		t.Helper()
		found, err := s.Calendars.FeedEvents(s.ctx(), f, time.Time{}, 10)
		s.must(err)
		return found.Events[0]
	}
	same(t, "revision", event().Revision, 0)
	s.update(id, "Trip on Friday")
	same(t, "revision after an update", []any{event().Revision, event().Title}, []any{1, "Trip on Friday"})
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	same(t, "status", event().Status, schoolbell.EventCancelled)
}
