package storetest

import (
	"fmt"
	"testing"

	"schoolbell"
	"schoolbell/internal/store"
)

var directory = []promise{
	{"Find lists people by name, page by page", directoryPages},
	{"Find finds names, and beginnings of ids and addresses", directoryFinds},
	{"Find finds the few among many, and the first of many", directoryFindsMany},
	{"Names has the names of people who are there", directoryNames},
	{"Guardians are those of a student", directoryGuardians},
}

// found returns the ids of all people that match, read in pages of two.
func (s *testStore) found(f schoolbell.UserFilter) (ids []string) {
	s.t.Helper()
	for after := (schoolbell.UserPlace{}); ; {
		page, err := s.Directory.Find(s.ctx(), f, after, 2)
		s.must(err)
		for _, u := range page {
			same(s.t, "user "+u.ID, u, s.user(u.ID))
			ids = append(ids, u.ID)
			after = schoolbell.UserPlace{Name: u.Name, ID: u.ID}
		}
		if len(page) < 2 {
			return ids
		}
	}
}

// called returns a person with a name.
func called(id, name string, roles ...schoolbell.Role) *schoolbell.User {
	u := person(id, roles...)
	u.Name = name
	return u
}

func directoryPages(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	same(t, "nobody", s.found(schoolbell.UserFilter{}), []string(nil))
	s.put(called("5", "bram"), called("4", "Bram"), called("3", "Corin", schoolbell.RoleParent), called("2", "aldous", schoolbell.RoleTeacher, schoolbell.RoleParent),
		called("1", "Žofie"), called("0", "Corin"), called("gone", "Aaron"))
	s.must(s.People.DeleteUser(s.ctx(), "gone"))
	same(t, "everybody", s.found(schoolbell.UserFilter{}), []string{"2", "4", "5", "0", "3", "1"})
	same(t, "parents", s.found(schoolbell.UserFilter{Role: schoolbell.RoleParent}), []string{"2", "3"})
	same(t, "staff", s.found(schoolbell.UserFilter{Role: schoolbell.RoleStaff}), []string(nil))
	same(t, "parents in a search", s.found(schoolbell.UserFilter{Role: schoolbell.RoleParent, Text: "corin"}), []string{"3"})
}

func directoryFinds(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	yara := called("par-20418", "Yara Mossfield", schoolbell.RoleParent)
	yara.Email, yara.Phone = "Yara@Mossfield.example", "+447700900142"
	nia := called("stu-1", "Nia Mossfield")
	nia.Email = ""
	other := called("100%_x", `50% of \ them`)
	other.Addresses = []schoolbell.Address{{Channel: schoolbell.ChannelEmail, Address: "second@example.org"}}
	s.put(yara, nia, other)
	for text, want := range map[string][]string{
		"mossfield":      {"stu-1", "par-20418"},
		"field":          {"stu-1", "par-20418"},
		"YARA@mossfield": {"par-20418"},
		"@mossfield":     nil,
		"par-2":          {"par-20418"},
		"20418":          nil,
		"+447700":        {"par-20418"},
		"second@":        {"100%_x"},
		"100%_x@":        {"100%_x"},
		"%":              {"100%_x"},
		`\`:              {"100%_x"},
		"_":              nil,
		"'":              nil,
	} {
		same(t, text, s.found(schoolbell.UserFilter{Text: text}), want)
	}
}

func directoryFindsMany(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	users := make([]*schoolbell.User, 2_500)
	for i := range users {
		users[i] = called(fmt.Sprintf("u%04d", i), fmt.Sprintf("Person %04d", i))
	}
	for _, i := range []int{1, 2_300, 2_400} {
		users[i].Name += " of the Choir"
	}
	_, err := s.People.PutUsers(s.ctx(), users)
	s.must(err)
	same(t, "the few", s.found(schoolbell.UserFilter{Text: "THE CHOIR"}), []string{"u0001", "u2300", "u2400"})
	same(t, "the few with a role", s.found(schoolbell.UserFilter{Text: "choir", Role: schoolbell.RoleStaff}), []string(nil))
	same(t, "by id", s.found(schoolbell.UserFilter{Text: "u249"})[9:], []string{"u2499"})
	for after, want := range map[string]string{"": "u2000", "Person 2399": "u2399"} {
		page, err := s.Directory.Find(s.ctx(), schoolbell.UserFilter{Text: "erson 2"}, schoolbell.UserPlace{Name: after}, 1)
		s.must(err)
		same(t, "the first of many", page[0].ID, want)
	}
}

func directoryNames(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(called("a", "Ada"), called("b", "Bo"), called("gone", "Gone"))
	s.must(s.People.DeleteUser(s.ctx(), "gone"))
	names, err := s.Directory.Names(s.ctx(), []string{"a", "gone", "b", "nobody", "a"})
	s.must(err)
	same(t, "names", names, map[string]string{"a": "Ada", "b": "Bo"})
}

func directoryGuardians(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.put(person("s1"), person("s2"))
	for _, id := range []string{"p2", "p1", "gone"} {
		u := person(id, schoolbell.RoleParent)
		u.GuardianOf = []string{"s1"}
		s.put(u)
	}
	s.must(s.People.DeleteUser(s.ctx(), "gone"))
	for student, want := range map[string][]string{"s1": {"p1", "p2"}, "s2": nil, "nobody": nil} {
		got, err := s.Directory.Guardians(s.ctx(), student, 10)
		s.must(err)
		same(t, "guardians of "+student, append([]string(nil), got...), want)
	}
	first, err := s.Directory.Guardians(s.ctx(), "s1", 1)
	s.must(err)
	same(t, "the first", first, []string{"p1"})
}
