package storetest

import (
	"fmt"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var exports = []promise{
	{"Person has the guardians and the times of a person", exportPerson},
	{"DeliveriesTo and ReceiptsOf page through one person's rows", exportLists},
}

func exportPerson(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("kid"), person("other"))
	for _, id := range []string{"p2", "p1", "gone"} {
		u := person(id, schoolbell.RoleParent)
		u.GuardianOf = []string{"kid"}
		s.put(u)
	}
	s.must(s.People.DeleteUser(s.ctx(), "gone"))
	got, err := s.Exports.Person(s.ctx(), "kid")
	s.must(err)
	same(t, "user", got.User, stored(person("kid")))
	same(t, "guardians", got.Guardians, []string{"p1", "p2"})
	if since := time.Since(got.CreatedAt); since < -time.Minute || since > time.Minute || got.UpdatedAt.Before(got.CreatedAt) || got.Number == 0 {
		t.Errorf("%+v", got)
	}
	for _, id := range []string{"gone", "nobody", "#5"} {
		_, err = s.Exports.Person(s.ctx(), id)
		wantCode(t, err, schoolbell.CodeNotFound)
	}
}

func exportLists(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3)
	var ids []string
	for range 5 {
		ids = append(ids, s.ended(2))
	}
	p, err := s.Exports.Person(s.ctx(), userID(1))
	s.must(err)
	for i := range 5 {
		s.receive(2, receipt(fmt.Sprint("a", i), ids[i], ledger.Recipient{Seq: p.Number}, schoolbell.ReceiptDelivered),
			receipt(fmt.Sprint("b", i), ids[i], ledger.Recipient{Seq: p.Number + 1}, schoolbell.ReceiptDelivered))
	}
	var events []string
	for after, calls := int64(0), 0; ; calls++ {
		found, last, err := s.Exports.DeliveriesTo(s.ctx(), p.Number, after, 2)
		s.must(err)
		for _, d := range found {
			if d.UserID != userID(1) || d.Status != schoolbell.DeliverySent {
				t.Errorf("delivery %+v", d)
			}
			events = append(events, d.EventID)
		}
		if after = last; last == 0 {
			same(t, "calls", calls, 3)
			break
		}
	}
	want := []string{}
	for _, id := range ids {
		want = append(want, id, id) // in the app and by email
	}
	same(t, "events of the deliveries", events, want)
	var got []string
	for after := (ledger.ReceiptCursor{}); ; {
		found, err := s.Exports.ReceiptsOf(s.ctx(), p.Number, after, 2)
		s.must(err)
		for _, r := range found {
			got, after = append(got, r.ID+" "+string(r.Channel)), ledger.ReceiptCursor{Provider: r.Provider, ID: r.ID}
		}
		if len(found) < 2 {
			break
		}
	}
	same(t, "receipts", got, []string{"a0 email", "a1 email", "a2 email", "a3 email", "a4 email"})
}
