package school

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/postgres"
)

// Categories implements school.Store.
type Categories struct{ postgres.School }

// CategoryUse implements school.Store.
func (s Categories) CategoryUse(ctx context.Context, id schoolbell.Category) (use schoolbell.CategoryUse, err error) {
	err = postgres.Read(ctx, s.DB, "count what belongs to a category", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, countCategoryUse, id).Scan(&use.Events, &use.Templates, &use.People)
	})
	return use, err
}

// countCategoryUse counts the events of a category, its templates, and the people who have chosen something about it.
const countCategoryUse = `
	SELECT (SELECT count(*) FROM events WHERE category = $1),
		(SELECT count(*) FROM (SELECT DISTINCT channel, locale FROM templates WHERE category = $1) AS t),
		(SELECT count(DISTINCT user_seq) FROM preferences WHERE category = $1)`
