package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var events = []promise{
	{"CreateEvent keeps every field, any text and milliseconds", eventRoundTrip},
	{"CreateEvent keeps absent fields absent", eventZeroes},
	{"CreateEvent names unknown groups and users, stores nothing", eventUnknownNames},
	{"CreateEvent refuses an id that is taken", eventTwice},
	{"CreateEvent under a used key returns the earlier event", eventReplay},
	{"CreateEvent under a used key refuses another request", eventKeyReused},
	{"EventByKey finds an event and refuses another request", eventByKey},
	{"Idempotency keys belong to one scope and expire", keyScopes},
	{"An idempotency key deleted while it is claimed is free", keysForgottenMeanwhile},
	{"CreateEvent with one key and many callers stores one event", eventKeyRace},
	{"CreateEvent that is abandoned leaves no trace", eventAbandoned},
	{"Event of an unknown id is not found, everywhere", eventUnknown},
	{"Events pages from the newest and filters by status", eventPages},
}

func eventRoundTrip(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	_, err := s.People.PutGroup(s.ctx(), &schoolbell.Group{ID: "7a", Name: "7a", Kind: schoolbell.GroupClass})
	s.must(err)
	ev := newEvent(schoolbell.Audience{
		Selector:    schoolbell.Selector{Roles: []schoolbell.Role{schoolbell.RoleParent}, Groups: []string{"7a"}},
		GuardiansOf: &schoolbell.Selector{Users: []string{userID(0)}},
		Exclude:     &schoolbell.Selector{Users: []string{userID(1)}},
	}, schoolbell.Channels()...)
	ev.Title, ev.Body = "Žofie 学校 🎒 'quoted' %", "Line\n\ttab \u202eright to left\n\nناس"
	ev.Location = `C:\hall "B"`
	ev.Category = schoolbell.CategoryUrgent
	ev.Data = json.RawMessage(`{"b": 1,  "a": "\u0000", "n": 1.50}`)
	ev.Status = schoolbell.EventScheduled
	ev.CreatedBy = schoolbell.Actor{Kind: schoolbell.ActorKey, ID: "0123456789ab"}
	base := time.Date(2031, 3, 30, 1, 30, 0, 0, time.UTC)
	ev.StartsAt, ev.EndsAt = base.Add(7*time.Millisecond), base.Add(999*time.Millisecond)
	ev.SendAt, ev.ExpiresAt = base.Add(time.Hour), time.Date(2999, 12, 31, 23, 59, 59, 123e6, time.UTC)
	stored, replayed, err := s.Events.CreateEvent(s.ctx(), ev, nil, ledger.Idempotency{})
	s.must(err)
	if replayed {
		t.Error("a new event counts as replayed")
	}
	ev.Lane = schoolbell.LaneUrgent // of the category
	same(t, "stored event", stored, ev)
	read, err := s.Events.Event(s.ctx(), ev.ID)
	s.must(err)
	same(t, "event read again", read, ev)
}

func eventZeroes(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ev := newEvent(toStudents())
	s.create(ev)
	ev.Lane = schoolbell.LaneNormal // of the category
	read, err := s.Events.Event(s.ctx(), ev.ID)
	s.must(err)
	ev.Lane = schoolbell.LaneNormal // of the category
	same(t, "event", read, ev)
	if read.Data != nil || !read.StartsAt.IsZero() || !read.ExpiresAt.IsZero() || !read.CompletedAt.IsZero() {
		t.Errorf("absent fields came back as %+v", read)
	}
}

func eventUnknownNames(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	s.put(person("gone"))
	s.must(s.People.DeleteUser(s.ctx(), "gone"))
	ev := newEvent(schoolbell.Audience{
		Selector:    schoolbell.Selector{Groups: []string{"no-group"}, Users: []string{userID(0), "nobody", "gone"}},
		GuardiansOf: &schoolbell.Selector{Users: []string{"nobody"}},
		Exclude:     &schoolbell.Selector{Groups: []string{"no-other"}, Users: []string{"nobody"}},
	})
	_, _, err := s.Events.CreateEvent(s.ctx(), ev, nil, ledger.Idempotency{Key: "k", Fingerprint: "f"})
	wantFields(t, err, "audience.groups[0]", "audience.users[1]", "audience.users[2]",
		"audience.guardians_of.users[0]", "audience.exclude.groups[0]", "audience.exclude.users[0]")
	_, err = s.Events.Event(s.ctx(), ev.ID)
	wantCode(t, err, schoolbell.CodeNotFound)
	_, replayed, err := s.Events.CreateEvent(s.ctx(), newEvent(toStudents()), nil, ledger.Idempotency{Key: "k", Fingerprint: "other"})
	if err != nil || replayed {
		t.Errorf("the key of a refused request is taken: replayed %v, %v", replayed, err)
	}
}

func eventTwice(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ev := newEvent(toStudents())
	s.create(ev)
	_, _, err := s.Events.CreateEvent(s.ctx(), ev, nil, ledger.Idempotency{})
	wantCode(t, err, schoolbell.CodeConflict)
}

func eventReplay(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	idem := ledger.Idempotency{Key: "žádost-1", Fingerprint: "f"}
	first := newEvent(schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID(0)}}})
	_, _, err := s.Events.CreateEvent(s.ctx(), first, nil, idem)
	s.must(err)
	_, err = s.Events.CancelEvent(s.ctx(), first.ID)
	s.must(err)
	s.must(s.People.DeleteUser(s.ctx(), userID(0)))
	second := newEvent(first.Audience)
	got, replayed, err := s.Events.CreateEvent(s.ctx(), second, nil, idem)
	s.must(err)
	if !replayed || got.ID != first.ID || got.Status != schoolbell.EventCancelled {
		t.Errorf("got event %s, status %s, replayed %v; want the first one as it stands now", got.ID, got.Status, replayed)
	}
	_, err = s.Events.Event(s.ctx(), second.ID)
	wantCode(t, err, schoolbell.CodeNotFound)
}

func eventKeyReused(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, _, err := s.Events.CreateEvent(s.ctx(), newEvent(toStudents()), nil, ledger.Idempotency{Key: "k", Fingerprint: "f"})
	s.must(err)
	second := newEvent(toStudents())
	_, _, err = s.Events.CreateEvent(s.ctx(), second, nil, ledger.Idempotency{Key: "k", Fingerprint: "g"})
	wantFields(t, err, "Idempotency-Key")
	_, err = s.Events.Event(s.ctx(), second.ID)
	wantCode(t, err, schoolbell.CodeNotFound)
}

func keyScopes(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	create := func(idem ledger.Idempotency) (replayed bool) {
		t.Helper()
		_, replayed, err := s.Events.CreateEvent(s.ctx(), newEvent(toStudents()), nil, idem)
		s.must(err)
		return replayed
	}
	one, two := ledger.Idempotency{Scope: "one", Key: "k", Fingerprint: "f"}, ledger.Idempotency{Scope: "two", Key: "k", Fingerprint: "other"}
	same(t, "first use", create(one), false)
	same(t, "first use in another scope", create(two), false)
	same(t, "second use", create(one), true)
	forget := func(before time.Time, limit int) int {
		t.Helper()
		r, err := s.Retention.RemoveOld(s.ctx(), ledger.KeptKeys, before, ledger.RemovalCursor{}, limit)
		s.must(err)
		return r.Rows
	}
	same(t, "forgotten of those older than an hour", forget(time.Now().Add(-time.Hour), 10), 0)
	same(t, "use after it", create(one), true)
	same(t, "forgotten, one at most", forget(time.Now().Add(time.Hour), 1), 1)
	same(t, "forgotten, the rest", forget(time.Now().Add(time.Hour), 10), 1)
	same(t, "use of a key that was forgotten", create(one), false)
}

// A key may be forgotten between the attempt to take it and the look at who has it.
// Each event that is created still takes a key.
func keysForgottenMeanwhile(t *testing.T, open func() *store.Ledger) {
	store := open()
	s := newTestStore(t, store)
	s.people(1)
	claiming, stop := context.WithCancel(t.Context())
	var created atomic.Int64
	forgotten := 0
	var forgetting, callers sync.WaitGroup
	forgetting.Go(func() {
		for last := false; !last; {
			last = claiming.Err() != nil
			r, err := store.Retention.RemoveOld(t.Context(), ledger.KeptKeys, time.Now().Add(time.Hour), ledger.RemovalCursor{}, 10)
			if err != nil {
				t.Error(err)
				return
			}
			forgotten += r.Rows
		}
	})
	for range 4 {
		callers.Go(func() {
			for range 150 {
				_, replayed, err := store.Events.CreateEvent(t.Context(), newEvent(toStudents()), nil, ledger.Idempotency{Key: "k", Fingerprint: "f"})
				if err != nil {
					t.Error(err)
					return
				}
				if !replayed {
					created.Add(1)
				}
			}
		})
	}
	callers.Wait()
	stop()
	forgetting.Wait()
	same(t, "events created less keys taken", int(created.Load())-forgotten, 0)
}

func eventByKey(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	idem := ledger.Idempotency{Key: "k", Fingerprint: "f"}
	if ev, found, err := s.Events.EventByKey(s.ctx(), idem); ev != nil || found || err != nil {
		t.Errorf("before it is used the key has %v, %v, %v", ev, found, err)
	}
	created := newEvent(toStudents())
	_, _, err := s.Events.CreateEvent(s.ctx(), created, nil, idem)
	s.must(err)
	ev, found, err := s.Events.EventByKey(s.ctx(), idem)
	s.must(err)
	same(t, "found", found, true)
	created.Lane = schoolbell.LaneNormal
	same(t, "event of the key", ev, created)
	ev, found, err = s.Events.EventByKey(s.ctx(), ledger.Idempotency{Key: "k", Fingerprint: "g"})
	wantFields(t, err, "Idempotency-Key")
	if ev != nil || found {
		t.Errorf("another request gets %v, %v", ev, found)
	}
}

func eventKeyRace(t *testing.T, open func() *store.Ledger) {
	stores := []*store.Ledger{open(), open()}
	const callers = 12
	ids, fresh := make([]string, callers), make([]bool, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			ev, replayed, err := stores[i%2].Events.CreateEvent(t.Context(), newEvent(toStudents()), nil, ledger.Idempotency{Key: "k", Fingerprint: "f"})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i], fresh[i] = ev.ID, !replayed
		})
	}
	wg.Wait()
	n := 0
	for i := range callers {
		if ids[i] != ids[0] {
			t.Fatalf("callers got different events: %v", ids)
		}
		if fresh[i] {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d callers created the event, want 1", n)
	}
	all, err := stores[0].Reports.Events(t.Context(), schoolbell.EventFilter{}, "", 10)
	if err != nil || len(all) != 1 {
		t.Errorf("%d events stored, %v; want 1", len(all), err)
	}
}

func eventAbandoned(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ctx, cancel := context.WithCancel(s.ctx())
	cancel()
	ev := newEvent(toStudents())
	if _, _, err := s.Events.CreateEvent(ctx, ev, nil, ledger.Idempotency{}); err == nil {
		t.Fatal("a call whose context has ended succeeded")
	}
	_, err := s.Events.Event(s.ctx(), ev.ID)
	wantCode(t, err, schoolbell.CodeNotFound)
}

func eventUnknown(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	const id = "0192f000-0000-7000-8000-000000000000"
	for name, call := range map[string]func() error{
		"Event":       func() error { _, err := s.Events.Event(s.ctx(), id); return err },
		"Progress":    func() error { _, err := s.Events.Progress(s.ctx(), id); return err },
		"CancelEvent": func() error { _, err := s.Events.CancelEvent(s.ctx(), id); return err },
		"RetryFailed": func() error { _, err := s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{}); return err },
		"FinishWave":  func() error { _, err := s.Waves.FinishWave(s.ctx(), zeroth(id)); return err },
		"FanOut":      func() error { _, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 1, 1); return err },
		"OpenBatches": func() error { _, err := s.FanOuts.OpenBatches(s.ctx(), zeroth(id), nil, 1); return err },
		"Events":      func() error { _, err := s.Reports.Events(s.ctx(), schoolbell.EventFilter{}, id, 1); return err },

		"Event of the reports":    func() error { _, err := s.Reports.Event(s.ctx(), id); return err },
		"Progress of the reports": func() error { _, err := s.Reports.Progress(s.ctx(), id); return err },
		"Advance": func() error {
			_, err := s.tryAdvance(s.ctx(), s.lease(), ledger.Batch{EventID: id, Channel: schoolbell.ChannelEmail, Seq: 1}, nil, 1)
			return err
		},
		"Deliveries": func() error {
			_, _, err := s.Reports.Deliveries(s.ctx(), id, schoolbell.DeliveryFilter{}, ledger.DeliveryCursor{}, 1)
			return err
		},
	} {
		if err := call(); schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
}

func eventPages(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	var ids []string
	for i := range 7 {
		ids = append(ids, s.create(newEvent(toStudents())))
		if i%2 == 0 {
			_, err := s.Events.CancelEvent(s.ctx(), ids[i])
			s.must(err)
		}
	}
	for _, c := range []struct {
		status schoolbell.EventStatus
		text   string
		want   []string
	}{
		{"", "", []string{ids[6], ids[5], ids[4], ids[3], ids[2], ids[1], ids[0]}},
		{schoolbell.EventCancelled, "", []string{ids[6], ids[4], ids[2], ids[0]}},
		{schoolbell.EventQueued, "", []string{ids[5], ids[3], ids[1]}},
		{schoolbell.EventCompleted, "", nil},
		{"", ids[3], []string{ids[3]}},
		{schoolbell.EventCancelled, ids[3], nil},
		{"", "%", nil},
		{"", "_", nil},
	} {
		var got []string
		for before := ""; ; {
			page, err := s.Reports.Events(s.ctx(), schoolbell.EventFilter{Status: c.status, Text: c.text}, before, 3)
			s.must(err)
			for _, ev := range page {
				got = append(got, ev.ID)
				before = ev.ID
			}
			if len(page) < 3 {
				break
			}
		}
		same(t, fmt.Sprintf("events with status %q and text %q", c.status, c.text), got, c.want)
	}
}
