package storetest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var inboxes = []promise{
	{"Inbox pages newest first, with the unread count", inboxPages},
	{"Inbox items carry the whole event", inboxItem},
	{"Inbox items are in the language of the reader", inboxLanguages},
	{"MarkRead keeps the first time and finds own events only", markRead},
	{"MarkAllRead reads up to a position", markAllRead},
	{"Message is the event as one user gets it", message},
	{"InboxSince returns new items of the users, oldest first", inboxSince},
	{"InboxSince never splits a position", inboxSinceTies},
	{"A generation ends when tokens are revoked or a user deleted", generations},
	{"SeedAPIKey replaces the keys of its name and no others", seededKeys},
}

var keys = []promise{
	{"API keys are found by digest and renamed in place", apiKeys},
	{"API keys are listed from the oldest and deleted one by one", apiKeyList},
	{"Secret is the same for every process", secretRace},
	{"Ping is content with a migrated ledger", ping},
}

// arrive sends n in-app events to all students and returns their ids.
func (s *testStore) arrive(n int) []string {
	s.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
		s.walk(ids[i], 1_000, 100)
	}
	return ids
}

func inboxPages(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	ids := s.arrive(7)
	var got []string
	for before := int64(0); ; {
		page, unread, err := s.Inboxes.Inbox(s.ctx(), userID(0), before, 3)
		s.must(err)
		same(t, "unread of the whole inbox", unread, 7)
		for _, it := range page {
			if before != 0 && it.Position >= before {
				t.Errorf("position %d is not below %d", it.Position, before)
			}
			got, before = append(got, it.EventID), it.Position
		}
		if len(page) < 3 {
			break
		}
	}
	same(t, "inbox", got, []string{ids[6], ids[5], ids[4], ids[3], ids[2], ids[1], ids[0]})
}

func inboxItem(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	ev := newEvent(toStudents(), schoolbell.ChannelInApp)
	ev.Category, ev.Location, ev.Data = schoolbell.CategoryEvent, "Hall", []byte(`{"a": 1}`)
	ev.StartsAt = time.Date(2031, 1, 2, 3, 4, 5, 6e6, time.UTC)
	ev.EndsAt = ev.StartsAt.Add(time.Hour)
	s.create(ev)
	s.walk(ev.ID, 10, 10)
	items, _, err := s.Inboxes.Inbox(s.ctx(), userID(0), 0, 10)
	s.must(err)
	if len(items) != 1 || items[0].Position < 1 || time.Since(items[0].ArrivedAt) > time.Minute || items[0].ArrivedAt.Location() != time.UTC {
		t.Fatalf("inbox %+v", items)
	}
	want := schoolbell.InboxItem{Position: items[0].Position, EventID: ev.ID, Title: ev.Title, Body: ev.Body, Category: ev.Category, Data: ev.Data,
		Location: ev.Location, StartsAt: ev.StartsAt, EndsAt: ev.EndsAt, ArrivedAt: items[0].ArrivedAt}
	same(t, "item", items[0], want)
	_, err = s.Events.CancelEvent(s.ctx(), ev.ID)
	s.must(err)
	items, _, err = s.Inboxes.Inbox(s.ctx(), userID(0), 0, 10)
	s.must(err)
	want.Cancelled = true
	same(t, "item of a cancelled event", items[0], want)
}

func markRead(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(30)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	s.walk(id, 7, 10) // several chunks
	other := s.arrive(1)[0]
	for _, user := range []string{userID(0), userID(6), userID(7), userID(29)} {
		unread, err := s.Inboxes.MarkRead(s.ctx(), user, id)
		s.must(err)
		same(t, "unread", unread, 1)
	}
	items, _, err := s.Inboxes.Inbox(s.ctx(), userID(7), 0, 10)
	s.must(err)
	if len(items) != 2 || items[0].EventID != other || !items[0].ReadAt.IsZero() || items[1].ReadAt.IsZero() {
		t.Fatalf("inbox %+v, want the older one read", items)
	}
	first := items[1].ReadAt
	unread, err := s.Inboxes.MarkRead(s.ctx(), userID(7), id)
	s.must(err)
	same(t, "unread", unread, 1)
	items, _, err = s.Inboxes.Inbox(s.ctx(), userID(7), 0, 10)
	s.must(err)
	same(t, "time of reading", items[1].ReadAt, first)
	items, unread, err = s.Inboxes.Inbox(s.ctx(), userID(1), 0, 10)
	s.must(err)
	if unread != 2 || !items[1].ReadAt.IsZero() {
		t.Error("reading touched somebody else's inbox")
	}
	s.put(person("teacher", schoolbell.RoleTeacher))
	for _, c := range [][2]string{{"teacher", id}, {userID(0), "0192f000-0000-7000-8000-000000000000"}} {
		_, err = s.Inboxes.MarkRead(s.ctx(), c[0], c[1])
		wantCode(t, err, schoolbell.CodeNotFound)
	}
}

func markAllRead(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	s.arrive(4)
	items, _, err := s.Inboxes.Inbox(s.ctx(), userID(0), 0, 10)
	s.must(err)
	unread, err := s.Inboxes.MarkAllRead(s.ctx(), userID(0), items[2].Position)
	s.must(err)
	same(t, "unread above the position", unread, 2)
	unread, err = s.Inboxes.MarkAllRead(s.ctx(), userID(0), 0)
	s.must(err)
	same(t, "unread", unread, 0)
	_, unread, err = s.Inboxes.Inbox(s.ctx(), userID(1), 0, 10)
	s.must(err)
	same(t, "unread of another", unread, 4)
}

func message(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3, func(_ int, u *schoolbell.User) { u.Locale, u.Timezone = "es", "Europe/Madrid" })
	s.put(person("teacher", schoolbell.RoleTeacher))
	ev := newEvent(toStudents(), schoolbell.ChannelInApp, schoolbell.ChannelEmail)
	ev.Location = "Hall"
	id := s.create(ev)
	s.walk(id, 10, 10)
	s.arrive(1)
	number := func(id string) int64 { return s.refs(id)[0].Number }
	first := number(userID(0))
	_, err := s.Inboxes.Acknowledge(s.ctx(), userID(1), id)
	s.must(err)
	for i, outcome := range []schoolbell.Outcome{"", schoolbell.OutcomeAcknowledged} {
		m, err := s.Inboxes.Message(s.ctx(), id, number(userID(i)))
		s.must(err)
		if m.Event.ID != id || m.Event.Title != ev.Title || m.Event.Location != "Hall" || m.UserID != userID(i) || m.Locale != "es" || m.Timezone != "Europe/Madrid" {
			t.Errorf("message %+v of event %+v", m, m.Event)
		}
		same(t, "deliveries", m.Deliveries, []schoolbell.Delivery{
			{Channel: schoolbell.ChannelInApp, Status: schoolbell.DeliverySent, Outcome: outcome}, {Channel: schoolbell.ChannelEmail, Status: schoolbell.DeliveryPending}})
		same(t, "outcome", m.Outcome(), outcome)
	}
	m, err := s.Inboxes.Message(s.ctx(), id, number("teacher"))
	s.must(err)
	same(t, "deliveries to one who is no recipient", len(m.Deliveries), 0)

	_, err = s.Inboxes.Message(s.ctx(), "0192f000-0000-7000-8000-000000000000", first)
	wantCode(t, err, schoolbell.CodeNotFound)
	_, err = s.Inboxes.Message(s.ctx(), id, 1<<40)
	wantCode(t, err, schoolbell.CodeNotFound)
	s.must(s.People.DeleteUser(s.ctx(), userID(0)))
	s.put(person(userID(0)))
	_, err = s.Inboxes.Message(s.ctx(), id, first)
	wantCode(t, err, schoolbell.CodeNotFound)
}

func inboxSince(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	tail, _, err := s.Inboxes.InboxTail(s.ctx())
	s.must(err)
	same(t, "tail of an empty ledger", tail, int64(0))
	s.people(3)
	s.put(person("teacher", schoolbell.RoleTeacher))
	s.arrive(2)
	tail, _, err = s.Inboxes.InboxTail(s.ctx())
	s.must(err)
	ids := s.arrive(3)
	got, err := s.Inboxes.InboxSince(s.ctx(), s.refs(userID(0), userID(2), "teacher", "nobody"), tail, 100)
	s.must(err)
	same(t, "users with news", len(got), 2)
	for _, user := range []string{userID(0), userID(2)} {
		var found []string
		at := tail
		for _, it := range got[s.refs(user)[0]] {
			if it.Position <= at {
				t.Errorf("position %d after %d", it.Position, at)
			}
			found, at = append(found, it.EventID), it.Position
		}
		same(t, "news of "+user, found, ids)
		now, _, err := s.Inboxes.InboxTail(s.ctx())
		s.must(err)
		same(t, "tail", now, at)
	}
	got, err = s.Inboxes.InboxSince(s.ctx(), nil, 0, 100)
	s.must(err)
	same(t, "news of nobody", len(got), 0)
}

// refs are the users of these ids who are there.
func (s *testStore) refs(ids ...string) []ledger.UserRef {
	s.t.Helper()
	found, err := s.Inboxes.UserRefs(s.ctx(), ids)
	s.must(err)
	return slices.Collect(maps.Values(found))
}

func generations(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	s.arrive(1)
	u0, u1 := s.refs(userID(0))[0], s.refs(userID(1))[0]
	if u0.Number == u1.Number {
		t.Errorf("two users have number %d", u0.Number)
	}
	holder := func(ref ledger.UserRef) string {
		t.Helper()
		id, err := s.Auth.UserByRef(s.ctx(), ref)
		if err != nil {
			wantCode(t, err, schoolbell.CodeNotFound)
		}
		return id
	}
	items := func(ref ledger.UserRef) int {
		t.Helper()
		found, err := s.Inboxes.InboxSince(s.ctx(), []ledger.UserRef{ref}, 0, 100)
		s.must(err)
		return len(found[ref])
	}
	same(t, "user of a ref", holder(u0), userID(0))
	same(t, "items of the user", items(u0), 1)

	s.must(s.Auth.RevokeTokens(s.ctx(), userID(0)))
	same(t, "user of a ref whose tokens were revoked", holder(u0), "")
	same(t, "items of it", items(u0), 0)
	same(t, "another user", holder(u1), userID(1))
	now := s.refs(userID(0))[0]
	same(t, "number after tokens were revoked", now.Number, u0.Number)
	same(t, "items after it", items(now), 1)

	s.must(s.People.DeleteUser(s.ctx(), userID(0)))
	same(t, "user of a ref who was deleted", holder(now), "")
	same(t, "refs of a deleted user", len(s.refs(userID(0))), 0)
	s.people(1)
	reborn := s.refs(userID(0))[0]
	same(t, "a new user of the same id is another", reborn == now, false)
	same(t, "user of the old ref", holder(now), "")
	wantCode(t, s.Auth.RevokeTokens(s.ctx(), "nobody"), schoolbell.CodeNotFound)
	same(t, "user of a number that was never given", holder(ledger.UserRef{Number: 1 << 40}), "")
}

func seededKeys(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	key := func(b byte, name string) schoolbell.APIKey {
		return schoolbell.APIKey{Digest: bytes.Repeat([]byte{b}, 32), Name: name, Scope: schoolbell.ScopeAdmin, CreatedAt: at}
	}
	s.must(s.Auth.PutAPIKey(s.ctx(), key(9, "other")))
	for i, c := range []struct {
		seed     schoolbell.APIKey
		replaced []schoolbell.APIKey
	}{{key(1, "seed"), nil}, {key(1, "seed"), nil}, {key(2, "seed"), []schoolbell.APIKey{key(1, "seed")}}, {key(1, "seed"), []schoolbell.APIKey{key(2, "seed")}}} {
		replaced, err := s.Auth.SeedAPIKey(s.ctx(), c.seed)
		s.must(err)
		same(t, fmt.Sprint("replaced by seed ", i), len(replaced), len(c.replaced))
		for n := range c.replaced {
			same(t, "replaced key", replaced[n], c.replaced[n])
		}
	}
	all, err := s.Auth.ListAPIKeys(s.ctx())
	s.must(err)
	same(t, "keys", len(all), 2)
	for prefix, want := range map[string]bool{"\x01\x01\x01\x01\x01\x01": true, "\x02\x02\x02\x02\x02\x02": false, "\x09\x09": true, "\x01\x02": false} {
		has, err := s.Auth.HasFingerprint(s.ctx(), []byte(prefix), at)
		s.must(err)
		same(t, fmt.Sprintf("a key that begins with %x", prefix), has, want)
	}
}

func inboxSinceTies(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(5)
	s.arrive(4)
	n, at := 0, int64(0)
	for {
		got, err := s.Inboxes.InboxSince(s.ctx(), s.refs(ids...), at, 3)
		s.must(err)
		if len(got) == 0 {
			break
		}
		for _, items := range got {
			n += len(items)
			at = max(at, items[len(items)-1].Position)
		}
	}
	same(t, "items read page by page", n, 20)
}

func apiKeys(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	has, err := s.Auth.HasAPIKeys(s.ctx())
	s.must(err)
	same(t, "keys in an empty ledger", has, false)
	digest := bytes.Repeat([]byte{0, 0xff, '\''}, 11)
	_, err = s.Auth.APIKey(s.ctx(), digest)
	wantCode(t, err, schoolbell.CodeUnauthorized)
	k := schoolbell.APIKey{Digest: digest, Name: "Žofie's app", Scope: schoolbell.ScopeSend, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)}
	s.must(s.Auth.PutAPIKey(s.ctx(), k))
	got, err := s.Auth.APIKey(s.ctx(), digest)
	s.must(err)
	same(t, "key", got, k)
	again := k
	again.Name, again.Scope, again.CreatedAt = "admin", schoolbell.ScopeAdmin, k.CreatedAt.Add(time.Hour)
	s.must(s.Auth.PutAPIKey(s.ctx(), again))
	again.CreatedAt = k.CreatedAt
	got, err = s.Auth.APIKey(s.ctx(), digest)
	s.must(err)
	same(t, "key put again", got, again)
	has, err = s.Auth.HasAPIKeys(s.ctx())
	s.must(err)
	same(t, "has keys", has, true)
}

func apiKeyList(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	none, err := s.Auth.ListAPIKeys(s.ctx())
	s.must(err)
	same(t, "keys of an empty ledger", len(none), 0)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	key := func(b byte, at time.Time) schoolbell.APIKey {
		return schoolbell.APIKey{Digest: bytes.Repeat([]byte{b}, 32), Name: "the same", Scope: schoolbell.ScopeRead, CreatedAt: at}
	}
	newest, oldest, alike := key(0x01, at.Add(time.Millisecond)), key(0xfe, at), key(0xff, at)
	for _, k := range []schoolbell.APIKey{newest, alike, oldest} {
		s.must(s.Auth.PutAPIKey(s.ctx(), k))
	}
	list := func() []schoolbell.APIKey {
		t.Helper()
		all, err := s.Auth.ListAPIKeys(s.ctx())
		s.must(err)
		return all
	}
	same(t, "keys", list(), []schoolbell.APIKey{oldest, alike, newest})
	s.must(s.Auth.DeleteAPIKey(s.ctx(), alike.Digest))
	same(t, "keys when one is deleted", list(), []schoolbell.APIKey{oldest, newest})
	_, err = s.Auth.APIKey(s.ctx(), alike.Digest)
	wantCode(t, err, schoolbell.CodeUnauthorized)
	wantCode(t, s.Auth.DeleteAPIKey(s.ctx(), alike.Digest), schoolbell.CodeNotFound)
	wantCode(t, s.Auth.DeleteAPIKey(s.ctx(), oldest.Digest[:4]), schoolbell.CodeNotFound)
	same(t, "keys when none is deleted", list(), []schoolbell.APIKey{oldest, newest})
}

func secretRace(t *testing.T, open func() *store.Ledger) {
	stores := []*store.Ledger{open(), open()}
	got := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			value, err := stores[i%2].Auth.Secret(t.Context(), "tokens", fmt.Appendf(nil, "\x00secret %d", i))
			if err != nil {
				t.Error(err)
			}
			got[i] = value
		})
	}
	wg.Wait()
	for _, value := range got {
		if !bytes.Equal(value, got[0]) || len(value) != len("\x00secret 0") {
			t.Fatalf("callers got %q", got)
		}
	}
	other, err := stores[0].Auth.Secret(t.Context(), "other", []byte("x"))
	if err != nil || string(other) != "x" {
		t.Errorf("another secret is %q, %v", other, err)
	}
}

func ping(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.must(s.Ping(s.ctx()))
}
