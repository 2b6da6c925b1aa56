package people

import (
	"context"

	"schoolbell"
)

// Store is what people management needs of the ledger. Every method is one
// transaction; implementations are safe for concurrent use.
type Store interface {
	// PutUser creates or replaces the user, groups and guardianships included.
	// Groups it names that do not exist are created (class, named by their id).
	// A student of GuardianOf that does not exist is a CodeInvalid fault naming
	// "guardian_of[i]"; an address on an unknown channel one naming "addresses[i].channel";
	// nothing is stored then.
	//
	// Email and Phone are the first addresses of their channels; an empty one removes that
	// address. Nil Addresses leave the others as they are; otherwise Addresses, without the
	// two, replace them. An address that the user had before on the channel keeps its
	// state and reason; a new one is unverified.
	PutUser(ctx context.Context, u *schoolbell.User) (schoolbell.Change, error)

	// PutUsers does the same for many valid users in one transaction, without
	// looking whether the students of GuardianOf exist: a file may name them
	// before their own line. The changes are in the order of users.
	PutUsers(ctx context.Context, users []*schoolbell.User) ([]schoolbell.Change, error)

	// UnknownUsers returns those of ids that are not users' ids.
	UnknownUsers(ctx context.Context, ids []string) ([]string, error)

	// DropGuardianships forgets the links to students that do not exist.
	DropGuardianships(ctx context.Context, unknownStudents []string) error

	// User returns the user with addresses, groups and guardianships; CodeNotFound if there is
	// none. Email and Phone are the first addresses of their channels.
	User(ctx context.Context, id string) (*schoolbell.User, error)

	// UserByNumber is User by the person's number in the ledger, which the links in messages have. A number never
	// changes and is not given out again.
	UserByNumber(ctx context.Context, number int64) (*schoolbell.User, error)

	// Users returns up to limit users in order of id, those after the given id.
	Users(ctx context.Context, after string, limit int) ([]*schoolbell.User, error)

	// DeleteUser forgets the person: name, addresses, roles, groups,
	// guardianships, preferences and inbox. Delivery rows stay as proof under the
	// bare id; pending ones become suppressed. CodeNotFound if there is none.
	DeleteUser(ctx context.Context, id string) error

	// ChangeDevices replaces the addresses of the user on the channel push, in one transaction: change gets them in order, and
	// returns the new ones with their states. It must not modify what it gets, and may be called again. If it
	// fails, nothing is stored and its error is returned. CodeNotFound if there is no such user.
	ChangeDevices(ctx context.Context, userID string, change func(old []schoolbell.Address) ([]schoolbell.Address, error)) error

	// PutGroup creates or replaces the group. An unknown parent, or one that would
	// close a circle or nest deeper than schoolbell.MaxGroupDepth, is CodeInvalid on "parent".
	PutGroup(ctx context.Context, g *schoolbell.Group) (schoolbell.Change, error)

	// Group returns the group; CodeNotFound if there is none.
	Group(ctx context.Context, id string) (*schoolbell.Group, error)

	// Groups returns up to limit groups in order of id, those after the given id.
	Groups(ctx context.Context, after string, limit int) ([]*schoolbell.Group, error)

	// PutPreferences sets the given wishes of a user and leaves the others as they are; CodeNotFound if there is no such user.
	PutPreferences(ctx context.Context, userID string, wishes []schoolbell.Preference) error

	// Preferences returns every wish the user ever set, ordered by category and channel; CodeNotFound if there is no such user.
	Preferences(ctx context.Context, userID string) ([]schoolbell.Preference, error)
}

// School is what people management needs to know of the school. Each method is one
// transaction; implementations are safe for concurrent use.
type School interface {
	// Categories returns every category.
	Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error)

	// Channels returns every channel that the ledger knows.
	Channels(ctx context.Context) ([]schoolbell.Channel, error)
}
