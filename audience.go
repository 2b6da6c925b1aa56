package schoolbell

import "slices"

// Limits on audiences.
const (
	MaxRoles          = 20 // also of a user
	MaxAudienceGroups = 1_000
	MaxAudienceUsers  = 10_000
)

// Selector picks the users who have one of Roles, or belong to one of Groups or
// to a group below it, or are named in Users.
type Selector struct {
	Roles  []Role   `json:"roles,omitempty" maxItems:"20"`
	Groups []string `json:"groups,omitempty" maxItems:"1000"`
	Users  []string `json:"users,omitempty" maxItems:"10000"`
}

// Empty reports whether s picks nobody because it says nothing.
func (s *Selector) Empty() bool {
	return s == nil || len(s.Roles) == 0 && len(s.Groups) == 0 && len(s.Users) == 0
}

func (s *Selector) normalize() {
	if s == nil {
		return
	}
	s.Roles, s.Groups, s.Users = unique(s.Roles), unique(s.Groups), unique(s.Users)
}

func (s *Selector) validate(f *Faults, field string) {
	if s == nil {
		return
	}
	checkRoles(f, field+".roles", s.Roles)
	checkIDs(f, field+".groups", s.Groups, MaxAudienceGroups)
	checkIDs(f, field+".users", s.Users, MaxAudienceUsers)
}

// Audience is the rule that picks the users an event concerns: those its own
// selector picks and the guardians of the students GuardiansOf picks, less
// those Exclude picks. Each user is picked once however many parts match.
type Audience struct {
	Selector
	GuardiansOf *Selector `json:"guardians_of,omitempty"`
	Exclude     *Selector `json:"exclude,omitempty"`
}

func (a *Audience) normalize() {
	a.Selector.normalize()
	a.GuardiansOf.normalize()
	a.Exclude.normalize()
}

// Outside returns a fault for each part of the audience that is not made of these groups and people: an account that is limited to
// groups may send to their members and to the guardians of those. Guardians of single people may be outside.
func (a *Audience) Outside(groups, people map[string]bool) (f Faults) {
	for _, part := range []struct {
		field string
		*Selector
	}{{"audience", &a.Selector}, {"audience.guardians_of", a.GuardiansOf}, {"audience.exclude", a.Exclude}} {
		switch {
		case part.Selector == nil:
			continue
		case len(part.Roles) > 0:
			f.Add(part.field+".roles", "must be empty: your account is limited to groups")
		case len(part.Users) > 0 && part.Selector == a.GuardiansOf:
			f.Add(part.field+".users", "must be empty: your account is limited to groups")
		}
		for _, id := range part.Users {
			if !people[id] {
				f.Add(part.field+".users", "%q is not somebody in the groups of your account", id)
			}
		}
		for _, id := range part.Groups {
			if !groups[id] {
				f.Add(part.field+".groups", "%q is not one of the groups of your account", id)
			}
		}
	}
	return f
}

func (a *Audience) validate(f *Faults) {
	if a.Empty() && a.GuardiansOf.Empty() {
		f.Add("audience", "must select somebody by roles, groups, users or guardians_of")
	}
	a.Selector.validate(f, "audience")
	a.GuardiansOf.validate(f, "audience.guardians_of")
	a.Exclude.validate(f, "audience.exclude")
}

// Equal reports whether a and b pick by the same rule, in whatever order.
func (a Audience) Equal(b Audience) bool {
	return a.Selector.equal(&b.Selector) && a.GuardiansOf.equal(b.GuardiansOf) && a.Exclude.equal(b.Exclude)
}

func (s *Selector) equal(o *Selector) bool {
	if s.Empty() || o.Empty() {
		return s.Empty() == o.Empty()
	}
	return SameSet(s.Roles, o.Roles) && SameSet(s.Groups, o.Groups) && SameSet(s.Users, o.Users)
}

// SameSet reports whether two lists name the same.
func SameSet[T ~string](a, b []T) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
