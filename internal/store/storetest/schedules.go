package storetest

import (
	"fmt"
	"testing"

	"schoolbell"
	"schoolbell/internal/store"
)

func schedules(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	u := person("a")
	u.Timezone = "Asia/Kathmandu"
	s.put(u, person("b"))
	own := schoolbell.Schedule{QuietHours: schoolbell.QuietHours{From: "21:00", To: "07:00"}, Digest: schoolbell.DigestWindow{At: "17:00", Weekday: "friday"}}
	s.must(s.Schedules.PutSchedule(s.ctx(), "a", own))
	u.Name = "A with another name"
	s.put(u)
	for user, want := range map[string]schoolbell.Schedule{"a": own, "b": {}} {
		got, zone, err := s.Schedules.Schedule(s.ctx(), user)
		s.must(err)
		same(t, "schedule of "+user, got, want)
		same(t, "time zone of "+user, zone, map[string]string{"a": "Asia/Kathmandu", "b": "UTC"}[user])
	}
	own.QuietHours = schoolbell.QuietHours{}
	s.must(s.Schedules.PutSchedule(s.ctx(), "a", own))
	got, _, err := s.Schedules.Schedule(s.ctx(), "a")
	s.must(err)
	same(t, "schedule", got, own)

	s.must(s.People.DeleteUser(s.ctx(), "a"))
	s.put(u)
	got, _, err = s.Schedules.Schedule(s.ctx(), "a")
	s.must(err)
	same(t, "schedule of a new person", got, schoolbell.Schedule{})
}

func languages(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("a"), person("b"))
	s.must(s.Schedules.PutLanguage(s.ctx(), "a", "ar"))
	language := func(id string) string {
		t.Helper()
		u, err := s.People.User(s.ctx(), id)
		s.must(err)
		return u.Name + " " + u.Locale
	}
	same(t, "language", language("a"), "Name of a ar")
	for n, locale := range []string{"en", "", "es"} {
		a, b := person("a"), person("b")
		a.Locale, b.Locale, a.Name = locale, locale, "A"
		_, err := s.People.PutUsers(s.ctx(), []*schoolbell.User{a, b})
		s.must(err)
		same(t, fmt.Sprint("chosen language after import ", n), language("a"), "A ar")
		same(t, fmt.Sprint("other language after import ", n), language("b"), "Name of b "+locale)
	}
	s.must(s.Schedules.PutLanguage(s.ctx(), "a", "en"))
	same(t, "language that is chosen again", language("a"), "A en")
	s.must(s.People.DeleteUser(s.ctx(), "a"))
	s.put(person("a"))
	u := person("a")
	u.Locale = "fr"
	s.put(u)
	same(t, "language of another person with the id", language("a"), "Name of a fr")
}
