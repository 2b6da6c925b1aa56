package staff

import (
	"context"

	"schoolbell"
)

// AreaStore knows what is within the groups of limited accounts. Every method is one transaction; implementations are safe for
// concurrent use.
type AreaStore interface {
	// EventWithin reports whether an event was created within groups: by a limited account whose groups are all among them or below.
	EventWithin(ctx context.Context, id string, groups []string) (bool, error)

	// PeopleWithin returns which of the users with these ids are in one of the groups or in a group below, or are guardians of such
	// people.
	PeopleWithin(ctx context.Context, groups, ids []string) (map[string]bool, error)

	// GroupsBelow returns the groups and all groups below them, in order of id. Ids that are not groups' are left out.
	GroupsBelow(ctx context.Context, groups []string) ([]*schoolbell.Group, error)

	// FindGroups returns up to limit groups that a filter selects, by name.
	FindGroups(ctx context.Context, f schoolbell.GroupFilter, limit int) ([]*schoolbell.Group, error)
}
