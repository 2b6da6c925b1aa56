package storetest

import (
	"testing"

	"schoolbell"
	"schoolbell/internal/store"
)

func userByNumber(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("a"), person("b"))
	refs, err := s.Inboxes.UserRefs(s.ctx(), []string{"a"})
	s.must(err)
	number := refs["a"].Number
	got, err := s.People.UserByNumber(s.ctx(), number)
	s.must(err)
	same(t, "user", got, s.user("a"))
	s.must(s.People.DeleteUser(s.ctx(), "a"))
	s.put(person("a")) // somebody else with the same id
	for _, none := range []int64{number, -1, 1 << 47} {
		_, err = s.People.UserByNumber(s.ctx(), none)
		wantCode(t, err, schoolbell.CodeNotFound)
	}
}

func userUnknown(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for name, call := range map[string]func() error{
		"User":           func() error { _, err := s.People.User(s.ctx(), "nobody"); return err },
		"DeleteUser":     func() error { return s.People.DeleteUser(s.ctx(), "nobody") },
		"Preferences":    func() error { _, err := s.People.Preferences(s.ctx(), "nobody"); return err },
		"PutPreferences": func() error { return s.People.PutPreferences(s.ctx(), "nobody", nil) },
		"Schedule":       func() error { _, _, err := s.Schedules.Schedule(s.ctx(), "nobody"); return err },
		"PutSchedule":    func() error { return s.Schedules.PutSchedule(s.ctx(), "nobody", schoolbell.Schedule{}) },
		"PutLanguage":    func() error { return s.Schedules.PutLanguage(s.ctx(), "nobody", "en") },
		"CreateFeed":     func() error { _, err := s.Calendars.CreateFeed(s.ctx(), "nobody", 1); return err },
		"RevokeFeed":     func() error { return s.Calendars.RevokeFeed(s.ctx(), "nobody") },
		"Feed":           func() error { _, err := s.Calendars.Feed(s.ctx(), "nobody"); return err },
		"Inbox":          func() error { _, _, err := s.Inboxes.Inbox(s.ctx(), "nobody", 0, 1); return err },
		"MarkRead":       func() error { _, err := s.Inboxes.MarkRead(s.ctx(), "nobody", "x"); return err },
		"MarkAllRead":    func() error { _, err := s.Inboxes.MarkAllRead(s.ctx(), "nobody", 0); return err },
		"Group":          func() error { _, err := s.People.Group(s.ctx(), "nobody"); return err },
	} {
		if err := call(); schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
}
