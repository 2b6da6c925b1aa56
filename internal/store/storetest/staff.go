package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/staff"
	"schoolbell/internal/store"
)

var accounts = []promise{
	{"Staff accounts are added, changed and removed", staffAccounts},
	{"There is always an admin", staffLastAdmin},
	{"A link is used once", staffLinks},
	{"The first account needs its link and that there is no other", staffFirst},
	{"Sessions end with their account, password and age", staffSessions},
	{"Identities belong to one account, and go with it", staffIdentities},
	{"Drafts are their account's own, bounded, and gone once sent", staffDrafts},
}

func (s *testStore) account(email string, role schoolbell.StaffRole) schoolbell.StaffAccount {
	s.t.Helper()
	a := schoolbell.StaffAccount{ID: uuid.NewString(), Email: email, Name: email, Role: role, Urgent: true, CreatedAt: schoolbell.Time(time.Now())}
	s.must(s.Staff.AddAccount(s.ctx(), a))
	return a
}

func (s *testStore) link(account string, digest byte) []byte {
	s.t.Helper()
	l := staff.Link{Digest: []byte{digest}, Account: account, ExpiresAt: schoolbell.Time(time.Now().Add(time.Hour))}
	s.must(s.Staff.AddLink(s.ctx(), l))
	got, err := s.Staff.Link(s.ctx(), l.Digest)
	s.must(err)
	same(s.t, "link", got, l)
	return l.Digest
}

// fails expects an error with a code.
func (s *testStore) fails(what string, err error, code schoolbell.Code) {
	s.t.Helper()
	if schoolbell.CodeOf(err) != code {
		s.t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func staffAccounts(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ada, ben := s.account("ada@example.org", schoolbell.RoleAdmin), s.account("ben@example.org", schoolbell.RoleViewer)
	s.fails("the same address", s.Staff.AddAccount(s.ctx(), schoolbell.StaffAccount{ID: uuid.NewString(), Email: ada.Email, CreatedAt: ada.CreatedAt}), schoolbell.CodeConflict)
	ben.Name, ben.Role, ben.Urgent = "Ben", schoolbell.RoleSender, false
	s.must(s.Staff.ChangeAccount(s.ctx(), ben))
	all, err := s.Staff.Accounts(s.ctx())
	s.must(err)
	same(t, "accounts", all, []schoolbell.StaffAccount{ben, ada})
	got, err := s.Staff.Account(s.ctx(), ben.ID)
	s.must(err)
	same(t, "account", got, ben)
	got, hash, err := s.Staff.Credentials(s.ctx(), ben.Email)
	s.must(err)
	same(t, "hash", hash, "")
	same(t, "account by address", got, ben)
	ben.Email = ada.Email
	s.fails("the address of another", s.Staff.ChangeAccount(s.ctx(), ben), schoolbell.CodeConflict)
	s.must(s.Staff.RemoveAccount(s.ctx(), ben.ID))
	for what, err := range map[string]error{"remove": s.Staff.RemoveAccount(s.ctx(), ben.ID), "change": s.Staff.ChangeAccount(s.ctx(), schoolbell.StaffAccount{ID: ben.ID, Email: "x@example.org"})} {
		s.fails(what, err, schoolbell.CodeNotFound)
	}
	_, err = s.Staff.Account(s.ctx(), ben.ID)
	s.fails("account", err, schoolbell.CodeNotFound)
	_, _, err = s.Staff.Credentials(s.ctx(), "nobody@example.org")
	s.fails("credentials", err, schoolbell.CodeNotFound)
}

func staffLastAdmin(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ada, ben := s.account("ada@example.org", schoolbell.RoleAdmin), s.account("ben@example.org", schoolbell.RoleAdmin)
	var failed []error
	var mu sync.Mutex
	var both sync.WaitGroup
	for _, id := range []string{ada.ID, ben.ID} { // at the same time
		both.Go(func() {
			if err := s.Staff.RemoveAccount(s.ctx(), id); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
		})
	}
	both.Wait()
	same(t, "failed removals", len(failed), 1)
	s.fails("remove the last admin", failed[0], schoolbell.CodeConflict)
	all, err := s.Staff.Accounts(s.ctx())
	s.must(err)
	same(t, "accounts", len(all), 1)
	all[0].Role = schoolbell.RoleSender
	s.fails("demote the last admin", s.Staff.ChangeAccount(s.ctx(), all[0]), schoolbell.CodeConflict)
}

func staffLinks(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ada := s.account("ada@example.org", schoolbell.RoleAdmin)
	old, link := s.link(ada.ID, 1), s.link(ada.ID, 2)
	_, err := s.Staff.Link(s.ctx(), old)
	s.fails("an earlier link", err, schoolbell.CodeNotFound)
	s.fails("an earlier link", s.Staff.SetPassword(s.ctx(), old, "hash"), schoolbell.CodeNotFound)
	s.must(s.Staff.SetPassword(s.ctx(), link, "hash"))
	s.fails("a used link", s.Staff.SetPassword(s.ctx(), link, "hash"), schoolbell.CodeNotFound)
	a, hash, err := s.Staff.Credentials(s.ctx(), ada.Email)
	s.must(err)
	same(t, "hash and password", fmt.Sprint(hash, " ", a.Password), "hash true")
	s.fails("the link of an account for the first one", s.Staff.AddFirstAccount(s.ctx(), s.link(ada.ID, 3), ada, "hash"), schoolbell.CodeNotFound)
}

func staffFirst(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ada := schoolbell.StaffAccount{ID: uuid.NewString(), Email: "ada@example.org", Name: "Ada", Role: schoolbell.RoleAdmin, CreatedAt: schoolbell.Time(time.Now())}
	s.fails("no link", s.Staff.AddFirstAccount(s.ctx(), []byte{9}, ada, "hash"), schoolbell.CodeNotFound)
	link := s.link("", 1)
	s.fails("the link of the first account for a password", s.Staff.SetPassword(s.ctx(), link, "hash"), schoolbell.CodeNotFound)
	s.must(s.Staff.AddFirstAccount(s.ctx(), link, ada, "hash"))
	got, hash, err := s.Staff.Credentials(s.ctx(), ada.Email)
	s.must(err)
	same(t, "account", fmt.Sprint(got.ID, hash, got.Password), fmt.Sprint(ada.ID, "hash", true))
	ada.ID, ada.Email = uuid.NewString(), "eve@example.org"
	s.fails("a second first account", s.Staff.AddFirstAccount(s.ctx(), s.link("", 2), ada, "hash"), schoolbell.CodeConflict)
}

func staffSessions(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ada, ben := s.account("ada@example.org", schoolbell.RoleAdmin), s.account("ben@example.org", schoolbell.RoleViewer)
	now := schoolbell.Time(time.Now())
	begin := func(digest byte, account string, at time.Time) []byte {
		s.must(s.Sessions.AddSession(s.ctx(), staff.Session{Digest: []byte{digest}, Account: account, CreatedAt: at, UsedAt: at}))
		return []byte{digest}
	}
	isOpen := func(digest []byte) bool {
		_, _, err := s.Sessions.Session(s.ctx(), digest)
		if err != nil {
			s.fails("session", err, schoolbell.CodeNotFound)
		}
		return err == nil
	}
	first := begin(1, ada.ID, now)
	found, a, err := s.Sessions.Session(s.ctx(), first)
	s.must(err)
	same(t, "session", found, staff.Session{Digest: first, Account: ada.ID, CreatedAt: now, UsedAt: now})
	same(t, "account", fmt.Sprint(a.Email, a.SignedInAt), fmt.Sprint(ada.Email, now))
	later := now.Add(time.Hour)
	s.must(s.Sessions.NoteSessionUse(s.ctx(), first, later))
	s.must(s.Sessions.NoteSessionUse(s.ctx(), first, now))
	found, _, err = s.Sessions.Session(s.ctx(), first)
	s.must(err)
	same(t, "last use", found.UsedAt, later)
	s.fails("a session of nobody", s.Sessions.AddSession(s.ctx(), staff.Session{Digest: []byte{9}, Account: "nobody", CreatedAt: now, UsedAt: now}), schoolbell.CodeNotFound)

	several, accounts, err := s.Sessions.Sessions(s.ctx(), [][]byte{first, {77}, begin(5, ben.ID, now)})
	s.must(err)
	same(t, "sessions", len(several), 2)
	for _, session := range several {
		one, a, err := s.Sessions.Session(s.ctx(), session.Digest)
		s.must(err)
		same(t, "one of several sessions", session, one)
		same(t, "its account", accounts[session.Account], a)
	}

	second, old, third := begin(2, ada.ID, now), begin(3, ada.ID, now.Add(-48*time.Hour)), begin(4, ben.ID, now)
	s.must(s.Sessions.RemoveEnded(s.ctx(), now.Add(-time.Hour), now.Add(-100*time.Hour), now))
	same(t, "after an hour", fmt.Sprint(isOpen(second), isOpen(old), isOpen(third)), "true false true")
	s.must(s.Sessions.RemoveEnded(s.ctx(), now.Add(-time.Hour), now.Add(time.Minute), now))
	same(t, "too old", fmt.Sprint(isOpen(second), isOpen(third)), "false false")

	first, third = begin(1, ada.ID, now), begin(4, ben.ID, now)
	s.must(s.Sessions.EndSession(s.ctx(), first))
	s.must(s.Sessions.EndSessions(s.ctx(), ben.ID))
	same(t, "ended", fmt.Sprint(isOpen(first), isOpen(third)), "false false")
	first, third = begin(1, ada.ID, now), begin(4, ben.ID, now)
	s.must(s.Staff.SetPassword(s.ctx(), s.link(ada.ID, 7), "hash"))
	s.must(s.Staff.RemoveAccount(s.ctx(), ben.ID))
	same(t, "ended with the password and the account", fmt.Sprint(isOpen(first), isOpen(third)), "false false")

	ctx := ledger.WithChange(s.ctx(), ledger.NewChange(schoolbell.AuditEntry{At: now, Actor: schoolbell.Actor{Kind: schoolbell.ActorStaff, ID: ada.ID}, Action: "staff.sign_in", Target: schoolbell.Target{Kind: "staff", ID: ada.ID}}))
	s.must(s.Sessions.AddSession(ctx, staff.Session{Digest: []byte{8}, Account: ada.ID, CreatedAt: now, UsedAt: now}))
	entries, err := s.Reports.AuditEntries(s.ctx(), schoolbell.AuditFilter{Action: "staff.sign_in"}, "", 10)
	s.must(err)
	same(t, "audit entries", len(entries), 1)
}
