package cli

import (
	"context"
	"fmt"

	"schoolbell"
)

// demoPage is how many people are stored or looked up at a time.
const demoPage = 1000

var (
	firstNames = []string{"Ada", "Ben", "Chloé", "Deniz", "Emma", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kofi", "Lena", "Mira", "Noah", "Olga", "Pablo"}
	lastNames  = []string{"Álvarez", "Brown", "Chen", "Dubois", "Evans", "Fischer", "García", "Haddad", "Ito", "Jensen", "Kowalski", "Lopez", "Müller", "Nguyen", "Okafor"}
)

// having is how many of the people have a role: of a hundred, five are teachers,
// fifteen parents and the rest students.
func (d *demo) having(r schoolbell.Role) int {
	teachers, parents := d.users*5/100, d.users*15/100
	switch r {
	case schoolbell.RoleTeacher:
		return teachers
	case schoolbell.RoleParent:
		return parents
	}
	return d.users - teachers - parents
}

// person is the nth person of the school, from 0: students first, then teachers, then parents.
func (d *demo) person(n int) *schoolbell.User {
	students, teachers := d.having(schoolbell.RoleStudent), d.having(schoolbell.RoleTeacher)
	u := &schoolbell.User{
		ID:   fmt.Sprintf("u%06d", n+1),
		Name: firstNames[n%len(firstNames)] + " " + lastNames[n/len(firstNames)%len(lastNames)],
	}
	u.Email = address(u.ID)
	if d.phones != nil && n < d.havePhones() {
		u.Phone = phoneOf(n)
		u.Groups = append(u.Groups, phoneGroup)
	}
	switch {
	case n < students:
		u.Roles = []schoolbell.Role{schoolbell.RoleStudent}
		u.Groups = append(u.Groups, fmt.Sprintf("class-%03d", n/25+1))
	case n < students+teachers:
		u.Roles = []schoolbell.Role{schoolbell.RoleTeacher}
	default:
		u.Roles = []schoolbell.Role{schoolbell.RoleParent}
		if students > 0 {
			u.GuardianOf = []string{fmt.Sprintf("u%06d", (n-students-teachers)%students+1)}
		}
	}
	return u
}

func address(id string) string { return id + "@people.hill.example" }

// makeSchool stores everybody.
func (d *demo) makeSchool(ctx context.Context) error {
	page := make([]*schoolbell.User, 0, demoPage)
	for n := range d.users {
		u := d.person(n)
		u.Normalize()
		if err := u.Validate(); err != nil {
			return fmt.Errorf("make person %d: %w", n, err)
		}
		page = append(page, u)
		if len(page) < demoPage && n+1 < d.users {
			continue
		}
		if _, err := d.runtime.Ledger.People.PutUsers(ctx, page); err != nil {
			return fmt.Errorf("store people: %w", err)
		}
		page = page[:0]
	}
	return nil
}
