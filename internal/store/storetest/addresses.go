package storetest

import (
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var addresses = []promise{
	{"PutUser keeps addresses in order, email and phone first", addressRoundTrip},
	{"PutUser without addresses leaves the other ones alone", addressesLeftAlone},
	{"PutUser and PutUsers keep the state of an address that stays", addressStates},
	{"PutUser refuses addresses on unknown channels by field", addressUnknownChannel},
	{"A delivery goes to the first usable address, or says why not", addressReach},
	{"Advance decides again who can be reached, and where", addressReachAgain},
	{"Advance records addresses that are unusable", addressFails},
	{"Push goes to every usable device", addressEvery},
	{"ChangeDevices replaces the devices of one user", devicesChanged},
	{"ChangeDevices loses nothing that others change at once", devicesTogether},
	{"DeleteUser deletes the addresses", addressesDeleted},
}

func email(address string) schoolbell.Address {
	return schoolbell.Address{Channel: schoolbell.ChannelEmail, Address: address, State: schoolbell.AddressUnverified}
}

func sms(number string) schoolbell.Address {
	return schoolbell.Address{Channel: schoolbell.ChannelSMS, Address: number, State: schoolbell.AddressUnverified}
}

func addressRoundTrip(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	u := person("a")
	u.Phone = "+442079460018"
	second, device := email("second@example.org"), schoolbell.Address{Channel: schoolbell.ChannelPush, Address: "https://push.example/1", Label: "Phone 学校", State: schoolbell.AddressUnverified}
	u.Addresses = []schoolbell.Address{device, sms("+442079460019"), email(u.Email), second}
	s.put(u)
	want := *u
	want.Addresses = []schoolbell.Address{email("a@example.org"), second, sms("+442079460018"), sms("+442079460019"), device}
	same(t, "user", s.user("a"), &want)
	all, err := s.People.Users(s.ctx(), "", 10)
	s.must(err)
	same(t, "users", all, []*schoolbell.User{&want})

	s.put(&want) // what was read can be put
	same(t, "user, put as it was read", s.user("a"), &want)

	u.Email, u.Phone, u.Addresses = "", "", []schoolbell.Address{second, email("third@example.org")}
	s.put(u)
	want = *u
	want.Email = "second@example.org"
	same(t, "user without email", s.user("a"), &want)
}

func addressesLeftAlone(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	u := person("a")
	u.Addresses = []schoolbell.Address{email("second@example.org"), sms("+442079460019")}
	s.put(u)
	u = person("a")
	u.Email = "new@example.org"
	s.put(u)
	same(t, "addresses after another email", s.user("a").Addresses, []schoolbell.Address{email("new@example.org"), email("second@example.org"), sms("+442079460019")})
	u.Email = "second@example.org"
	s.put(u)
	same(t, "addresses after the second became the email", s.user("a").Addresses, []schoolbell.Address{email("second@example.org"), sms("+442079460019")})
	for range 2 {
		u.Email = ""
		s.put(u)
		same(t, "addresses without an email", s.user("a").Addresses, []schoolbell.Address{sms("+442079460019")})
	}
	u.Addresses = []schoolbell.Address{}
	s.put(u)
	if got := s.user("a").Addresses; len(got) != 0 {
		t.Errorf("addresses after an empty list: %+v", got)
	}
}

// bounce lets the user's address fail for good on a channel.
func (s *testStore) bounce(user string, ch schoolbell.Channel, address string) {
	s.t.Helper()
	ev := newEvent(schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{user}}}, ch)
	id := s.create(ev)
	batches, _ := s.walk(id, 10, 10)
	l := s.lease()
	a := attempts(s.advance(l, batches[0], nil, 1).Recipients, schoolbell.DeliveryFailed)
	a[0].Reason = "550 5.1.1 no such user"
	a[0].Addresses = []ledger.AddressChange{{Address: address, State: schoolbell.AddressBounced, Reason: "550 5.1.1 no such user"}}
	if g := s.advance(l, batches[0], a, 0); g.Lost != 0 {
		s.t.Fatalf("lost %d", g.Lost)
	}
}

func addressStates(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	u := person("a")
	u.Addresses = []schoolbell.Address{email("second@example.org")}
	s.put(u)
	s.bounce("a", schoolbell.ChannelEmail, u.Email)
	bad := email(u.Email)
	bad.State, bad.Reason = schoolbell.AddressBounced, "550 5.1.1 no such user"
	want := []schoolbell.Address{bad, email("second@example.org")}
	same(t, "addresses", s.user("a").Addresses, want)
	s.put(u)
	same(t, "addresses, put again", s.user("a").Addresses, want)
	_, err := s.People.PutUsers(s.ctx(), []*schoolbell.User{person("a")})
	s.must(err)
	same(t, "addresses, imported again", s.user("a").Addresses, want)
	lie := person("a")
	lie.Addresses = []schoolbell.Address{{Channel: schoolbell.ChannelEmail, Address: "second@example.org", State: schoolbell.AddressStopped, Reason: "made up"}}
	s.put(lie)
	same(t, "addresses with a state that is not theirs", s.user("a").Addresses, want)
	u.Email, u.Addresses = "second@example.org", []schoolbell.Address{email("a@example.org")}
	s.put(u)
	same(t, "addresses, swapped", s.user("a").Addresses, []schoolbell.Address{email("second@example.org"), bad})
	u.Email, u.Addresses = "other@example.org", []schoolbell.Address{}
	s.put(u)
	u.Email = "a@example.org"
	s.put(u)
	same(t, "an address that was away", s.user("a").Addresses, []schoolbell.Address{email("a@example.org")})
}

func addressUnknownChannel(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	u := person("a")
	u.Addresses = []schoolbell.Address{email("second@example.org"), {Channel: "fax", Address: "123"}}
	_, err := s.People.PutUser(s.ctx(), u)
	wantFields(t, err, "addresses[1].channel")
	_, err = s.People.User(s.ctx(), "a")
	wantCode(t, err, schoolbell.CodeNotFound)
}

func addressReach(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	two := person("two")
	two.Addresses = []schoolbell.Address{email("second@example.org")}
	s.put(two, person("bounced"), &schoolbell.User{ID: "none", Name: "N", Roles: []schoolbell.Role{schoolbell.RoleStudent}})
	s.bounce("two", schoolbell.ChannelEmail, "two@example.org")
	s.bounce("bounced", schoolbell.ChannelEmail, "bounced@example.org")
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 10, 10)
	reasons := map[string]string{}
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{Status: schoolbell.DeliverySuppressed}) {
		reasons[d.UserID] = d.Reason
	}
	same(t, "suppressed rows", reasons, map[string]string{"bounced": string(schoolbell.AddressBounced), "none": schoolbell.ReasonNoAddress})
	got := s.advance(s.lease(), batches[0], nil, 10).Recipients
	if len(got) != 1 || got[0].UserID != "two" {
		t.Fatalf("claimed %+v", got)
	}
	same(t, "addresses", got[0].Addresses, []string{"second@example.org"})
}

func addressReachAgain(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(3, 10)
	s.bounce(userID(1), schoolbell.ChannelEmail, userID(1)+"@example.org")
	u := person(userID(2))
	u.Email, u.Addresses = "", []schoolbell.Address{email("later@example.org")}
	s.put(u)
	var got []ledger.Recipient
	l := s.lease()
	for range 3 {
		got = append(got, s.advance(l, batches[0], nil, 1).Recipients...)
	}
	if len(got) != 2 || got[0].UserID != userID(0) || got[1].UserID != userID(2) {
		t.Fatalf("claimed %+v", got)
	}
	same(t, "addresses", got[1].Addresses, []string{"later@example.org"})
	rows := s.rows(id, schoolbell.DeliveryFilter{Status: schoolbell.DeliverySuppressed})
	if len(rows) != 1 || rows[0].Reason != string(schoolbell.AddressBounced) {
		t.Errorf("suppressed rows %+v", rows)
	}
}

func addressFails(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(2, 10)
	l := s.lease()
	a := attempts(s.advance(l, batches[0], nil, 10).Recipients, schoolbell.DeliveryFailed)
	a[0].Addresses = []ledger.AddressChange{{Address: userID(0) + "@example.org", State: schoolbell.AddressBounced, Reason: "550 gone"},
		{Address: "not@theirs.example", State: schoolbell.AddressBounced}}
	s.advance(l, batches[0], a, 0)
	want := email(userID(0) + "@example.org")
	want.State, want.Reason = schoolbell.AddressBounced, "550 gone"
	same(t, "address that failed", s.user(userID(0)).Addresses, []schoolbell.Address{want})
	same(t, "address of the other", s.user(userID(1)).Addresses, []schoolbell.Address{email(userID(1) + "@example.org")})
	// Attempts that are lost change nothing.
	a[1].Addresses = []ledger.AddressChange{{Address: userID(1) + "@example.org", State: schoolbell.AddressBounced}}
	same(t, "attempts lost", s.advance(l, batches[0], a, 0).Lost, 2)
	same(t, "address after a lost attempt", s.user(userID(1)).Addresses[0].State, schoolbell.AddressUnverified)
	same(t, "rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliveryFailed: 2})
}

func addressEvery(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	u := person("a")
	device := func(n string) schoolbell.Address {
		return schoolbell.Address{Channel: schoolbell.ChannelPush, Address: "https://push.example/" + n}
	}
	u.Addresses = []schoolbell.Address{device("1"), device("2"), device("3")}
	s.put(u)
	s.bounce("a", schoolbell.ChannelPush, "https://push.example/2")
	id := s.create(newEvent(toStudents(), schoolbell.ChannelPush))
	batches, _ := s.walk(id, 10, 10)
	got := s.advance(s.lease(), batches[0], nil, 10).Recipients
	if len(got) != 1 {
		t.Fatalf("claimed %+v", got)
	}
	same(t, "devices", got[0].Addresses, []string{"https://push.example/1", "https://push.example/3"})
}

func addressesDeleted(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	u := person("a")
	u.Addresses = []schoolbell.Address{email("second@example.org")}
	s.put(u)
	s.must(s.People.DeleteUser(s.ctx(), "a"))
	s.put(&schoolbell.User{ID: "a", Name: "Another", Roles: u.Roles})
	if got := s.user("a").Addresses; len(got) != 0 {
		t.Errorf("addresses of the one before: %+v", got)
	}
}
