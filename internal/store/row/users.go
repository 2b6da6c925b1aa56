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
	seen, start := make(map[string]bool, min(len(users), size)), 0
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
