package school

import (
	"context"
	"fmt"
	"slices"

	"schoolbell"
)

// Service reads and changes what a school says about itself. It is safe for concurrent use.
type Service struct {
	store Store
}

// New returns a Service over store.
func New(store Store) *Service { return &Service{store: store} }

// Categories returns every category in the order in which they are shown.
func (s *Service) Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error) {
	return s.store.Categories(ctx)
}

// Category returns the category; CodeNotFound if there is none.
func (s *Service) Category(ctx context.Context, id schoolbell.Category) (schoolbell.CategoryInfo, error) {
	return s.store.Category(ctx, id)
}

// PutCategory creates or replaces the category, which it normalizes first, and returns it
// as stored. Everything that is wrong with it is reported at once.
func (s *Service) PutCategory(ctx context.Context, c schoolbell.CategoryInfo) (schoolbell.CategoryInfo, schoolbell.Change, error) {
	c.Normalize()
	channels, err := s.store.Channels(ctx)
	if err != nil {
		return c, "", err
	}
	var faults schoolbell.Faults
	for _, f := range schoolbell.FaultsOf(c.Validate()) {
		faults.Add(f.Field, "%s", f.Message)
	}
	for i, ch := range c.Channels {
		if ch.Valid() && !slices.Contains(channels, ch) {
			faults.Add(fmt.Sprintf("channels[%d]", i), "there is no channel %s", ch)
		}
	}
	if err := faults.Err(); err != nil {
		return c, "", err
	}
	change, err := s.store.PutCategory(ctx, c)
	if err != nil {
		return c, "", err
	}
	stored, err := s.store.Category(ctx, c.ID)
	return stored, change, err
}

// DeleteCategory deletes the category. One that events use, or that is built in, is
// CodeConflict; an unknown one CodeNotFound.
func (s *Service) DeleteCategory(ctx context.Context, id schoolbell.Category) error {
	return s.store.DeleteCategory(ctx, id)
}

// CategoryUse counts what belongs to the category.
func (s *Service) CategoryUse(ctx context.Context, id schoolbell.Category) (schoolbell.CategoryUse, error) {
	return s.store.CategoryUse(ctx, id)
}
