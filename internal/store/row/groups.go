package row

import "schoolbell"

// UnknownParent is the fault of a group whose parent does not exist.
func UnknownParent(g *schoolbell.Group) error {
	return schoolbell.Invalid("parent", "no group %q", g.Parent)
}

// CheckDepth returns the fault of a group that is to hang below a chain of above
// groups and has below levels under itself, or nil. circle says that the group
// is in that chain.
func CheckDepth(above, below int, circle bool) error {
	switch {
	case circle:
		return schoolbell.Invalid("parent", "a group cannot be its own parent")
	case above+1+below > schoolbell.MaxGroupDepth:
		return schoolbell.Invalid("parent", "groups nest at most %d deep", schoolbell.MaxGroupDepth)
	}
	return nil
}
