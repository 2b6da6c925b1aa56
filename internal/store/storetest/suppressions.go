package storetest

import (
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var suppressions = []promise{
	{"Suppressions lists addresses that are not used, in pages", suppressionsPages},
	{"Suppress stops an address of everybody who has it", suppressEverybody},
	{"RemoveSuppression lets an address be used again", suppressionRemoved},
}

// suppressed returns the suppressions of all pages, as user and state.
func (s *testStore) suppressed(limit int) (all []string) {
	s.t.Helper()
	var at ledger.SuppressionCursor
	for {
		page, last, err := s.Suppressions.Suppressions(s.ctx(), at, limit)
		s.must(err)
		for _, x := range page {
			all = append(all, x.UserID+" "+string(x.Key.Channel)+" "+string(x.State))
		}
		if len(page) < limit {
			return all
		}
		at = last
	}
}

func suppressionsPages(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	same(t, "suppressions of nobody", len(s.suppressed(2)), 0)
	id, to := s.delivered(4, schoolbell.DeliverySent)
	var all []schoolbell.Receipt
	for i, kind := range []schoolbell.ReceiptKind{schoolbell.ReceiptBounced, schoolbell.ReceiptDelivered, schoolbell.ReceiptComplained, schoolbell.ReceiptStopped} {
		r := receipt(string(kind), id, to[i], kind)
		r.Address = userID(i) + "@example.org"
		all = append(all, r)
	}
	s.receive(4, all...)
	want := []string{userID(0) + " email bounced", userID(2) + " email complained", userID(3) + " email stopped"}
	for _, limit := range []int{1, 2, 3, 10} {
		same(t, "suppressions", s.suppressed(limit), want)
	}
	page, _, err := s.Suppressions.Suppressions(s.ctx(), ledger.SuppressionCursor{}, 1)
	s.must(err)
	if x := page[0]; x.Address != userID(0)+"@example.org" || x.Reason != "because" || x.Since.IsZero() || x.Key.User != to[0].Seq {
		t.Errorf("suppression %+v", x)
	}
}

func suppressEverybody(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for id, email := range map[string]string{"p1": "Family@example.org", "p2": "family@example.org", "p3": "other@example.org"} {
		p := person(id)
		p.Email = email
		s.put(p)
	}
	for range 2 {
		list, err := s.Suppressions.Suppress(s.ctx(), schoolbell.ChannelEmail, "FAMILY@example.org", "asked by phone")
		s.must(err)
		same(t, "users", len(list), 2)
		same(t, "reason", list[0].Reason, "asked by phone")
	}
	same(t, "suppressions", len(s.suppressed(10)), 2)
	for channel, address := range map[schoolbell.Channel]string{schoolbell.ChannelEmail: "nobody@example.org", schoolbell.ChannelSMS: "family@example.org", "fax": "other@example.org"} {
		_, err := s.Suppressions.Suppress(s.ctx(), channel, address, "")
		wantCode(t, err, schoolbell.CodeNotFound)
	}
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	s.walk(id, 10, 10)
	same(t, "rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySuppressed: 2, schoolbell.DeliveryPending: 1})
}

func suppressionRemoved(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	list, err := s.Suppressions.Suppress(s.ctx(), schoolbell.ChannelEmail, userID(0)+"@example.org", "")
	s.must(err)
	key := list[0].Key
	other, elsewhere := key, key
	other.Digest, elsewhere.Channel = schoolbell.AddressDigest("another"), schoolbell.ChannelSMS
	for _, wrong := range []schoolbell.SuppressionKey{other, elsewhere, {User: 1 << 40, Channel: key.Channel, Digest: key.Digest}} {
		wantCode(t, s.Suppressions.RemoveSuppression(s.ctx(), wrong), schoolbell.CodeNotFound)
	}
	s.must(s.Suppressions.RemoveSuppression(s.ctx(), key))
	same(t, "state", s.user(userID(0)).Addresses[0].State, schoolbell.AddressUnverified)
	wantCode(t, s.Suppressions.RemoveSuppression(s.ctx(), key), schoolbell.CodeNotFound)
	same(t, "suppressions", len(s.suppressed(10)), 0)
}
