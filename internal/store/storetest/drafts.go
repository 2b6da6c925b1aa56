package storetest

import (
	"strconv"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/staff"
	"schoolbell/internal/store"
)

func staffDrafts(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ada, ben := s.account("ada@example.org", schoolbell.RoleAdmin), s.account("ben@example.org", schoolbell.RoleSender)
	now := schoolbell.Time(time.Now())
	put := func(account, id, title string, at time.Time) error {
		return s.Drafts.PutDraft(s.ctx(), staff.Draft{ID: id, Account: account, Title: title, Form: []byte(`{"Title":"` + title + `"}`), SavedAt: at}, staff.EventScope(account))
	}
	s.must(put(ada.ID, "a", "Gala", now.Add(-time.Hour)))
	s.must(put(ada.ID, "b", "Snow", now))
	s.must(put(ben.ID, "a", "Choir", now))
	s.must(put(ada.ID, "a", "Gala at ten", now.Add(time.Minute)))
	got, err := s.Drafts.Draft(s.ctx(), ada.ID, "a")
	s.must(err)
	same(t, "draft", got, staff.Draft{ID: "a", Account: ada.ID, Title: "Gala at ten", Form: []byte(`{"Title":"Gala at ten"}`), SavedAt: now.Add(time.Minute)})
	same(t, "drafts of ada", s.draftIDs(ada.ID), "a b")
	same(t, "drafts of ben", s.draftIDs(ben.ID), "a")
	_, err = s.Drafts.Draft(s.ctx(), ben.ID, "b")
	s.fails("the draft of another", err, schoolbell.CodeNotFound)

	_, _, err = s.Events.CreateEvent(s.ctx(), newEvent(toStudents()), nil, ledger.Idempotency{Scope: staff.EventScope(ada.ID), Key: "a", Fingerprint: "f"})
	s.must(err)
	s.must(s.Drafts.RemoveDraft(s.ctx(), ada.ID, "a"))
	s.must(s.Drafts.RemoveDraft(s.ctx(), ada.ID, "a"))
	s.fails("the draft of a form that was sent", put(ada.ID, "a", "Gala", now), schoolbell.CodeConflict)
	s.must(put(ben.ID, "a", "Choir at ten", now))
	same(t, "drafts left", s.draftIDs(ada.ID)+", "+s.draftIDs(ben.ID), "b, a")

	for i := range schoolbell.MaxDrafts - 1 {
		s.must(put(ben.ID, "n"+strconv.Itoa(i), "x", now.Add(-48*time.Hour)))
	}
	s.fails("one draft too many", put(ben.ID, "more", "x", now), schoolbell.CodeConflict)
	s.must(put(ben.ID, "n1", "again", now))
	s.must(s.Drafts.RemoveOldDrafts(s.ctx(), now.Add(-time.Hour)))
	same(t, "drafts that are not old", s.draftIDs(ada.ID)+", "+s.draftIDs(ben.ID), "b, a n1")
	s.must(s.Staff.RemoveAccount(s.ctx(), ben.ID))
	same(t, "after the account was removed", s.draftIDs(ben.ID), "")
}

// draftIDs returns the ids of an account's drafts, which it also counts.
func (s *testStore) draftIDs(account string) (ids string) {
	s.t.Helper()
	all, err := s.Drafts.Drafts(s.ctx(), account)
	s.must(err)
	n, err := s.Drafts.CountDrafts(s.ctx(), account)
	s.must(err)
	same(s.t, "count", n, len(all))
	for i, d := range all {
		if i > 0 {
			ids += " "
		}
		ids += d.ID
	}
	return ids
}
