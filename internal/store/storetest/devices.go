package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"schoolbell"
	"schoolbell/internal/store"
)

func push(endpoint, label string, state schoolbell.AddressState) schoolbell.Address {
	return schoolbell.Address{Channel: schoolbell.ChannelPush, Address: endpoint, Label: label, State: state}
}

// replaceDevices makes the devices of a user those in the list, and returns those before.
func (s *testStore) replaceDevices(user string, devices ...schoolbell.Address) (old []schoolbell.Address) {
	s.t.Helper()
	s.must(s.People.ChangeDevices(s.ctx(), user, func(found []schoolbell.Address) ([]schoolbell.Address, error) {
		old = found
		return devices, nil
	}))
	return old
}

func devicesChanged(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	u := person("a")
	u.Phone = "+442079460018"
	s.put(u, person("b"))
	s.replaceDevices("b", push("https://push.example/b", "", schoolbell.AddressUnverified))

	phone, laptop := push("https://push.example/1", "Phone 学校", schoolbell.AddressUnverified), push("https://push.example/2", "", schoolbell.AddressGood)
	if old := s.replaceDevices("a", phone, laptop); len(old) != 0 {
		t.Errorf("devices of one who has none: %+v", old)
	}
	s.bounce("a", schoolbell.ChannelPush, phone.Address)
	gone := phone
	gone.State, gone.Reason = schoolbell.AddressBounced, "550 5.1.1 no such user"
	same(t, "devices before", s.replaceDevices("a", laptop, phone), []schoolbell.Address{gone, laptop})
	same(t, "addresses", s.user("a").Addresses, []schoolbell.Address{email("a@example.org"), sms("+442079460018"), laptop, phone})
	same(t, "addresses of the other", s.user("b").Addresses, []schoolbell.Address{email("b@example.org"), push("https://push.example/b", "", schoolbell.AddressUnverified)})
	s.put(u) // without addresses
	same(t, "devices of a user who was put", s.replaceDevices("a"), []schoolbell.Address{laptop, phone})
	same(t, "addresses without devices", s.user("a").Addresses, []schoolbell.Address{email("a@example.org"), sms("+442079460018")})

	refused := &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "no"}
	err := s.People.ChangeDevices(s.ctx(), "b", func([]schoolbell.Address) ([]schoolbell.Address, error) { return nil, refused })
	if !errors.Is(err, refused) || schoolbell.CodeOf(err) != schoolbell.CodeConflict {
		t.Errorf("the error of the change became %v", err)
	}
	same(t, "devices after a change that failed", len(s.replaceDevices("b")), 1)
	err = s.People.ChangeDevices(s.ctx(), "nobody", func(old []schoolbell.Address) ([]schoolbell.Address, error) { return old, nil })
	wantCode(t, err, schoolbell.CodeNotFound)
}

func devicesTogether(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("a"))
	var adding sync.WaitGroup
	errs := make([]error, 8)
	for n := range errs {
		adding.Go(func() {
			errs[n] = s.People.ChangeDevices(s.ctx(), "a", func(old []schoolbell.Address) ([]schoolbell.Address, error) {
				return append(old[:len(old):len(old)], push(fmt.Sprintf("https://push.example/%d", n), "", schoolbell.AddressUnverified)), nil
			})
		})
	}
	adding.Wait()
	s.must(errors.Join(errs...))
	same(t, "devices", len(s.replaceDevices("a")), len(errs))
}
