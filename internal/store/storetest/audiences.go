package storetest

import (
	"fmt"
	"slices"
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var audiences = []promise{
	{"An audience selects each person once", audienceForms},
	{"An audience selects the members of nested groups", audienceNested},
	{"An audience never selects deleted or missing persons", audienceGone},
	{"An audience is walked exactly in chunks of any size", audienceChunks},
	{"An audience of people far apart is suppressed as others are", audienceSpread},
}

// staffed makes a small school: students s0 to s5 in classes 7a (0,1,2) and 7b
// (3,4), both in grade7 in school, s5 and teacher t0 in the chess club; parents p0
// of s0 and s3, p1 of s3, tp who teaches and is a parent of s4.
func (s *testStore) staffed() {
	s.t.Helper()
	for _, g := range []schoolbell.Group{
		{ID: "school", Kind: schoolbell.GroupSchool}, {ID: "grade7", Kind: schoolbell.GroupGrade, Parent: "school"},
		{ID: "7a", Kind: schoolbell.GroupClass, Parent: "grade7"}, {ID: "7b", Kind: schoolbell.GroupClass, Parent: "grade7"}, {ID: "chess", Kind: schoolbell.GroupClub},
	} {
		g.Name = g.ID
		_, err := s.People.PutGroup(s.ctx(), &g)
		s.must(err)
	}
	for i, groups := range [][]string{{"7a"}, {"7a"}, {"7a"}, {"7b"}, {"7b"}, {"chess"}} {
		u := person(fmt.Sprintf("s%d", i))
		u.Groups = groups
		s.put(u)
	}
	teacher := person("t0", schoolbell.RoleTeacher)
	teacher.Groups = []string{"chess"}
	p0, p1 := person("p0", schoolbell.RoleParent), person("p1", schoolbell.RoleParent)
	p0.GuardianOf, p1.GuardianOf = []string{"s0", "s3"}, []string{"s3"}
	both := person("tp", schoolbell.RoleTeacher, schoolbell.RoleParent)
	both.GuardianOf = []string{"s4"}
	s.put(teacher, p0, p1, both)
}

// audienceCases names who is picked of the staffed school.
var audienceCases = []struct {
	name     string
	audience schoolbell.Audience
	want     []string
}{
	{"a role", schoolbell.Audience{Selector: sel(roles("teacher"))}, []string{"t0", "tp"}},
	{"several roles of one person", schoolbell.Audience{Selector: sel(roles("teacher", "parent"))}, []string{"p0", "p1", "t0", "tp"}},
	{"a class", schoolbell.Audience{Selector: sel(inGroups("7b"))}, []string{"s3", "s4"}},
	{"a group of groups", schoolbell.Audience{Selector: sel(inGroups("school"))}, []string{"s0", "s1", "s2", "s3", "s4"}},
	{"a group and one below it", schoolbell.Audience{Selector: sel(inGroups("school", "7a"))}, []string{"s0", "s1", "s2", "s3", "s4"}},
	{"named users", schoolbell.Audience{Selector: sel(users("s5", "p1"))}, []string{"p1", "s5"}},
	{"all three", schoolbell.Audience{Selector: sel(roles("teacher"), inGroups("chess"), users("tp", "s0"))}, []string{"s0", "s5", "t0", "tp"}},
	{"guardians of a class", guardians(sel(inGroups("7b"))), []string{"p0", "p1", "tp"}},
	{"guardians of a grade", guardians(sel(inGroups("grade7"))), []string{"p0", "p1", "tp"}},
	{"guardians of a named student", guardians(sel(users("s0"))), []string{"p0"}},
	{"guardians of all students", guardians(sel(roles("student"))), []string{"p0", "p1", "tp"}},
	{"guardians of people without", guardians(sel(users("s5"))), nil},
	{"a class and its guardians", schoolbell.Audience{Selector: sel(inGroups("7b")), GuardiansOf: ptr(sel(inGroups("7b")))}, []string{"p0", "p1", "s3", "s4", "tp"}},
	{"a role less a group", schoolbell.Audience{Selector: sel(roles("student")), Exclude: ptr(sel(inGroups("grade7")))}, []string{"s5"}},
	{"a grade less a class, a role and a name", schoolbell.Audience{Selector: sel(inGroups("school"), roles("teacher")),
		Exclude: ptr(sel(inGroups("7a"), roles("parent"), users("s3")))}, []string{"s4", "t0"}},
	{"guardians less a guardian", schoolbell.Audience{GuardiansOf: ptr(sel(inGroups("7b"))), Exclude: ptr(sel(users("p1")))}, []string{"p0", "tp"}},
	{"everybody excluded", schoolbell.Audience{Selector: sel(users("s0")), Exclude: ptr(sel(roles("student")))}, nil},
}

func roles(rs ...schoolbell.Role) func(*schoolbell.Selector) {
	return func(s *schoolbell.Selector) { s.Roles = rs }
}

func inGroups(ids ...string) func(*schoolbell.Selector) {
	return func(s *schoolbell.Selector) { s.Groups = ids }
}

func users(ids ...string) func(*schoolbell.Selector) {
	return func(s *schoolbell.Selector) { s.Users = ids }
}

func sel(parts ...func(*schoolbell.Selector)) (s schoolbell.Selector) {
	for _, p := range parts {
		p(&s)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

func guardians(of schoolbell.Selector) schoolbell.Audience {
	return schoolbell.Audience{GuardiansOf: &of}
}

func audienceForms(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.staffed()
	for _, c := range audienceCases {
		id := s.create(newEvent(c.audience))
		_, n := s.walk(id, 100, 10)
		same(t, c.name, s.reached(id, schoolbell.ChannelInApp), c.want)
		same(t, c.name+": people counted", n, len(c.want))
	}
}

func audienceChunks(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.staffed()
	for _, c := range audienceCases {
		for _, size := range []int{1, 2, 3} {
			id := s.create(newEvent(c.audience))
			_, n := s.walk(id, size, 1)
			same(t, fmt.Sprintf("%s in chunks of %d", c.name, size), s.reached(id, schoolbell.ChannelEmail), c.want)
			same(t, c.name+": people counted", n, len(c.want))
		}
	}
}

func audienceNested(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	parent := ""
	var want []string
	for i := range schoolbell.MaxGroupDepth {
		id := fmt.Sprintf("g%02d", i)
		_, err := s.People.PutGroup(s.ctx(), &schoolbell.Group{ID: id, Name: id, Kind: schoolbell.GroupClass, Parent: parent})
		s.must(err)
		parent = id
		u := person("in-" + id)
		u.Groups = []string{id}
		s.put(u)
		want = append(want, u.ID)
	}
	id := s.create(newEvent(schoolbell.Audience{Selector: sel(inGroups("g00"))}))
	s.walk(id, 5, 5)
	same(t, "people reached", s.reached(id, schoolbell.ChannelInApp), want)
}

func audienceGone(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	u := person("gone", schoolbell.RoleStudent, schoolbell.RoleParent)
	u.Groups = []string{"7a"}
	s.people(2, func(_ int, u *schoolbell.User) { u.Groups = []string{"7a"} })
	s.put(u)
	guardian := person("p", schoolbell.RoleParent)
	guardian.GuardianOf = []string{"awaited", "gone"}
	_, err := s.People.PutUsers(s.ctx(), []*schoolbell.User{guardian})
	s.must(err)
	audience := schoolbell.Audience{Selector: sel(roles(schoolbell.Roles()...), inGroups("7a"), users("gone", "p")), GuardiansOf: ptr(sel(users("gone")))}
	id := s.create(newEvent(audience))
	s.must(s.People.DeleteUser(s.ctx(), "gone"))
	s.walk(id, 10, 10)
	want := []string{"p", userID(0), userID(1)}
	slices.Sort(want)
	same(t, "people reached", s.reached(id, schoolbell.ChannelInApp), want)
}

// audienceSpread walks 8 teachers among 160 people. Those between them have other addresses and preferences.
func audienceSpread(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	var teachers []string
	s.people(160, func(i int, u *schoolbell.User) {
		switch {
		case i%20 == 7:
			u.Roles, teachers = []schoolbell.Role{schoolbell.RoleTeacher}, append(teachers, u.ID)
			if i == 47 {
				u.Email = ""
			}
		case i%2 == 0:
			u.Email = ""
		}
	})
	s.optOut(teachers[3], schoolbell.CategoryAnnouncement, schoolbell.ChannelEmail)
	s.optOut(userID(68), schoolbell.CategoryAnnouncement, schoolbell.ChannelEmail)
	id := s.create(newEvent(schoolbell.Audience{Selector: sel(roles(schoolbell.RoleTeacher))}))
	batches, _ := s.walk(id, 4, 3)
	same(t, "batches", batches, []ledger.Batch{
		{EventID: id, Channel: schoolbell.ChannelEmail, Seq: 1, Size: 2},
		{EventID: id, Channel: schoolbell.ChannelEmail, Seq: 2, Size: 3},
		{EventID: id, Channel: schoolbell.ChannelEmail, Seq: 3, Size: 1}})
	same(t, "people reached in-app", s.reached(id, schoolbell.ChannelInApp), teachers)
	reasons := map[string]string{}
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{Status: schoolbell.DeliverySuppressed}) {
		reasons[d.UserID] = d.Reason
	}
	same(t, "suppressed rows", reasons, map[string]string{teachers[2]: schoolbell.ReasonNoAddress, teachers[3]: schoolbell.ReasonOptedOut})
}
