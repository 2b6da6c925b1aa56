package storetest

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/staff"
	"schoolbell/internal/store"
)

func staffIdentities(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ada, ben := s.account("ada@example.org", schoolbell.RoleAdmin), s.account("ben@example.org", schoolbell.RoleViewer)
	now := schoolbell.Time(time.Now())
	linked := func(issuer, subject string) staff.Linked {
		return staff.Linked{Issuer: issuer, Subject: subject, At: now}
	}
	_, err := s.Identity.IdentityAccount(s.ctx(), "one", "a")
	s.fails("an unknown identity", err, schoolbell.CodeNotFound)
	_, err = s.Identity.LinkIdentity(s.ctx(), linked("one", "a"), "nobody@example.org")
	s.fails("no account", err, schoolbell.CodeNotFound)
	for range 2 { // two tabs at once
		got, err := s.Identity.LinkIdentity(s.ctx(), linked("one", "a"), ada.Email)
		s.must(err)
		same(t, "linked", got, ada)
	}
	_, err = s.Identity.LinkIdentity(s.ctx(), linked("one", "b"), ada.Email)
	s.fails("a second identity of the account", err, schoolbell.CodeConflict)
	_, err = s.Identity.LinkIdentity(s.ctx(), linked("one", "a"), ben.Email)
	s.fails("a second account of the identity", err, schoolbell.CodeConflict)
	got, err := s.Identity.LinkIdentity(s.ctx(), linked("two", "a"), ben.Email)
	s.must(err)
	same(t, "the same subject of another issuer", got, ben)

	ada.Email = "ada.new@example.org"
	s.must(s.Staff.ChangeAccount(s.ctx(), ada))
	got, err = s.Identity.IdentityAccount(s.ctx(), "one", "a")
	s.must(err)
	same(t, "account", got, ada)
	l, err := s.Identity.Identity(s.ctx(), ada.ID, "one")
	s.must(err)
	same(t, "identity", l, staff.Linked{Issuer: "one", Subject: "a", Account: ada.ID, At: now})

	s.must(s.Sessions.AddSession(s.ctx(), staff.Session{Digest: []byte{1}, Account: ada.ID, CreatedAt: now, UsedAt: now}))
	s.must(s.Identity.UnlinkIdentities(s.ctx(), ada.ID))
	s.fails("unlink again", s.Identity.UnlinkIdentities(s.ctx(), ada.ID), schoolbell.CodeNotFound)
	_, _, err = s.Sessions.Session(s.ctx(), []byte{1})
	s.fails("a session after the link is gone", err, schoolbell.CodeNotFound)
	_, err = s.Identity.Identity(s.ctx(), ada.ID, "one")
	s.fails("the link that is gone", err, schoolbell.CodeNotFound)

	s.must(s.Staff.RemoveAccount(s.ctx(), ben.ID))
	_, err = s.Identity.IdentityAccount(s.ctx(), "two", "a")
	s.fails("the identity of a removed account", err, schoolbell.CodeNotFound)
}
