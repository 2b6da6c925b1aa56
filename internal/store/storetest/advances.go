package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
	"schoolbell/internal/testenv"
)

var advances = []promise{
	{"Advance claims a batch in order of people, a few at a time", advanceOrder},
	{"Advance records each kind of outcome", advanceOutcomes},
	{"Advance records a provider's reply even if it is not text", advanceGarbage},
	{"Advance claims no row that waits for a retry", advanceRetry},
	{"Advance claims a released row again at no cost", advanceReleased},
	{"Advance with a limit of 0 records, counts and claims nothing", advanceRecordOnly},
	{"Advance tells a second job of the batch what is claimed", advanceSecondJob},
	{"Advance checks opt-outs and addresses again", advanceOptOut},
	{"Advance of a cancelled event ends what is left", advanceCancelled},
	{"Advance of an expired event ends what is left", advanceExpired},
	{"Advance keeps a row uncertain once it was", advanceSticky},
	{"Advance of an unknown batch is not found", advanceUnknown},
	{"Deliveries pages and filters, with reasons and attempts", deliveryPages},
}

func advanceOrder(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(7, func(i int, u *schoolbell.User) {
		u.Name, u.Phone, u.Locale, u.Timezone = fmt.Sprintf("Žofie %d 学校", i), "+442079460018", "pt-BR", "Europe/Lisbon"
	})
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 100, 100)
	l := s.lease()
	var got []ledger.Recipient
	var done []ledger.Attempt
	for _, n := range []int{3, 3, 1} {
		g := s.advance(l, batches[0], done, 3)
		if len(g.Recipients) != n || g.Finished || g.Lost != 0 {
			t.Fatalf("a claim of 3 got %+v, want %d people", g, n)
		}
		got, done = append(got, g.Recipients...), attempts(g.Recipients, schoolbell.DeliverySent)
	}
	for i := range got {
		if i > 0 && got[i].Seq <= got[i-1].Seq {
			t.Errorf("number %d comes after %d", got[i].Seq, got[i-1].Seq)
		}
		got[i].Seq = 0
		same(t, "recipient", got[i], ledger.Recipient{UserID: userID(i), Name: fmt.Sprintf("Žofie %d 学校", i), Addresses: []string{userID(i) + "@example.org"}, Locale: "pt-BR", Timezone: "Europe/Lisbon"})
	}
	g := s.advance(l, batches[0], done, 3)
	same(t, "last grant", g, ledger.Grant{Finished: true, Counts: schoolbell.ChannelProgress{Total: 7, Sent: 7}})
}

func advanceOutcomes(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(6, 10)
	l := s.lease()
	g := s.advance(l, batches[0], nil, 10)
	tries := []ledger.Attempt{
		{Status: schoolbell.DeliverySent, Spent: 1, ProviderID: "queued as Ž'1\"2"},
		{Status: schoolbell.DeliveryFailed, Spent: 4, Reason: "550 no such user \\ 学校"},
		{Status: schoolbell.DeliveryUncertain, Spent: 2, Uncertain: true, Reason: "connection lost after the final dot"},
		{Status: schoolbell.DeliveryPending, Spent: 1, RetryIn: time.Hour, Reason: "451 try later"},
		{Status: schoolbell.DeliverySuppressed, Spent: 0, Reason: schoolbell.ReasonNoAddress},
		{Status: schoolbell.DeliverySent, Spent: 1},
	}
	for i := range tries {
		tries[i].Seq = g.Recipients[i].Seq
	}
	if g = s.advance(l, batches[0], tries, 10); len(g.Recipients) != 0 || g.Pending != 1 || g.Finished {
		t.Errorf("grant %+v, want one pending", g)
	}
	for i, d := range s.rows(id, schoolbell.DeliveryFilter{}) {
		if age := time.Since(d.UpdatedAt); age < -time.Minute || age > time.Minute || d.UpdatedAt.Location() != time.UTC {
			t.Errorf("row %d was updated at %v", i, d.UpdatedAt)
		}
		d.UpdatedAt = time.Time{}
		same(t, fmt.Sprintf("row %d", i), d, schoolbell.Delivery{EventID: id, UserID: userID(i), Channel: schoolbell.ChannelEmail,
			Status: tries[i].Status, Attempts: tries[i].Spent, Reason: tries[i].Reason, ProviderID: tries[i].ProviderID})
	}
	again := s.advance(l, batches[0], tries[:2], 0)
	same(t, "outcomes lost when recorded twice", again.Lost, 2)
	same(t, "rows after that", s.tally(id, schoolbell.ChannelEmail)[schoolbell.DeliverySent], 2)
}

func advanceGarbage(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(1, 10)
	l := s.lease()
	done := attempts(s.advance(l, batches[0], nil, 1).Recipients, schoolbell.DeliveryFailed)
	done[0].Reason, done[0].ProviderID = "550 \xff\x00 caf\xe9", "\x00"
	if g := s.advance(l, batches[0], done, 0); !g.Finished || g.Lost != 0 {
		t.Errorf("grant %+v", g)
	}
	d := s.rows(id, schoolbell.DeliveryFilter{})[0]
	same(t, "reason and id", []string{d.Reason, d.ProviderID}, []string{"550 \ufffd\ufffd caf\ufffd", "\ufffd"})
}

func advanceRetry(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, batches := s.sent(2, 10)
	l := s.lease()
	g := s.advance(l, batches[0], nil, 10)
	done := attempts(g.Recipients, schoolbell.DeliveryPending)
	done[0].RetryIn, done[1].RetryIn = time.Hour, 2*time.Hour
	g = s.advance(l, batches[0], done, 10)
	if len(g.Recipients) != 0 || g.Pending != 2 || g.Sending != 0 || g.Finished || g.NextIn <= 59*time.Minute || g.NextIn > time.Hour {
		t.Errorf("grant %+v, want two pending and about an hour to wait", g)
	}
	same(t, "counts", g.Counts, schoolbell.ChannelProgress{Total: 2, Pending: 2})

	_, batches = newTestStore(t, s.Ledger).second(t)
	g = s.advance(l, batches[0], nil, 10)
	done = attempts(g.Recipients, schoolbell.DeliveryPending)
	for i := range done {
		done[i].RetryIn = time.Millisecond
	}
	s.advance(l, batches[0], done, 0)
	testenv.Eventually(t, time.Minute, func() bool {
		g = s.advance(l, batches[0], nil, 10)
		return len(g.Recipients) == 2
	}, "the retry time to come")
	if g.Recipients[0].Attempts != 1 || g.Recipients[0].Uncertain {
		t.Errorf("claimed again as %+v, want one spent try and no doubt", g.Recipients[0])
	}
}

// second creates and walks one more email event to all students.
func (s *testStore) second(t testing.TB) (string, []ledger.Batch) {
	t.Helper()
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 1_000, 100)
	return id, batches
}

func advanceReleased(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, batches := s.sent(3, 10)
	l := s.lease()
	g := s.advance(l, batches[0], nil, 10)
	var done []ledger.Attempt
	for _, r := range g.Recipients {
		done = append(done, ledger.Attempt{Seq: r.Seq, Status: schoolbell.DeliveryPending, Spent: r.Attempts})
	}
	again := s.advance(l, batches[0], done, 10)
	same(t, "people claimed again", again.Recipients, g.Recipients)
}

func advanceRecordOnly(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, batches := s.sent(3, 10)
	l := s.lease()
	g := s.advance(l, batches[0], nil, 2)
	g = s.advance(l, batches[0], attempts(g.Recipients, schoolbell.DeliverySent), 0)
	same(t, "grant", g, ledger.Grant{Pending: 1, Counts: schoolbell.ChannelProgress{Total: 3, Sent: 2, Pending: 1}})
}

func advanceSecondJob(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, batches := s.sent(3, 10)
	a, b := s.lease(), s.lease()
	s.advance(a, batches[0], nil, 10)
	for name, l := range map[string]ledger.Lease{"another lease": b, "the same lease": a} {
		g := s.advance(l, batches[0], nil, 10)
		if len(g.Recipients) != 0 || g.Sending != 3 || g.Pending != 0 || g.Finished || g.NextIn <= 59*time.Minute || g.NextIn > time.Hour {
			t.Errorf("%s: grant %+v, want three sending for about an hour", name, g)
		}
	}
	g := s.advance(b, batches[0], []ledger.Attempt{{Seq: 1, Status: schoolbell.DeliverySent, Spent: 1}}, 0)
	same(t, "outcomes lost of rows that another lease holds", g.Lost, 1)
}

func advanceOptOut(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(6, 10)
	s.optOut(userID(0), schoolbell.CategoryAnnouncement, schoolbell.ChannelEmail)
	s.optOut(userID(1), schoolbell.CategoryAnnouncement, schoolbell.ChannelEmail)
	s.optOut(userID(4), schoolbell.CategoryAnnouncement, schoolbell.ChannelSMS)
	u := person(userID(2))
	u.Email = ""
	s.put(u)
	u = person(userID(3))
	u.Email = "new@example.org"
	s.put(u)
	s.must(s.People.DeleteUser(s.ctx(), userID(5)))
	l := s.lease()
	got := s.advance(l, batches[0], nil, 2).Recipients // one of these two cannot be sent to
	got = append(got, s.advance(l, batches[0], nil, 2).Recipients...)
	if len(got) != 2 || got[0].Addresses[0] != "new@example.org" || got[1].UserID != userID(4) {
		t.Fatalf("claimed %+v", got)
	}
	reasons := map[string]string{}
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{Status: schoolbell.DeliverySuppressed}) {
		reasons[d.UserID] = d.Reason
	}
	same(t, "suppressed rows", reasons, map[string]string{userID(0): schoolbell.ReasonOptedOut, userID(1): schoolbell.ReasonOptedOut,
		userID(2): schoolbell.ReasonNoAddress, "#6": schoolbell.ReasonNoAddress})
}

func advanceCancelled(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(6, 10)
	live, dead := s.lease(), s.lease()
	mine := s.advance(live, batches[0], nil, 3).Recipients
	s.advance(dead, batches[0], nil, 1)
	ev, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	if ev.Status != schoolbell.EventCancelled || time.Since(ev.CompletedAt) > time.Minute {
		t.Errorf("cancelled event %+v", ev)
	}
	same(t, "rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliveryCancelled: 2, schoolbell.DeliverySending: 4})
	s.kill(dead)

	done := attempts(mine, schoolbell.DeliverySent)
	done[1].Status = schoolbell.DeliveryPending
	done[2].Status, done[2].Uncertain = schoolbell.DeliveryPending, true
	g := s.advance(live, batches[0], done, 10)
	same(t, "grant", g, ledger.Grant{Finished: true, Counts: schoolbell.ChannelProgress{Total: 6, Sent: 1, Cancelled: 3, Uncertain: 2}})
	p, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	same(t, "percent", p.Percent, 100)
}

func advanceExpired(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(4)
	ev := newEvent(toStudents(), schoolbell.ChannelEmail)
	ev.ExpiresAt = schoolbell.Time(time.Now().Add(3 * time.Second))
	id := s.create(ev)
	batches, _ := s.walk(id, 10, 10)
	l := s.lease()
	g := s.advance(l, batches[0], nil, 3)
	done := attempts(g.Recipients, schoolbell.DeliverySent)
	done[0].Status, done[0].RetryIn = schoolbell.DeliveryPending, time.Hour
	if g = s.advance(l, batches[0], done[:1], 0); g.Pending != 2 {
		t.Fatalf("before the event expires: %+v", g)
	}
	testenv.Eventually(t, time.Minute, func() bool { return time.Now().After(ev.ExpiresAt) }, "the event to expire")
	done[1].Status = schoolbell.DeliveryPending
	g = s.advance(l, batches[0], done[1:], 10)
	same(t, "grant", g, ledger.Grant{Finished: true, Counts: schoolbell.ChannelProgress{Total: 4, Sent: 1, Expired: 3}})
	_, err := s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	wantCode(t, err, schoolbell.CodeConflict)
}

func advanceSticky(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(2, 10)
	l := s.lease()
	rs := s.advance(l, batches[0], nil, 10).Recipients
	done := attempts(rs, schoolbell.DeliveryPending)
	done[0].Uncertain = true
	rs = s.advance(l, batches[0], done, 10).Recipients
	if len(rs) != 2 || !rs[0].Uncertain || rs[1].Uncertain {
		t.Fatalf("claimed again %+v, want the first in doubt", rs)
	}
	s.advance(l, batches[0], attempts(rs, schoolbell.DeliverySent), 0)
	same(t, "rows", s.status(id, schoolbell.ChannelEmail), map[string]schoolbell.DeliveryStatus{
		userID(0): schoolbell.DeliveryUncertain, userID(1): schoolbell.DeliverySent})
}

func advanceUnknown(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(1, 10)
	for _, b := range []ledger.Batch{
		{EventID: id, Channel: schoolbell.ChannelEmail, Seq: 2}, {EventID: id, Channel: schoolbell.ChannelSMS, Seq: 1}, {EventID: id, Channel: schoolbell.ChannelEmail},
	} {
		_, err := s.tryAdvance(s.ctx(), s.lease(), b, nil, 1)
		wantCode(t, err, schoolbell.CodeNotFound)
	}
	if g := s.advance(ledger.Lease{ID: 987654}, batches[0], nil, 1); !g.LeaseEnded || len(g.Recipients) != 0 {
		t.Errorf("under a lease that never was: %+v", g)
	}
}

func deliveryPages(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(12, func(i int, u *schoolbell.User) {
		if i%2 == 0 {
			u.Email = ""
		}
	})
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail, schoolbell.ChannelInApp))
	s.walk(id, 5, 10)
	if _, err := s.Inboxes.MarkRead(s.ctx(), ids[7], id); err != nil {
		t.Fatal(err)
	}
	all := s.rows(id, schoolbell.DeliveryFilter{})
	if len(all) != 24 || !slices.IsSortedFunc(all, func(a, b schoolbell.Delivery) int { // in_app before email
		return slices.Index(schoolbell.Channels(), a.Channel) - slices.Index(schoolbell.Channels(), b.Channel)
	}) {
		t.Fatalf("%d rows, want 24 by channel", len(all))
	}
	for i, d := range all {
		if d.UserID != ids[i%12] {
			t.Errorf("row %d is of %s", i, d.UserID)
		}
		if read := d.ReadAt != nil; read != (i == 7) {
			t.Errorf("row %d read: %v", i, read)
		}
	}
	same(t, "suppressed emails", len(s.rows(id, schoolbell.DeliveryFilter{Status: schoolbell.DeliverySuppressed, Channel: schoolbell.ChannelEmail})), 6)
	same(t, "suppressed in-app", len(s.rows(id, schoolbell.DeliveryFilter{Status: schoolbell.DeliverySuppressed, Channel: schoolbell.ChannelInApp})), 0)
	same(t, "pending", len(s.rows(id, schoolbell.DeliveryFilter{Status: schoolbell.DeliveryPending})), 6)
}
