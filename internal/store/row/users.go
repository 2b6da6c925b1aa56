package row

import (
	"fmt"

	"schoolbell"
)

// Pieces cuts users into consecutive pieces of at most size in which no id
// comes twice, so that one statement can store a piece: where a list names
// somebody twice, the later mention replaces the earlier one.
func Pieces(users []*schoolbell.User, size int) [][]*schoolbell.User {
	var pieces [][]*schoolbell.User
	seen, start := map[string]bool{}, 0
	for i, u := range users {
		if seen[u.ID] || i-start == size {
			pieces = append(pieces, users[start:i])
			clear(seen)
			start = i
		}
		seen[u.ID] = true
	}
	if start < len(users) {
		pieces = append(pieces, users[start:])
	}
	return pieces
}

// Links are the pairs (user id, other) that a piece of users says, by kind.
type Links struct {
	Roles, Groups, Students Pairs
}

// Pairs are two columns of equal length.
type Pairs struct{ Users, Others []string }

func (p *Pairs) add(user, other string) {
	p.Users, p.Others = append(p.Users, user), append(p.Others, other)
}

// LinksOf returns the links of users.
func LinksOf(users []*schoolbell.User) Links {
	var l Links
	for _, u := range users {
		for _, r := range u.Roles {
			l.Roles.add(u.ID, string(r))
		}
		for _, g := range u.Groups {
			l.Groups.add(u.ID, g)
		}
		for _, s := range u.GuardianOf {
			l.Students.add(u.ID, s)
		}
	}
	return l
}

// UnknownStudents returns a fault for every student of u that is unknown, or nil.
func UnknownStudents(u *schoolbell.User, unknown []string) error {
	missing := map[string]bool{}
	for _, id := range unknown {
		missing[id] = true
	}
	var f schoolbell.Faults
	for i, id := range u.GuardianOf {
		if missing[id] {
			f.Add(fmt.Sprintf("guardian_of[%d]", i), "no user %q", id)
		}
	}
	return f.Err()
}

// Changes says for each user whether storing it created or updated it. known
// are the ids that existed before.
func Changes(users []*schoolbell.User, known map[string]bool) []schoolbell.Change {
	out := make([]schoolbell.Change, len(users))
	for i, u := range users {
		out[i] = schoolbell.ChangeCreated
		if known[u.ID] {
			out[i] = schoolbell.ChangeUpdated
		}
	}
	return out
}
