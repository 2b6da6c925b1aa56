package school

import (
	"context"

	"schoolbell"
)

// Store is what this package needs of the ledger. Every method is one transaction;
// implementations are safe for concurrent use.
type Store interface {
	// Channels returns every channel in order of arrival.
	Channels(ctx context.Context) ([]schoolbell.Channel, error)

	// Categories returns every category by position, then by id.
	Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error)

	// Category returns the category; CodeNotFound if there is none.
	Category(ctx context.Context, id schoolbell.Category) (schoolbell.CategoryInfo, error)

	// PutCategory creates or replaces the category. It ignores BuiltIn, which stays as it
	// is. A new category beyond schoolbell.MaxCategories is CodeConflict.
	PutCategory(ctx context.Context, c schoolbell.CategoryInfo) (schoolbell.Change, error)

	// DeleteCategory deletes the category and the preferences about it. One that events
	// use, or that is built in, is CodeConflict; an unknown one CodeNotFound.
	DeleteCategory(ctx context.Context, id schoolbell.Category) error

	// CategoryUse counts what belongs to the category; nothing does to an unknown one.
	CategoryUse(ctx context.Context, id schoolbell.Category) (schoolbell.CategoryUse, error)
}
