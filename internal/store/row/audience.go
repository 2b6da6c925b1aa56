package row

import (
	"fmt"

	"schoolbell"
)

// AudienceNames returns the ids of all groups and all users that a names
// anywhere, each once.
func AudienceNames(a *schoolbell.Audience) (groups, users []string) {
	g, u := map[string]bool{}, map[string]bool{}
	for _, s := range selectors(a) {
		for _, id := range s.Groups {
			if !g[id] {
				g[id], groups = true, append(groups, id)
			}
		}
		for _, id := range s.Users {
			if !u[id] {
				u[id], users = true, append(users, id)
			}
		}
	}
	return groups, users
}

// UnknownNames returns a fault for every place of a that names one of the
// unknown groups or users, or nil if there are none.
func UnknownNames(a *schoolbell.Audience, groups, users map[string]bool) error {
	var f schoolbell.Faults
	for _, s := range selectors(a) {
		for i, id := range s.Groups {
			if groups[id] {
				f.Add(fmt.Sprintf("%s.groups[%d]", s.field, i), "no group %q", id)
			}
		}
		for i, id := range s.Users {
			if users[id] {
				f.Add(fmt.Sprintf("%s.users[%d]", s.field, i), "no user %q", id)
			}
		}
	}
	return f.Err()
}

type namedSelector struct {
	*schoolbell.Selector
	field string
}

func selectors(a *schoolbell.Audience) []namedSelector {
	out := []namedSelector{{&a.Selector, "audience"}}
	if a.GuardiansOf != nil {
		out = append(out, namedSelector{a.GuardiansOf, "audience.guardians_of"})
	}
	if a.Exclude != nil {
		out = append(out, namedSelector{a.Exclude, "audience.exclude"})
	}
	return out
}
