package storetest

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var suppressions = []promise{
	{"Suppressions lists addresses that are not used, in pages", suppressionsPages},
	{"Suppress stops an address of everybody who has it", suppressEverybody},
	{"RemoveSuppression lets an address be used again", suppressionRemoved},
	{"RecordReceipts suspends an address after some soft bounces", softBounces},
	{"A delivery, a stronger state and time end a suspension", suspensionEnds},
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
	for address, want := range map[string]int{"FAMILY@example.org": 2, "other@example.org": 0} {
		list, err := s.Suppressions.SuppressionsOf(s.ctx(), schoolbell.ChannelEmail, address)
		s.must(err)
		same(t, "suppressions of "+address, len(list), want)
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

// bounceSoftly records soft bounces of the address of a recipient at these times after now.
func (s *testStore) bounceSoftly(id string, to ledger.Recipient, user string, after ...time.Duration) {
	s.t.Helper()
	for _, d := range after {
		r := receipt(user+d.String(), id, to, schoolbell.ReceiptSoftBounced)
		r.Address, r.Reason, r.At = user+"@example.org", "4.2.2 mailbox full", time.Now().Add(d)
		s.receive(1, r)
	}
}

func (s *testStore) state(user string) schoolbell.AddressState {
	s.t.Helper()
	return s.user(user).Addresses[0].State
}

const hour = time.Hour

func softBounces(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, to := s.delivered(5, schoolbell.DeliverySent)
	s.bounceSoftly(id, to[0], userID(0), hour, 13*hour, 25*hour, 37*hour)
	same(t, "state after four", s.state(userID(0)), schoolbell.AddressUnverified)
	s.bounceSoftly(id, to[0], userID(0), 50*hour)
	suspended := s.user(userID(0)).Addresses[0]
	same(t, "state after five", suspended.State, schoolbell.AddressSuspended)
	same(t, "reason", suspended.Reason, "4.2.2 mailbox full")
	page, _, err := s.Suppressions.Suppressions(s.ctx(), ledger.SuppressionCursor{}, 10)
	s.must(err)
	same(t, "suppressions", len(page), 1)
	same(t, "time of the suspension", page[0].Until.Sub(page[0].Since), schoolbell.SuspensionTime)

	s.bounceSoftly(id, to[1], userID(1), hour, 2*hour, 3*hour, 4*hour, 5*hour, 6*hour)
	same(t, "state after six on one day", s.state(userID(1)), schoolbell.AddressUnverified)

	s.bounceSoftly(id, to[2], userID(2), hour, 13*hour, 25*hour)
	arrived := receipt("arrived", id, to[2], schoolbell.ReceiptDelivered)
	arrived.At = time.Now().Add(30 * hour)
	s.receive(1, arrived)
	s.bounceSoftly(id, to[2], userID(2), 40*hour, 52*hour, 64*hour, 76*hour)
	same(t, "state after three, a delivery and four", s.state(userID(2)), schoolbell.AddressUnverified)
	s.bounceSoftly(id, to[2], userID(2), 90*hour)
	same(t, "state after five since the delivery", s.state(userID(2)), schoolbell.AddressSuspended)

	s.bounceSoftly(id, to[3], userID(3), -50*hour, -40*hour, -30*hour, -20*hour, hour)
	same(t, "state after four from before the address was put, and one", s.state(userID(3)), schoolbell.AddressUnverified)

	next := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	s.walk(next, 10, 10)
	same(t, "rows", s.tally(next, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySuppressed: 2, schoolbell.DeliveryPending: 3})
	for _, d := range s.rows(next, schoolbell.DeliveryFilter{Status: schoolbell.DeliverySuppressed}) {
		same(t, "reason of the delivery", d.Reason, string(schoolbell.AddressSuspended))
	}
}

func suspensionEnds(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, to := s.delivered(4, schoolbell.DeliverySent)
	for i := range to {
		s.bounceSoftly(id, to[i], userID(i), hour, 13*hour, 25*hour, 37*hour, 50*hour)
		same(t, "state", s.state(userID(i)), schoolbell.AddressSuspended)
	}
	arrived, bounced := receipt("arrived", id, to[0], schoolbell.ReceiptDelivered), receipt("bounced", id, to[1], schoolbell.ReceiptBounced)
	arrived.Address, bounced.Address = userID(0)+"@example.org", userID(1)+"@example.org"
	s.receive(2, arrived, bounced)
	same(t, "state after a delivery", s.state(userID(0)), schoolbell.AddressGood)
	same(t, "state after a bounce", s.state(userID(1)), schoolbell.AddressBounced)
	_, err := s.Suppressions.Suppress(s.ctx(), schoolbell.ChannelEmail, userID(2)+"@example.org", "asked by phone")
	s.must(err)
	same(t, "state after the staff stopped it", s.state(userID(2)), schoolbell.AddressStopped)
	for before, want := range map[time.Time]int{time.Now().Add(-hour): 0, time.Now().Add(hour): 1} {
		n, err := s.Retention.EndSuspensions(s.ctx(), before)
		s.must(err)
		same(t, "suspensions that ended", n, want)
	}
	ended := s.user(userID(3)).Addresses[0]
	same(t, "state after the time", ended.State, schoolbell.AddressUnverified)
	same(t, "reason", ended.Reason, "")
	same(t, "suppressions", s.suppressed(10), []string{userID(1) + " email bounced", userID(2) + " email stopped"})
}
