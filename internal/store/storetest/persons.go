package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"schoolbell"
	"schoolbell/internal/store"
)

var persons = []promise{
	{"PutUser keeps every field and replaces all of them", userRoundTrip},
	{"PutUser names every unknown student and stores nothing", userUnknownStudent},
	{"PutUser makes the groups it names that do not exist", userGroups},
	{"PutUsers tells created from updated, also within one call", usersChanges},
	{"PutUsers says who is as before", usersOneDiffers},
	{"PutUsers changes what differs and nothing else", usersDiffer},
	{"PutUsers accepts guardians before their students", usersGuardians},
	{"PutUsers by many callers at once keeps everybody", usersConcurrent},
	{"PutUsers takes thousands in one call", usersMany},
	{"Users pages in order of id", usersPages},
	{"UserByNumber finds a person by the number that links have", userByNumber},
	{"DeleteUser forgets the person and keeps the proof", userDeleted},
	{"DeleteUser shares nothing with a new person of the same id", userReborn},
	{"Preferences keep what is not set again", preferences},
	{"PutSchedule replaces a schedule; PutUsers leaves it", schedules},
	{"PutLanguage stores a language; PutUsers leaves it", languages},
	{"A user who is not there is not found, everywhere", userUnknown},
}

var groups = []promise{
	{"PutGroup keeps every field and replaces all of them", groupRoundTrip},
	{"PutGroup refuses unknown, circular and too deep parents", groupParents},
	{"Groups pages in order of id", groupPages},
}

func (s *testStore) user(id string) *schoolbell.User {
	s.t.Helper()
	u, err := s.People.User(s.ctx(), id)
	s.must(err)
	return u
}

func userRoundTrip(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("s1"), person("s2"))
	u := &schoolbell.User{ID: "A.b_c@d+e~f-1", Name: `Žofie "学校" O'Neil \ 🎒`, Email: "žofie@example.org", Phone: "+442079460018", Locale: "pt-BR", Timezone: "Europe/Lisbon",
		Roles: []schoolbell.Role{schoolbell.RoleParent, schoolbell.RoleTeacher}, Groups: []string{"7a", "chess"}, GuardianOf: []string{"s1", "s2"}}
	change, err := s.People.PutUser(s.ctx(), u)
	s.must(err)
	same(t, "change", change, schoolbell.ChangeCreated)
	same(t, "user", s.user(u.ID), stored(u))

	bare := &schoolbell.User{ID: u.ID, Name: "X", Locale: "en", Timezone: "UTC", Roles: []schoolbell.Role{schoolbell.RoleStaff}}
	change, err = s.People.PutUser(s.ctx(), bare)
	s.must(err)
	same(t, "change", change, schoolbell.ChangeUpdated)
	same(t, "user replaced", s.user(u.ID), stored(bare))

	unsorted := *u
	unsorted.Roles, unsorted.Groups, unsorted.GuardianOf = slices.Clone(u.Roles), slices.Clone(u.Groups), slices.Clone(u.GuardianOf)
	slices.Reverse(unsorted.Roles)
	slices.Reverse(unsorted.Groups)
	slices.Reverse(unsorted.GuardianOf)
	s.put(&unsorted)
	same(t, "user, lists sorted", s.user(u.ID), stored(u))
}

func userUnknownStudent(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("s1"), person("gone"))
	s.must(s.People.DeleteUser(s.ctx(), "gone"))
	u := person("p", schoolbell.RoleParent)
	u.GuardianOf, u.Groups = []string{"nobody", "s1", "gone"}, []string{"new"}
	_, err := s.People.PutUser(s.ctx(), u)
	wantFields(t, err, "guardian_of[0]", "guardian_of[2]")
	_, err = s.People.User(s.ctx(), "p")
	wantCode(t, err, schoolbell.CodeNotFound)
	_, err = s.People.Group(s.ctx(), "new")
	wantCode(t, err, schoolbell.CodeNotFound)
}

func userGroups(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, err := s.People.PutGroup(s.ctx(), &schoolbell.Group{ID: "7a", Name: "Class 7a", Kind: schoolbell.GroupGrade})
	s.must(err)
	u := person("s1")
	u.Groups = []string{"7a", "7b"}
	s.put(u)
	for _, want := range []*schoolbell.Group{{ID: "7a", Name: "Class 7a", Kind: schoolbell.GroupGrade}, {ID: "7b", Name: "7b", Kind: schoolbell.GroupClass}} {
		got, err := s.People.Group(s.ctx(), want.ID)
		s.must(err)
		same(t, "group", got, want)
	}
}

func usersChanges(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("b"))
	second := person("a")
	second.Name = "the later mention"
	got, err := s.People.PutUsers(s.ctx(), []*schoolbell.User{person("a"), person("b"), person("c"), second})
	s.must(err)
	same(t, "changes", got, []schoolbell.Change{schoolbell.ChangeCreated, schoolbell.ChangeNone, schoolbell.ChangeCreated, schoolbell.ChangeUpdated})
	same(t, "name", s.user("a").Name, "the later mention")
	if got, err = s.People.PutUsers(s.ctx(), nil); err != nil || len(got) != 0 {
		t.Errorf("no users: %v, %v", got, err)
	}
}

func usersDiffer(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	parent := func(id string) *schoolbell.User {
		u := person(id, schoolbell.RoleParent, schoolbell.RoleTeacher)
		u.Groups, u.GuardianOf = []string{"7a", "7b"}, []string{"s1", "s2"}
		return u
	}
	put := func(users ...*schoolbell.User) []schoolbell.Change {
		t.Helper()
		changes, err := s.People.PutUsers(s.ctx(), users)
		s.must(err)
		return changes
	}
	put(person("s1"), person("s2"), person("s3"), parent("a"), parent("b"), parent("c"))
	a, b := parent("a"), parent("b")
	a.Roles = []schoolbell.Role{schoolbell.RoleTeacher, schoolbell.RoleStaff, schoolbell.RoleTeacher} // said twice
	a.Groups, a.GuardianOf = []string{"7b", "7c", "7c"}, []string{"s2", "s3", "s3"}
	b.Name, b.Locale = "Another name", "de"
	for _, change := range []schoolbell.Change{schoolbell.ChangeUpdated, schoolbell.ChangeNone} {
		same(t, "changes", put(a, b), []schoolbell.Change{change, change})
		want := *a
		want.Roles = []schoolbell.Role{schoolbell.RoleStaff, schoolbell.RoleTeacher}
		want.Groups, want.GuardianOf = []string{"7b", "7c"}, []string{"s2", "s3"}
		same(t, "user with other links", s.user("a"), stored(&want))
		same(t, "user with another name", s.user("b"), stored(b))
		same(t, "user who was not put", s.user("c"), stored(parent("c")))
	}
}

func usersOneDiffers(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("s1"))
	for name, change := range map[string]func(u *schoolbell.User){
		"name": func(u *schoolbell.User) { u.Name = "Another" }, "language": func(u *schoolbell.User) { u.Locale = "de" },
		"role": func(u *schoolbell.User) { u.Roles = append(u.Roles, schoolbell.RoleStaff) }, "group": func(u *schoolbell.User) { u.Groups = nil },
		"student": func(u *schoolbell.User) { u.GuardianOf = []string{"s1"} }, "address": func(u *schoolbell.User) { u.Email = "new@example.org" },
	} {
		u := person("p-"+name, schoolbell.RoleParent)
		u.Groups = []string{"7a"}
		for _, want := range []schoolbell.Change{schoolbell.ChangeCreated, schoolbell.ChangeNone, schoolbell.ChangeUpdated, schoolbell.ChangeNone} {
			if want == schoolbell.ChangeUpdated {
				change(u)
			}
			got, err := s.People.PutUsers(s.ctx(), []*schoolbell.User{u})
			s.must(err)
			same(t, "change of the "+name, got, []schoolbell.Change{want})
		}
	}
}

func usersGuardians(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	p := person("p", schoolbell.RoleParent)
	p.GuardianOf = []string{"s1", "s2"}
	_, err := s.People.PutUsers(s.ctx(), []*schoolbell.User{p})
	s.must(err)
	if got := s.user("p").GuardianOf; len(got) != 0 {
		t.Errorf("guardian of %v before there are students", got)
	}
	_, err = s.People.User(s.ctx(), "s1")
	wantCode(t, err, schoolbell.CodeNotFound)
	changes, err := s.People.PutUsers(s.ctx(), []*schoolbell.User{person("s1")})
	s.must(err)
	same(t, "change of the awaited student", changes, []schoolbell.Change{schoolbell.ChangeCreated})
	same(t, "guardian of", s.user("p").GuardianOf, []string{"s1"})

	unknown, err := s.People.UnknownUsers(s.ctx(), []string{"s1", "s2", "p"})
	s.must(err)
	same(t, "unknown users", unknown, []string{"s2"})
	s.must(s.People.DropGuardianships(s.ctx(), unknown))
	s.must(s.People.DropGuardianships(s.ctx(), []string{"s1", "never heard of"}))
	s.put(person("s2"))
	same(t, "guardian of, after s2 came too late", s.user("p").GuardianOf, []string{"s1"})
	id := s.create(newEvent(guardians(sel(users("s1", "s2")))))
	s.walk(id, 10, 10)
	same(t, "people reached", s.reached(id, schoolbell.ChannelInApp), []string{"p"})
}

func usersConcurrent(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	var wg sync.WaitGroup
	for i := range 8 {
		s := []*testStore{a, b}[i%2]
		wg.Go(func() {
			var list []*schoolbell.User
			for j := range 60 {
				u := person(userID((i*17 + j) % 100))
				u.Groups = []string{fmt.Sprintf("g%d", j%5), fmt.Sprintf("g%d", i%5)}
				if u.ID != userID(0) {
					u.GuardianOf = []string{userID(0)}
				}
				list = append(list, u)
			}
			if _, err := s.People.PutUsers(t.Context(), list); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := a.People.Users(t.Context(), "", 1_000)
	a.must(err)
	same(t, "users", len(all), 100)
}

func usersMany(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3_000, func(i int, u *schoolbell.User) { u.Groups = []string{fmt.Sprintf("g%d", i%30)} })
	id := s.create(newEvent(schoolbell.Audience{Selector: sel(inGroups("g7"))}))
	_, n := s.walk(id, 1_000, 100)
	same(t, "people in one of 30 groups", n, 100)
}

func usersPages(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	want := []string{"1", "A", "B", "a", "a-b", "a.b", "b", "z", "zz"} // order of bytes, not of a language
	for _, id := range []string{"b", "a.b", "zz", "B", "a", "1", "z", "A", "a-b"} {
		s.put(person(id))
	}
	s.put(person("gone"))
	s.must(s.People.DeleteUser(s.ctx(), "gone"))
	var got []string
	for after := ""; ; {
		page, err := s.People.Users(s.ctx(), after, 3)
		s.must(err)
		for _, u := range page {
			got, after = append(got, u.ID), u.ID
		}
		if len(page) < 3 {
			break
		}
	}
	same(t, "ids", got, want)
}

func userDeleted(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("s1"))
	u := person("gone", schoolbell.RoleStudent, schoolbell.RoleParent)
	u.Groups, u.GuardianOf = []string{"7a"}, []string{"s1"}
	s.put(u)
	ward := person("p", schoolbell.RoleParent)
	ward.GuardianOf = []string{"gone"}
	s.put(ward)
	id := s.create(newEvent(toStudents()))
	s.walk(id, 10, 10)
	s.must(s.People.DeleteUser(s.ctx(), "gone"))

	_, err := s.People.User(s.ctx(), "gone")
	wantCode(t, err, schoolbell.CodeNotFound)
	unknown, err := s.People.UnknownUsers(s.ctx(), []string{"gone", "s1"})
	s.must(err)
	same(t, "unknown users", unknown, []string{"gone"})
	if got := s.user("p").GuardianOf; len(got) != 0 {
		t.Errorf("guardian of %v", got)
	}
	same(t, "email rows", s.status(id, schoolbell.ChannelEmail), map[string]schoolbell.DeliveryStatus{"#2": schoolbell.DeliverySuppressed, "s1": schoolbell.DeliveryPending})
	same(t, "in-app rows", s.status(id, schoolbell.ChannelInApp), map[string]schoolbell.DeliveryStatus{"#2": schoolbell.DeliverySent, "s1": schoolbell.DeliverySent})
	wantCode(t, s.People.DeleteUser(s.ctx(), "gone"), schoolbell.CodeNotFound)
}

func userReborn(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	u := person("a")
	u.Groups = []string{"7a"}
	s.put(u)
	s.optOut("a", schoolbell.CategoryDigest, schoolbell.ChannelEmail)
	s.walk(s.create(newEvent(toStudents())), 10, 10)
	s.must(s.People.DeleteUser(s.ctx(), "a"))
	change, err := s.People.PutUser(s.ctx(), person("a", schoolbell.RoleTeacher))
	s.must(err)
	same(t, "change", change, schoolbell.ChangeCreated)
	same(t, "user", s.user("a"), stored(person("a", schoolbell.RoleTeacher)))
	same(t, "inbox", s.inbox("a"), []string{})
	wishes, err := s.People.Preferences(s.ctx(), "a")
	s.must(err)
	if len(wishes) != 0 {
		t.Errorf("preferences %+v", wishes)
	}
}

func preferences(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("a"), person("b"))
	out := func(c schoolbell.Category, ch schoolbell.Channel, off bool) schoolbell.Preference {
		if off {
			return schoolbell.Preference{Category: c, Channel: ch, Mode: schoolbell.ModeOff}
		}
		return schoolbell.Preference{Category: c, Channel: ch, Mode: schoolbell.ModeInstant}
	}
	s.must(s.People.PutPreferences(s.ctx(), "a", []schoolbell.Preference{out("event", "email", true), out("announcement", "sms", true)}))
	s.must(s.People.PutPreferences(s.ctx(), "a", []schoolbell.Preference{out("announcement", "email", true), out("event", "email", false)}))
	s.put(person("a"))
	got, err := s.People.Preferences(s.ctx(), "a")
	s.must(err)
	same(t, "preferences", got, []schoolbell.Preference{out("announcement", "email", true), out("announcement", "sms", true), out("event", "email", false)})
	got, err = s.People.Preferences(s.ctx(), "b")
	s.must(err)
	if len(got) != 0 {
		t.Errorf("preferences of another: %+v", got)
	}
}

func groupRoundTrip(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for i, g := range []*schoolbell.Group{
		{ID: "school", Name: "Škola 学校", Kind: schoolbell.GroupSchool}, {ID: "7a", Name: "7a", Kind: schoolbell.GroupClass, Parent: "school"},
		{ID: "7a", Name: "7A", Kind: schoolbell.GroupClub},
	} {
		change, err := s.People.PutGroup(s.ctx(), g)
		s.must(err)
		same(t, "change", change, []schoolbell.Change{schoolbell.ChangeCreated, schoolbell.ChangeCreated, schoolbell.ChangeUpdated}[i])
		got, err := s.People.Group(s.ctx(), g.ID)
		s.must(err)
		same(t, "group", got, g)
	}
}

func groupParents(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	put := func(id, parent string) error {
		_, err := s.People.PutGroup(s.ctx(), &schoolbell.Group{ID: id, Name: id, Kind: schoolbell.GroupClass, Parent: parent})
		return err
	}
	wantFields(t, put("a", "nobody"), "parent")
	_, err := s.People.Group(s.ctx(), "a")
	wantCode(t, err, schoolbell.CodeNotFound)
	s.must(put("a", ""))
	s.must(put("b", "a"))
	s.must(put("c", "b"))
	wantFields(t, put("a", "c"), "parent")
	wantFields(t, put("a", "a"), "parent")
	s.must(put("c", "a"))

	parent := ""
	for i := range schoolbell.MaxGroupDepth {
		id := fmt.Sprintf("deep%02d", i)
		s.must(put(id, parent))
		parent = id
	}
	wantFields(t, put("below", parent), "parent")
	wantFields(t, put("deep00", "a"), "parent") // it would push those below too deep
	s.must(put("deep01", "a"))
}

func groupPages(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for _, id := range []string{"c", "a", "B", "d", "b"} {
		_, err := s.People.PutGroup(s.ctx(), &schoolbell.Group{ID: id, Name: id, Kind: schoolbell.GroupClub})
		s.must(err)
	}
	var got []string
	for after := ""; ; {
		page, err := s.People.Groups(s.ctx(), after, 2)
		s.must(err)
		for _, g := range page {
			got, after = append(got, g.ID), g.ID
		}
		if len(page) < 2 {
			break
		}
	}
	same(t, "ids", got, []string{"B", "a", "b", "c", "d"})
}
