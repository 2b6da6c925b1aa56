package schoolbell

// GroupKind is what a group is made of.
type GroupKind string

const (
	GroupSchool GroupKind = "school"
	GroupGrade  GroupKind = "grade"
	GroupClass  GroupKind = "class"
	GroupClub   GroupKind = "club"
)

// GroupKinds lists every kind of group.
func GroupKinds() []GroupKind { return []GroupKind{GroupSchool, GroupGrade, GroupClass, GroupClub} }

// Valid reports whether k is a known kind.
func (k GroupKind) Valid() bool {
	switch k {
	case GroupSchool, GroupGrade, GroupClass, GroupClub:
		return true
	}
	return false
}

// Group is a school, grade, class or club. Groups nest: an audience that names
// a group means the members of it and of every group below it. A group that is
// only ever named by its users exists with its id as name, kind class, no parent.
type Group struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Kind   GroupKind `json:"kind"`
	Parent string    `json:"parent,omitempty"` // id of the group above, if any
}

// GroupFilter narrows a list of groups; empty fields do not.
type GroupFilter struct {
	Text   string   // in the name, or the beginning of the id
	IDs    []string // only these groups; nil for all
	Within []string // only these groups and those below them; nil for all
}

// Validate reports everything that is wrong with g as [Faults]. Whether the
// parent exists and closes no circle, the ledger knows.
func (g *Group) Validate() error {
	var f Faults
	if !ValidID(g.ID) {
		f.Add("id", "must be 1 to %d letters, digits or . _ @ + ~ - and begin with a letter or digit", MaxIDLength)
	}
	checkLine(&f, "name", g.Name, MaxNameLength, true)
	if !g.Kind.Valid() {
		f.Add("kind", "must be one of %s", join(GroupKinds()))
	}
	if g.Parent != "" && !ValidID(g.Parent) {
		f.Add("parent", "is not a group id")
	}
	if g.Parent == g.ID && g.ID != "" {
		f.Add("parent", "a group cannot be its own parent")
	}
	return f.Err()
}
