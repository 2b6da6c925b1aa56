package storetest

import (
	"slices"
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var within = []promise{
	{"Find has the people in groups and their guardians", peopleWithinGroups},
	{"FindGroups finds groups by name and id", foundGroups},
	{"GroupsBelow has groups and all below them", groupsBelowGroups},
	{"Events are found within groups, page by page", eventsWithinGroups},
	{"Groups of staff accounts exist and are kept", staffGroups},
}

// nested makes the groups school, grade and, below that, 7a and 7b, and beside it 8a, each with a student and a guardian of
// theirs. A teacher is in 7a.
func (s *testStore) nested() {
	s.t.Helper()
	for _, g := range []schoolbell.Group{{ID: "school"}, {ID: "grade", Parent: "school"}, {ID: "7a", Parent: "grade"}, {ID: "7b", Parent: "grade"}, {ID: "8a", Parent: "school"}} {
		g.Name, g.Kind = g.ID, schoolbell.GroupClass
		_, err := s.People.PutGroup(s.ctx(), &g)
		s.must(err)
	}
	for _, group := range []string{"7a", "7b", "8a"} {
		student := called("s"+group, "Student "+group, schoolbell.RoleStudent)
		student.Groups = []string{group}
		s.put(student)
		guardian := called("p"+group, "Parent "+group, schoolbell.RoleParent)
		guardian.GuardianOf = []string{student.ID}
		s.put(guardian)
	}
	teacher := called("teacher", "Teacher", schoolbell.RoleTeacher)
	teacher.Groups = []string{"7a"}
	s.put(teacher, called("stranger", "Nobody", schoolbell.RoleParent))
}

func peopleWithinGroups(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.nested()
	for _, c := range []struct {
		groups []string
		want   []string
	}{
		{nil, []string{"stranger", "p7a", "p7b", "p8a", "s7a", "s7b", "s8a", "teacher"}},
		{[]string{"7a"}, []string{"p7a", "s7a", "teacher"}},
		{[]string{"7b", "8a"}, []string{"p7b", "p8a", "s7b", "s8a"}},
		{[]string{"grade"}, []string{"p7a", "p7b", "s7a", "s7b", "teacher"}},
		{[]string{"school"}, []string{"p7a", "p7b", "p8a", "s7a", "s7b", "s8a", "teacher"}},
		{[]string{"none"}, nil},
	} {
		same(t, "people", s.found(schoolbell.UserFilter{Within: c.groups}), c.want)
		if c.groups == nil {
			continue
		}
		found, err := s.Areas.PeopleWithin(s.ctx(), c.groups, []string{"p7a", "p7b", "p8a", "s7a", "s7b", "s8a", "stranger", "teacher", "nobody"})
		s.must(err)
		var ids []string
		for id := range found {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		same(t, "those within", ids, c.want)
	}
	same(t, "parents", s.found(schoolbell.UserFilter{Within: []string{"grade"}, Role: schoolbell.RoleParent}), []string{"p7a", "p7b"})
	same(t, "a text", s.found(schoolbell.UserFilter{Within: []string{"7a"}, Text: "7"}), []string{"p7a", "s7a"})
	s.must(s.People.DeleteUser(s.ctx(), "s7a"))
	same(t, "without the student", s.found(schoolbell.UserFilter{Within: []string{"7a"}}), []string{"teacher"})
	moved := s.user("s7b")
	moved.Groups = []string{"7a"}
	s.put(moved)
	same(t, "with another student", s.found(schoolbell.UserFilter{Within: []string{"7a"}}), []string{"p7b", "s7b", "teacher"})
}

func groupsBelowGroups(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.nested()
	for group, want := range map[string][]string{"7a": {"7a"}, "grade": {"7a", "7b", "grade"}, "school": {"7a", "7b", "8a", "grade", "school"}, "none": nil} {
		groups, err := s.Areas.GroupsBelow(s.ctx(), []string{group, "none"})
		s.must(err)
		var ids []string
		for _, g := range groups {
			ids = append(ids, g.ID)
		}
		same(t, "below "+group, ids, want)
	}
}

// limited adds an account with groups.
func (s *testStore) limited(email string, groups ...string) {
	s.t.Helper()
	a := s.account(email, schoolbell.RoleSender)
	a.Groups = groups
	s.must(s.Staff.ChangeAccount(s.ctx(), a))
}

func eventsWithinGroups(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.nested()
	byTitle := map[string]string{}
	create := func(title string, status schoolbell.EventStatus, groups ...string) {
		ev := titled(title, toStudents())
		ev.CreatedWithin, ev.Status = groups, status
		stored, _, err := s.Events.CreateEvent(s.ctx(), ev, nil, ledger.Idempotency{})
		s.must(err)
		same(t, "the groups of a stored event", stored.CreatedWithin, []string(nil))
		byTitle[title] = stored.ID
	}
	s.account("f@example.org", schoolbell.RoleAdmin)
	s.limited("a@example.org", "7a")
	s.limited("b@example.org", "7b")
	s.limited("c@example.org", "7a", "7b")
	s.limited("d@example.org", "grade")
	s.limited("e@example.org", "7a", "8a")
	create("everything", schoolbell.EventQueued)
	for i, groups := range [][]string{{"7a"}, {"7b"}, {"7b", "7a"}, {"grade"}, {"7a", "8a"}, {"7a"}} {
		create([]string{"first of a", "of b", "of both", "of the grade", "of a and 8", "second of a"}[i], schoolbell.EventQueued, groups...)
	}
	create("of a, held", schoolbell.EventHeld, "7a")
	many := titled("of a, one of many", toStudents())
	many.CreatedWithin = []string{"7a"}
	_, err := s.Events.CreateEvents(s.ctx(), []ledger.NewEvent{{Event: many}}, nil)
	s.must(err)
	byTitle[many.Title] = many.ID

	list := func(f schoolbell.EventFilter) (titles []string) {
		for before := ""; ; {
			page, err := s.Reports.Events(s.ctx(), f, before, 2)
			s.must(err)
			for _, ev := range page {
				titles, before = append(titles, ev.Title), ev.ID
			}
			if len(page) < 2 {
				return titles
			}
		}
	}
	ofA := []string{"of a, one of many", "of a, held", "second of a", "first of a"}
	for _, c := range []struct{ groups, want []string }{
		{[]string{"7a"}, ofA},
		{[]string{"7b"}, []string{"of b"}},
		{[]string{"7a", "7b"}, []string{"of a, one of many", "of a, held", "second of a", "of both", "of b", "first of a"}},
		{[]string{"grade"}, []string{"of a, one of many", "of a, held", "second of a", "of the grade", "of both", "of b", "first of a"}},
		{[]string{"school"}, []string{"of a, one of many", "of a, held", "second of a", "of a and 8", "of the grade", "of both", "of b", "first of a"}},
		{[]string{"8a"}, nil}, {[]string{"none"}, nil},
	} {
		same(t, "events", list(schoolbell.EventFilter{Within: c.groups}), c.want)
		for title, id := range byTitle {
			in, err := s.Areas.EventWithin(s.ctx(), id, c.groups)
			s.must(err)
			if in != slices.Contains(c.want, title) {
				t.Errorf("%q within %v: %v", title, c.groups, in)
			}
		}
	}
	same(t, "held", list(schoolbell.EventFilter{Within: []string{"7a"}, Status: schoolbell.EventHeld}), []string{"of a, held"})
	same(t, "a text", list(schoolbell.EventFilter{Within: []string{"grade"}, Text: "OF B"}), []string{"of both", "of b"})
	same(t, "an id outside", list(schoolbell.EventFilter{Within: []string{"grade"}, Text: byTitle["everything"]}), []string(nil))
	if in, err := s.Areas.EventWithin(s.ctx(), "nothing", []string{"school"}); in || err != nil {
		t.Errorf("no event: %v, %v", in, err)
	}
}

func staffGroups(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.nested()
	s.account("ada@example.org", schoolbell.RoleAdmin)
	ben := s.account("ben@example.org", schoolbell.RoleSender)
	ben.Groups = []string{"7a", "none"}
	wantFields(t, s.Staff.ChangeAccount(s.ctx(), ben), "groups")
	unknown := ben
	unknown.ID, unknown.Email = "another", "another@example.org"
	wantFields(t, s.Staff.AddAccount(s.ctx(), unknown), "groups")
	for _, groups := range [][]string{{"7a", "7b"}, {"7a"}, {"7a", "7b"}, nil} {
		ben.Groups = groups
		s.must(s.Staff.ChangeAccount(s.ctx(), ben))
		got, err := s.Staff.Account(s.ctx(), ben.ID)
		s.must(err)
		same(t, "groups", got.Groups, groups)
	}
}

func foundGroups(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.nested()
	_, err := s.People.PutGroup(s.ctx(), &schoolbell.Group{ID: "swim", Name: "100%_ Swimmers", Kind: schoolbell.GroupClub})
	s.must(err)
	for _, c := range []struct {
		filter schoolbell.GroupFilter
		want   []string
	}{
		{schoolbell.GroupFilter{}, []string{"swim", "7a", "7b", "8a", "grade", "school"}},
		{schoolbell.GroupFilter{Text: "IMMERS"}, []string{"swim"}},
		{schoolbell.GroupFilter{Text: "swi"}, []string{"swim"}},
		{schoolbell.GroupFilter{Text: "%_"}, []string{"swim"}},
		{schoolbell.GroupFilter{Text: "7"}, []string{"7a", "7b"}},
		{schoolbell.GroupFilter{Text: "a", Within: []string{"grade"}}, []string{"7a", "grade"}},
		{schoolbell.GroupFilter{IDs: []string{"7a", "8a", "none"}, Within: []string{"grade"}}, []string{"7a"}},
		{schoolbell.GroupFilter{IDs: []string{}}, nil},
		{schoolbell.GroupFilter{Within: []string{"none"}}, nil},
	} {
		groups, err := s.Areas.FindGroups(s.ctx(), c.filter, 10)
		s.must(err)
		var ids []string
		for _, g := range groups {
			ids = append(ids, g.ID)
		}
		same(t, "found", ids, c.want)
	}
	one, err := s.Areas.FindGroups(s.ctx(), schoolbell.GroupFilter{}, 1)
	s.must(err)
	same(t, "at most", len(one), 1)
}
