package schoolbell

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

func (a *Audience) validate(f *Faults) {
	if a.Empty() && a.GuardiansOf.Empty() {
		f.Add("audience", "must select somebody by roles, groups, users or guardians_of")
	}
	a.Selector.validate(f, "audience")
	a.GuardiansOf.validate(f, "audience.guardians_of")
	a.Exclude.validate(f, "audience.exclude")
}
