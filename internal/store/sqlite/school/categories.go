package school

import (
	"context"

	"schoolbell"
	"schoolbell/internal/store/sqlite"
)

// Categories implements school.Store.
type Categories struct{ sqlite.School }

// CategoryUse implements school.Store.
func (s Categories) CategoryUse(ctx context.Context, id schoolbell.Category) (use schoolbell.CategoryUse, err error) {
	err = sqlite.Read(ctx, s.DB, "count what belongs to a category", func(c sqlite.Conn) error {
		return c.Get(ctx, countCategoryUse, map[string]any{"id": string(id)}, &use.Events, &use.Templates, &use.People)
	})
	return use, err
}

// countCategoryUse counts the events of a category, its templates, and the people who have chosen something about it.
const countCategoryUse = `
SELECT (SELECT count(*) FROM events WHERE category = @id),
	(SELECT count(*) FROM (SELECT DISTINCT channel, locale FROM templates WHERE category = @id)),
	(SELECT count(DISTINCT user_seq) FROM preferences WHERE category = @id)`
