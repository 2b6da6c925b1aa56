package storetest

import (
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var personDeliveries = []promise{
	{"DeliveriesOf pages through what was sent to a person", deliveriesToOne},
	{"DeliveriesOf keeps to events within groups", deliveriesWithinGroups},
	{"DeliveriesOf looks through so many events and no more", deliveriesLooked},
}

// toldOf are the titles of the events and the channels of all deliveries to a person, page by page, and how many pages there were.
func (s *testStore) toldOf(user string, within []string, limit int) (list []string, pages int) {
	s.t.Helper()
	for before := ""; ; {
		found, next, err := s.PersonDeliveries.DeliveriesOf(s.ctx(), user, within, before, limit)
		s.must(err)
		for _, d := range found {
			if d.UserID != user || d.EventID == "" || d.UpdatedAt.IsZero() {
				s.t.Errorf("delivery %+v", d)
			}
			list = append(list, d.Title+" "+string(d.Channel))
		}
		if pages++; next == "" {
			return list, pages
		}
		before = next
	}
}

func deliveriesToOne(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3)
	for _, title := range []string{"one", "two", "three"} {
		s.walk(s.create(titled(title, toStudents())), 100, 10)
	}
	other := titled("to another", schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID(2)}}})
	s.walk(s.create(other), 100, 10)
	s.create(titled("not walked", toStudents()))
	want := []string{"three in_app", "three email", "two in_app", "two email", "one in_app", "one email"}
	for limit, pages := range map[int]int{1: 3, 2: 2, 3: 1, 500: 1} {
		got, n := s.toldOf(userID(1), nil, limit)
		same(t, "deliveries", got, want)
		same(t, "pages", n, pages)
	}
	found, _, err := s.PersonDeliveries.DeliveriesOf(s.ctx(), userID(1), nil, "", 1)
	s.must(err)
	if d := found[0]; d.Status != schoolbell.DeliverySent || d.ReadAt != nil || found[1].Status != schoolbell.DeliveryPending {
		t.Errorf("%+v", found)
	}
	for _, x := range [][2]string{{"nobody", ""}, {userID(1), "nothing"}} {
		_, _, err := s.PersonDeliveries.DeliveriesOf(s.ctx(), x[0], nil, x[1], 1)
		wantCode(t, err, schoolbell.CodeNotFound)
	}
	s.must(s.People.DeleteUser(s.ctx(), userID(1)))
	_, _, err = s.PersonDeliveries.DeliveriesOf(s.ctx(), userID(1), nil, "", 1)
	wantCode(t, err, schoolbell.CodeNotFound)
}

func deliveriesWithinGroups(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.nested()
	s.account("head@example.org", schoolbell.RoleAdmin)
	s.limited("a@example.org", "7a")
	s.limited("b@example.org", "7b")
	for _, x := range []struct {
		title  string
		within []string
	}{{"of all", nil}, {"of a", []string{"7a"}}, {"of b", []string{"7b"}}, {"later of a", []string{"7a"}}} {
		ev := titled(x.title, toStudents())
		ev.CreatedWithin, ev.Channels = x.within, byEmail
		s.walk(s.create(ev), 100, 10)
	}
	for _, x := range []struct{ within, want []string }{
		{nil, []string{"later of a email", "of b email", "of a email", "of all email"}},
		{[]string{"7a"}, []string{"later of a email", "of a email"}},
		{[]string{"grade"}, []string{"later of a email", "of b email", "of a email"}},
		{[]string{"8a"}, nil},
	} {
		got, _ := s.toldOf("s7a", x.within, 1)
		same(t, "deliveries", got, x.want)
	}
}

func deliveriesLooked(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	old := titled("old", toStudents())
	old.Channels = byEmail
	s.walk(s.create(old), 100, 10)
	for range 5 {
		events := make([]ledger.NewEvent, 200)
		for i := range events {
			events[i].Event = titled("of others", toStudents())
		}
		_, err := s.Events.CreateEvents(s.ctx(), events, nil)
		s.must(err)
	}
	got, pages := s.toldOf(userID(0), nil, 50)
	same(t, "deliveries", got, []string{"old email"})
	same(t, "pages", pages, 2)
}
