package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var retentions = []promise{
	{"RemoveOld removes deliveries and keeps their counts", removeDeliveries},
	{"RemoveOld removes events after what belongs to them", removeEvents},
	{"RemoveOld leaves alone what is open", removeOpen},
	{"RemoveOld leaves alone what is younger", removeYounger},
	{"RemoveOld removes inbox items of some events only", removeInbox},
	{"RemoveOld removes receipts, audit entries and keys", removeSmall},
	{"RemoveOld may stop after any piece and start again", removeStopped},
	{"RemoveOld by many processes removes each row once", removeTogether},
	{"An event without its deliveries cannot be retried", removedRetry},
	{"TakeTurn gives one process the turn", turns},
	{"ScrubErased deletes what providers said of the deleted", scrubErased},
}

// later is when everything that exists is old.
func later() time.Time { return time.Now().Add(time.Hour) }

// removeAll removes rows of a kind piece by piece, and returns how many.
func (s *testStore) removeAll(kind ledger.Kept, before time.Time, limit int) (rows int) {
	s.t.Helper()
	var at ledger.RemovalCursor
	for {
		r, err := s.Retention.RemoveOld(s.ctx(), kind, before, at, limit)
		s.must(err)
		if r.Rows > limit {
			s.t.Fatalf("a piece of %d rows, limit %d", r.Rows, limit)
		}
		if rows, at = rows+r.Rows, r.Next; r.Done {
			return rows
		}
	}
}

// ended creates an event to all students and delivers it, and returns its id.
func (s *testStore) ended(batchSize int) string {
	s.t.Helper()
	id := s.create(newEvent(toStudents()))
	batches, _ := s.walk(id, 1_000, batchSize)
	l := s.lease()
	for _, b := range batches {
		s.deliver(l, b, schoolbell.DeliverySent)
	}
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(s.t, "status", sum.Status, schoolbell.EventCompleted)
	return id
}

func (s *testStore) progressOf(id string) schoolbell.Progress {
	s.t.Helper()
	p, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	return p
}

func (s *testStore) event(id string) *schoolbell.Event {
	s.t.Helper()
	ev, err := s.Events.Event(s.ctx(), id)
	s.must(err)
	return ev
}

func removeDeliveries(t *testing.T, open func() *store.Ledger) {
	for _, limit := range []int{1, 7, 1_000} {
		t.Run(fmt.Sprintf("in pieces of %d", limit), func(t *testing.T) {
			s := newTestStore(t, open())
			s.people(25, func(i int, u *schoolbell.User) {
				if i%5 == 0 {
					u.Email = ""
				}
			})
			ids := []string{s.ended(4), s.ended(100), s.create(newEvent(toStudents()))}
			s.walk(ids[2], 10, 10)
			_, err := s.Events.CancelEvent(s.ctx(), ids[2])
			s.must(err)
			var before []schoolbell.Progress
			for _, id := range ids {
				before = append(before, s.progressOf(id))
			}
			same(t, "rows removed", s.removeAll(ledger.KeptDeliveries, later(), limit), 150)
			for i, id := range ids {
				same(t, "rows left", len(s.rows(id, schoolbell.DeliveryFilter{})), 0)
				same(t, "progress", s.progressOf(id), before[i])
				if s.event(id).DeliveriesRemovedAt.IsZero() {
					t.Error("the event does not say that its deliveries are gone")
				}
				left, err := s.FanOuts.OpenBatches(s.ctx(), zeroth(id), nil, 10)
				s.must(err)
				same(t, "batches left", len(left), 0)
				sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id)) // a job that runs again
				s.must(err)
				same(t, "progress after another run of the job", sum.Progress, before[i])
			}
			same(t, "rows removed again", s.removeAll(ledger.KeptDeliveries, later(), limit), 0)
			s.receive(1, receipt(fmt.Sprint("late", limit), ids[0], ledger.Recipient{Seq: 2}, schoolbell.ReceiptBounced))
			_, err = s.Inboxes.MarkAllRead(s.ctx(), userID(1), 0)
			s.must(err)
			same(t, "progress after a receipt and a reader", s.progressOf(ids[0]), before[0])
		})
	}
}

func removeEvents(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(12)
	ids := []string{s.ended(5), s.ended(5), s.ended(5)}
	same(t, "events removed while they have deliveries", s.removeAll(ledger.KeptEvents, later(), 2), 0)
	s.removeAll(ledger.KeptDeliveries, later(), 10)
	same(t, "events removed while inboxes have them", s.removeAll(ledger.KeptEvents, later(), 2), 0)
	s.removeAll(ledger.KeptInbox, later(), 10)
	same(t, "events removed", s.removeAll(ledger.KeptEvents, later(), 2), 3)
	for _, id := range ids {
		_, err := s.Events.Event(s.ctx(), id)
		wantCode(t, err, schoolbell.CodeNotFound)
		_, err = s.Events.Progress(s.ctx(), id)
		wantCode(t, err, schoolbell.CodeNotFound)
		_, err = s.FanOuts.FanOut(s.ctx(), zeroth(id), 10, 10)
		wantCode(t, err, schoolbell.CodeNotFound)
	}
	same(t, "inbox", s.inbox(userID(0)), []string{})
	next := s.ended(5)
	same(t, "inbox after the next event", s.inbox(userID(0)), []string{next})
	same(t, "rows of the next event", len(s.rows(next, schoolbell.DeliveryFilter{})), 24)
}

func removeOpen(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(10)
	scheduled := newEvent(toStudents())
	scheduled.SendAt, scheduled.Status = time.Now().Add(24*time.Hour), schoolbell.EventScheduled
	s.create(scheduled)
	s.create(newEvent(toStudents())) // queued
	processing := s.create(newEvent(toStudents()))
	s.walk(processing, 10, 10)
	reminded := s.ended(10)
	w := toEmail()
	w.StartsAt = time.Now().Add(24 * time.Hour)
	_, err := s.Waves.AddWave(s.ctx(), reminded, w)
	s.must(err)
	held := s.create(newEvent(toStudents()))
	batches, _ := s.walk(held, 10, 10)
	l := s.lease()
	rows := s.advance(l, batches[0], nil, 3).Recipients
	_, err = s.Events.CancelEvent(s.ctx(), held)
	s.must(err)

	for _, kind := range []ledger.Kept{ledger.KeptDeliveries, ledger.KeptEvents} {
		same(t, string(kind)+" removed", s.removeAll(kind, later(), 5), 0)
	}
	same(t, "rows of the event with a wave to come", len(s.rows(reminded, schoolbell.DeliveryFilter{})), 20)
	s.advance(l, batches[0], attempts(rows, schoolbell.DeliverySent), 0)
	same(t, "emails sent of the cancelled event", s.tally(held, schoolbell.ChannelEmail)[schoolbell.DeliverySent], 3)
	before := s.progressOf(held)
	same(t, "rows removed of the cancelled event", s.removeAll(ledger.KeptDeliveries, later(), 5), 20)
	same(t, "progress of the cancelled event", s.progressOf(held), before)
}

func removeYounger(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3)
	id := s.ended(10)
	s.receive(1, receipt("1", id, ledger.Recipient{Seq: 1}, schoolbell.ReceiptDelivered))
	for _, kind := range ledger.AllKept() {
		same(t, string(kind)+" removed", s.removeAll(kind, time.Now().Add(-time.Hour), 5), 0)
	}
	same(t, "rows", len(s.rows(id, schoolbell.DeliveryFilter{})), 6)
	same(t, "inbox", s.inbox(userID(0)), []string{id})
	if _, err := s.Retention.RemoveOld(s.ctx(), "teapots", later(), ledger.RemovalCursor{}, 5); err == nil {
		t.Error("an unknown kind is no error")
	}
}

func removeInbox(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	if _, ok, err := s.Retention.OldestInbox(s.ctx()); ok || err != nil {
		t.Errorf("items in an empty ledger: %v", err)
	}
	s.people(30)
	old := []string{s.ended(10), s.ended(10)}
	oldest, ok, err := s.Retention.OldestInbox(s.ctx())
	s.must(err)
	if since := time.Since(oldest); !ok || since < -time.Minute || since > time.Minute {
		t.Errorf("the oldest item is from %v", oldest)
	}
	items, _, err := s.Inboxes.Inbox(s.ctx(), userID(0), 0, 10)
	s.must(err)
	bound := items[0].ArrivedAt.Add(time.Millisecond)
	eventually(t, func() bool { return time.Now().After(bound.Add(2 * time.Millisecond)) })
	young := s.ended(10)
	same(t, "items removed", s.removeAll(ledger.KeptInbox, bound, 7), 60)
	for i := range 30 {
		items, unread, err := s.Inboxes.Inbox(s.ctx(), userID(i), 0, 10)
		s.must(err)
		if len(items) != 1 || items[0].EventID != young || unread != 1 {
			t.Fatalf("inbox of %s: %+v, %d unread", userID(i), items, unread)
		}
	}
	same(t, "deliveries", len(s.rows(old[0], schoolbell.DeliveryFilter{})), 60)
	_, err = s.Inboxes.MarkRead(s.ctx(), userID(0), old[0])
	wantCode(t, err, schoolbell.CodeNotFound)
	same(t, "items removed again", s.removeAll(ledger.KeptInbox, bound, 7), 0)
	same(t, "items removed later", s.removeAll(ledger.KeptInbox, later(), 7), 30)
	tail, _, err := s.Inboxes.InboxTail(s.ctx())
	s.must(err)
	next := s.ended(10)
	refs, err := s.Inboxes.UserRefs(s.ctx(), []string{userID(3)})
	s.must(err)
	found, err := s.Inboxes.InboxSince(s.ctx(), []ledger.UserRef{refs[userID(3)]}, tail, 10)
	s.must(err)
	if got := found[refs[userID(3)]]; len(got) != 1 || got[0].EventID != next {
		t.Errorf("a live stream gets %+v", got)
	}
}

// eventually waits for the clock to go on.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatal("the clock stands still")
		}
	}
}

func removeSmall(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	for i := range 9 {
		_, _, err := s.Events.CreateEvent(s.ctx(), newEvent(toStudents()), nil, ledger.Idempotency{Key: fmt.Sprint(i), Fingerprint: "f"})
		s.must(err)
		s.receive(1, receipt(fmt.Sprint(i), "no event", ledger.Recipient{Seq: 1}, schoolbell.ReceiptDelivered))
		s.must(s.Reports.PutAuditEntry(s.ctx(), ledgerEntry()))
	}
	for _, kind := range []ledger.Kept{ledger.KeptKeys, ledger.KeptReceipts, ledger.KeptAudit} {
		r, err := s.Retention.RemoveOld(s.ctx(), kind, later(), ledger.RemovalCursor{}, 4)
		s.must(err)
		same(t, string(kind)+" in the first piece", r.Rows, 4)
		same(t, string(kind)+" in the others", s.removeAll(kind, later(), 4), 5)
	}
	entries, err := s.Reports.AuditEntries(s.ctx(), schoolbell.AuditFilter{}, "", 10)
	s.must(err)
	same(t, "entries left", len(entries), 0)
	s.receive(1, receipt("1", "no event", ledger.Recipient{Seq: 1}, schoolbell.ReceiptDelivered))
}

// ledgerEntry returns an entry of the audit with an id of its own.
func ledgerEntry() schoolbell.AuditEntry {
	e, _ := ledger.NewChange(schoolbell.AuditEntry{At: time.Now(), Actor: schoolbell.Actor{Kind: schoolbell.ActorSystem}, Action: "event.cancel",
		Target: schoolbell.Target{Kind: "event", ID: "x"}}).Unstored()
	return e
}

// removeStopped lets a process remove a few pieces of each kind and die, again and again: the next one begins
// from the start.
func removeStopped(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(40)
	ids := []string{s.ended(7), s.ended(3)}
	before := []schoolbell.Progress{s.progressOf(ids[0]), s.progressOf(ids[1])}
	gone := 0
	for life := 0; gone < len(ids); life++ {
		if life == 1_000 {
			t.Fatal("it does not come to an end")
		}
		for _, kind := range []ledger.Kept{ledger.KeptInbox, ledger.KeptDeliveries, ledger.KeptEvents} {
			var at ledger.RemovalCursor
			for range 1 + life%3 {
				r, err := s.Retention.RemoveOld(s.ctx(), kind, later(), at, 6)
				s.must(err)
				if at = r.Next; r.Done {
					break
				}
			}
		}
		gone = 0
		for i, id := range ids {
			ev, err := s.Events.Event(s.ctx(), id)
			if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
				gone++
				continue
			}
			s.must(err)
			same(t, "progress between lives", s.progressOf(id), before[i])
			if n := len(s.rows(id, schoolbell.DeliveryFilter{})); n < 80 && ev.DeliveriesRemovedAt.IsZero() {
				t.Errorf("%d of 80 rows are left, and the event does not say so", n)
			}
		}
		for i := range 40 {
			items, unread, err := s.Inboxes.Inbox(s.ctx(), userID(i), 0, 10)
			s.must(err)
			same(t, "unread items of a person between lives", unread, len(items))
		}
	}
}

func removeTogether(t *testing.T, open func() *store.Ledger) {
	stores := []*testStore{newTestStore(t, open()), newTestStore(t, open())}
	s := stores[0]
	s.people(60)
	for range 6 {
		s.ended(9)
	}
	var mu sync.Mutex
	rows := map[ledger.Kept]int{}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 3 { // what another process holds at a moment is left out
				for _, kind := range []ledger.Kept{ledger.KeptInbox, ledger.KeptDeliveries, ledger.KeptEvents} {
					n, err := drainKind(t, stores[i%2].Ledger, kind)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					rows[kind] += n
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for _, kind := range []ledger.Kept{ledger.KeptInbox, ledger.KeptDeliveries, ledger.KeptEvents} {
		rows[kind] += s.removeAll(kind, later(), 50)
	}
	same(t, "rows removed", rows, map[ledger.Kept]int{ledger.KeptInbox: 360, ledger.KeptDeliveries: 720, ledger.KeptEvents: 6})
}

func drainKind(t *testing.T, l *store.Ledger, kind ledger.Kept) (n int, err error) {
	var at ledger.RemovalCursor
	for {
		r, err := l.Retention.RemoveOld(t.Context(), kind, later(), at, 13)
		if n, at = n+r.Rows, r.Next; err != nil || r.Done {
			return n, err
		}
	}
}
