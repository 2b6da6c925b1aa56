package people

import (
	"context"
	"fmt"
	"log/slog"

	"schoolbell"
)

// Service is people management: users, groups and preferences. It is safe for concurrent use.
type Service struct {
	store  Store
	school School
	log    *slog.Logger

	region string // of national phone numbers; empty if they are not accepted

	maxRows, maxLinks int // of an import
}

// New returns a Service over the stores.
func New(store Store, school School, log *slog.Logger, options ...Option) *Service {
	s := &Service{store: store, school: school, log: log, maxRows: MaxImportRows, maxLinks: MaxImportLinks}
	for _, change := range options {
		change(s)
	}
	return s
}

// Option changes a new Service.
type Option func(*Service)

// InRegion accepts national phone numbers of a region, such as GB, and stores them in the international format.
func InRegion(region string) Option { return func(s *Service) { s.region = region } }

// Put creates or replaces the user, whom it normalizes first. Everything that is
// wrong with u is reported at once, and nothing is stored then.
func (s *Service) Put(ctx context.Context, u *schoolbell.User) (schoolbell.Change, error) {
	s.normalize(u)
	if err := validate(u); err != nil {
		return "", err
	}
	return s.store.PutUser(ctx, u)
}

// User returns the user; CodeNotFound if there is none.
func (s *Service) User(ctx context.Context, id string) (*schoolbell.User, error) {
	return s.store.User(ctx, id)
}

// UserByNumber is User by the person's number in the ledger.
func (s *Service) UserByNumber(ctx context.Context, number int64) (*schoolbell.User, error) {
	return s.store.UserByNumber(ctx, number)
}

// Users returns up to limit users in order of id, those after the given id ("" for the first page).
func (s *Service) Users(ctx context.Context, after string, limit int) ([]*schoolbell.User, error) {
	return s.store.Users(ctx, after, limit)
}

// Delete forgets the person; rows about what was sent to them stay under the
// bare id. CodeNotFound if there is no such user.
func (s *Service) Delete(ctx context.Context, id string) error { return s.store.DeleteUser(ctx, id) }

// PutGroup creates or replaces the group.
func (s *Service) PutGroup(ctx context.Context, g *schoolbell.Group) (schoolbell.Change, error) {
	if err := g.Validate(); err != nil {
		return "", err
	}
	return s.store.PutGroup(ctx, g)
}

// Group returns the group; CodeNotFound if there is none.
func (s *Service) Group(ctx context.Context, id string) (*schoolbell.Group, error) {
	return s.store.Group(ctx, id)
}

// Groups returns up to limit groups in order of id, those after the given id ("" for the first page).
func (s *Service) Groups(ctx context.Context, after string, limit int) ([]*schoolbell.Group, error) {
	return s.store.Groups(ctx, after, limit)
}

// Preferences returns every wish the user ever set, ordered by category and
// channel; CodeNotFound if there is no such user.
func (s *Service) Preferences(ctx context.Context, userID string) ([]schoolbell.Preference, error) {
	return s.store.Preferences(ctx, userID)
}

// PutPreferences sets the given wishes and leaves the user's others as they are.
// All faults are reported, each under "preferences[i]"; with any, nothing is stored.
func (s *Service) PutPreferences(ctx context.Context, userID string, wishes []schoolbell.Preference) error {
	categories, err := s.school.Categories(ctx)
	if err != nil {
		return err
	}
	known := make(map[schoolbell.Category]schoolbell.CategoryInfo, len(categories))
	for _, c := range categories {
		known[c.ID] = c
	}
	var faults schoolbell.Faults
	type what struct {
		category schoolbell.Category
		channel  schoolbell.Channel
	}
	seen := make(map[what]bool, len(wishes))
	for i, w := range wishes {
		at := fmt.Sprintf("preferences[%d]", i)
		info, found := known[w.Category]
		if !found {
			faults.Add(at+".category", "there is no category %q", w.Category)
		}
		for _, f := range schoolbell.FaultsOf(w.Validate(info)) {
			faults.Add(at+"."+f.Field, "%s", f.Message)
		}
		if seen[what{w.Category, w.Channel}] {
			faults.Add(at, "repeats %s by %s", w.Category, w.Channel)
		}
		seen[what{w.Category, w.Channel}] = true
	}
	if err := faults.Err(); err != nil {
		return err
	}
	return s.store.PutPreferences(ctx, userID, wishes)
}
