package storetest

import (
	"fmt"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var audits = []promise{
	{"An audit entry comes back as it was stored", auditRoundTrip},
	{"A change is stored with its audit entry or not at all", auditInTransaction},
	{"One change of many transactions has one audit entry", auditOnce},
	{"A request that is replayed adds nothing to the audit", auditReplay},
	{"AuditEntries pages from the newest", auditPages},
	{"DeleteUser deletes the user's addresses from the audit", auditForgets},
	{"AuditEntries filters by actor, action, target and time", auditFilters},
}

var auditTime = time.Date(2026, 11, 2, 7, 10, 0, 123e6, time.UTC)

// changeAt returns a change that nobody has made yet.
func changeAt(at time.Time, action string) *ledger.Change {
	return ledger.NewChange(schoolbell.AuditEntry{At: at, Action: action, Actor: schoolbell.Actor{Kind: schoolbell.ActorKey, ID: "0123456789ab", Name: "Bus app"},
		Target: schoolbell.Target{Kind: "user"}, Address: "192.0.2.1"})
}

// audit returns all entries, newest first.
func (s *testStore) audit(f schoolbell.AuditFilter) []schoolbell.AuditEntry {
	s.t.Helper()
	entries, err := s.Reports.AuditEntries(s.ctx(), f, "", 100)
	s.must(err)
	return entries
}

// record stores the entry of a change that is made outside of the ledger.
func (s *testStore) record(e schoolbell.AuditEntry) schoolbell.AuditEntry {
	s.t.Helper()
	c := ledger.NewChange(e)
	c.Done()
	e, _ = c.Left()
	s.must(s.Reports.PutAuditEntry(s.ctx(), e))
	return e
}

func auditRoundTrip(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	same(t, "entries of an empty ledger", len(s.audit(schoolbell.AuditFilter{})), 0)
	bare := s.record(schoolbell.AuditEntry{At: auditTime, Actor: schoolbell.Actor{Kind: schoolbell.ActorCLI}, Action: "key.create", Target: schoolbell.Target{Kind: "key"}})
	full := s.record(schoolbell.AuditEntry{At: auditTime.Add(time.Second), Actor: schoolbell.Actor{Kind: schoolbell.ActorKey, ID: "0123456789ab", Name: "Žofie's app 🚌"},
		Action: "job.remove", Target: schoolbell.Target{Kind: "job", ID: "bells/a:b'c"}, Address: "2001:db8::/64",
		Changes: map[string]any{"fields": []any{"email", "name"}, "removed": float64(3)}})
	same(t, "entries", s.audit(schoolbell.AuditFilter{}), []schoolbell.AuditEntry{full, bare})
	full.Target.ID, full.Changes = "bells/d", map[string]any{"removed": float64(4)}
	s.must(s.Reports.PutAuditEntry(s.ctx(), full))
	same(t, "entries when one has more to tell", s.audit(schoolbell.AuditFilter{}), []schoolbell.AuditEntry{full, bare})
}

func auditInTransaction(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	made, failed := changeAt(auditTime, "user.put"), changeAt(auditTime, "user.put")
	_, err := s.People.PutUser(ledger.WithChange(s.ctx(), made), person("u1"))
	s.must(err)
	stranger := person("u2")
	stranger.GuardianOf = []string{"nobody"}
	_, err = s.People.PutUser(ledger.WithChange(s.ctx(), failed), stranger)
	wantFields(t, err, "guardian_of[0]")
	entries := s.audit(schoolbell.AuditFilter{})
	if len(entries) != 1 || entries[0].Action != "user.put" || entries[0].Address != "192.0.2.1" {
		t.Errorf("the audit has %+v", entries)
	}
	if _, left := made.Left(); left {
		t.Error("the entry of the change is not stored")
	}
	if _, left := failed.Left(); left {
		t.Error("the failed change has an entry to store")
	}
	same(t, "an entry in the transaction of its change is that of the change", entries[0].At, auditTime)

	// If the entry cannot be stored, nothing is changed.
	broken := changeAt(auditTime, "user.delete")
	broken.Set("n", func() {})
	if err := s.People.DeleteUser(ledger.WithChange(s.ctx(), broken), "u1"); err == nil {
		t.Error("a change without an entry was made")
	}
	_, err = s.People.User(s.ctx(), "u1")
	s.must(err)
}

func auditOnce(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	change := changeAt(auditTime, "user.import")
	ctx := ledger.WithChange(s.ctx(), change)
	for i := range 3 {
		_, err := s.People.PutUsers(ctx, []*schoolbell.User{person(userID(i))})
		s.must(err)
	}
	change.Set("imported", 3)
	e, left := change.Left()
	same(t, "the count is still to be stored", left, true)
	s.must(s.Reports.PutAuditEntry(s.ctx(), e))
	entries := s.audit(schoolbell.AuditFilter{})
	if len(entries) != 1 || entries[0].Changes["imported"] != float64(3) {
		t.Errorf("the audit has %+v", entries)
	}
}

func auditReplay(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for i := range 2 {
		change := changeAt(auditTime, "event.create")
		ev := newEvent(toStudents())
		change.Target(ev.ID)
		_, replayed, err := s.Events.CreateEvent(ledger.WithChange(s.ctx(), change), ev, nil, ledger.Idempotency{Key: "k", Fingerprint: "f"})
		s.must(err)
		same(t, "replayed", replayed, i == 1)
		if _, left := change.Left(); left {
			t.Errorf("the entry of request %d is still to be stored", i)
		}
	}
	same(t, "entries", len(s.audit(schoolbell.AuditFilter{})), 1)
}

func auditPages(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	var want []string
	for i := range 7 {
		e := s.record(schoolbell.AuditEntry{At: auditTime, Actor: schoolbell.Actor{Kind: schoolbell.ActorCLI}, Action: fmt.Sprint("n.", i)})
		want = append([]string{e.Action}, want...)
	}
	var got []string
	for before := ""; ; {
		page, err := s.Reports.AuditEntries(s.ctx(), schoolbell.AuditFilter{}, before, 3)
		s.must(err)
		for _, e := range page {
			got, before = append(got, e.Action), e.ID
		}
		if len(page) < 3 {
			break
		}
	}
	same(t, "actions", got, want)
}

func auditFilters(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for i, e := range []schoolbell.AuditEntry{
		{Actor: schoolbell.Actor{Kind: schoolbell.ActorKey, ID: "k1"}, Action: "event.create", Target: schoolbell.Target{Kind: "event", ID: "e1"}},
		{Actor: schoolbell.Actor{Kind: schoolbell.ActorKey, ID: "k2"}, Action: "event.cancel", Target: schoolbell.Target{Kind: "event", ID: "e1"}},
		{Actor: schoolbell.Actor{Kind: schoolbell.ActorUser, ID: "k1"}, Action: "inbox.read", Target: schoolbell.Target{Kind: "inbox", ID: "k1"}},
		{Actor: schoolbell.Actor{Kind: schoolbell.ActorCLI, ID: "root"}, Action: "key.create", Target: schoolbell.Target{Kind: "key", ID: "e1"}},
	} {
		e.At = auditTime.Add(time.Duration(i) * time.Millisecond)
		s.record(e)
	}
	at := func(i int) time.Time { return auditTime.Add(time.Duration(i) * time.Millisecond) }
	for name, c := range map[string]struct {
		filter schoolbell.AuditFilter
		want   string
	}{
		"everything":          {schoolbell.AuditFilter{}, "[key.create inbox.read event.cancel event.create]"},
		"a kind of actor":     {schoolbell.AuditFilter{Actor: schoolbell.Actor{Kind: schoolbell.ActorKey}}, "[event.cancel event.create]"},
		"one actor":           {schoolbell.AuditFilter{Actor: schoolbell.Actor{Kind: schoolbell.ActorKey, ID: "k1"}}, "[event.create]"},
		"an action":           {schoolbell.AuditFilter{Action: "event.cancel"}, "[event.cancel]"},
		"a part of one":       {schoolbell.AuditFilter{Action: "event"}, "[]"},
		"a kind of target":    {schoolbell.AuditFilter{Target: schoolbell.Target{Kind: "event"}}, "[event.cancel event.create]"},
		"one target":          {schoolbell.AuditFilter{Target: schoolbell.Target{Kind: "key", ID: "e1"}}, "[key.create]"},
		"from a time":         {schoolbell.AuditFilter{From: at(2)}, "[key.create inbox.read]"},
		"before a time":       {schoolbell.AuditFilter{To: at(2)}, "[event.cancel event.create]"},
		"a period":            {schoolbell.AuditFilter{From: at(1), To: at(3)}, "[inbox.read event.cancel]"},
		"before 1970":         {schoolbell.AuditFilter{To: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)}, "[]"},
		"until the year 9999": {schoolbell.AuditFilter{From: at(3), To: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, "[key.create]"},
		"several": {schoolbell.AuditFilter{Actor: schoolbell.Actor{Kind: schoolbell.ActorKey}, Action: "event.create",
			Target: schoolbell.Target{Kind: "event", ID: "e1"}, From: at(0), To: at(1)}, "[event.create]"},
	} {
		got := []string{}
		for _, e := range s.audit(c.filter) {
			got = append(got, e.Action)
		}
		same(t, name, fmt.Sprint(got), c.want)
	}
}

func auditForgets(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("u1"))
	for _, a := range []schoolbell.Actor{{Kind: schoolbell.ActorUser, ID: "u2"}, {Kind: schoolbell.ActorKey, ID: "u1"}, {Kind: schoolbell.ActorUser, ID: "u1"}} {
		s.record(schoolbell.AuditEntry{At: auditTime, Actor: a, Action: "inbox.read", Target: schoolbell.Target{Kind: "inbox", ID: a.ID}, Address: "192.0.2.1"})
	}
	s.must(s.People.DeleteUser(s.ctx(), "u1"))
	var got []string
	for _, e := range s.audit(schoolbell.AuditFilter{}) {
		got = append(got, e.Actor.ID+" "+e.Address)
	}
	same(t, "addresses", got, []string{"u1 ", "u1 192.0.2.1", "u2 192.0.2.1"})
}
