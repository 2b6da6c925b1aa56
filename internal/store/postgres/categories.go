package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// School is the store of what a school says about itself.
type School struct{ DB *DB }

// selectCategories selects what scanCategory reads.
const selectCategories = "SELECT id, name, mandatory, lane, channels, position, built_in FROM categories"

func scanCategory(r pgx.CollectableRow) (info schoolbell.CategoryInfo, err error) {
	var channels []string
	err = r.Scan(&info.ID, &info.Name, &info.Mandatory, &info.Lane, &channels, &info.Position, &info.BuiltIn)
	info.Channels = channelsOf(channels)
	return info, err
}

// Categories implements school.Store.
func (s School) Categories(ctx context.Context) (found []schoolbell.CategoryInfo, err error) {
	err = s.DB.again("list categories", func() error {
		rows, err := s.DB.pool.Query(ctx, selectCategories+" ORDER BY position, id")
		found, err = list(rows, err, scanCategory)
		return err
	})
	return found, err
}

// Category implements school.Store.
func (s School) Category(ctx context.Context, id schoolbell.Category) (info schoolbell.CategoryInfo, err error) {
	err = s.DB.again("read category", func() error {
		info, err = readCategory(ctx, s.DB.pool, id)
		return err
	})
	return info, err
}

func readCategory(ctx context.Context, q querier, id schoolbell.Category) (info schoolbell.CategoryInfo, err error) {
	rows, err := q.Query(ctx, selectCategories+" WHERE id = $1", id)
	if err != nil {
		return info, err
	}
	info, err = pgx.CollectExactlyOneRow(rows, scanCategory)
	return info, orNotFound(err, "category", string(id))
}

// PutCategory implements school.Store.
func (s School) PutCategory(ctx context.Context, info schoolbell.CategoryInfo) (change schoolbell.Change, err error) {
	given := named{"id": info.ID, "name": info.Name, "mandatory": info.Mandatory, "lane": info.Lane,
		"channels": channelNames(info.Channels), "position": info.Position}
	err = s.DB.write(ctx, "put category", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockSchool); err != nil { // two could create one category together
			return err
		}
		change = schoolbell.ChangeUpdated
		if tag, err := tx.Exec(ctx, updateCategory, given); err != nil || tag.RowsAffected() > 0 {
			return err
		}
		change = schoolbell.ChangeCreated
		tag, err := tx.Exec(ctx, insertCategory, given.with(named{"most": schoolbell.MaxCategories}))
		if err == nil && tag.RowsAffected() == 0 {
			err = row.TooManyCategories()
		}
		return err
	})
	return change, err
}

// updateCategory replaces what a school may change of a category.
const updateCategory = `
	UPDATE categories
	SET name = @name, mandatory = @mandatory, lane = @lane, channels = @channels, position = @position
	WHERE id = @id`

// insertCategory adds a category, unless there are too many.
const insertCategory = `
	INSERT INTO categories (id, name, mandatory, lane, channels, position, built_in)
	SELECT @id::text, @name::text, @mandatory::boolean, @lane::text, @channels::text[], @position::integer, false
	WHERE (SELECT count(*) FROM categories) < @most::integer`

// DeleteCategory implements school.Store.
func (s School) DeleteCategory(ctx context.Context, id schoolbell.Category) error {
	return s.DB.write(ctx, "delete category", func(tx pgx.Tx) error {
		info, err := readCategory(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case info.BuiltIn:
			return row.Conflict("the category is built in and cannot be deleted")
		}
		if _, err := tx.Exec(ctx, "DELETE FROM preferences WHERE category = $1", id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM categories WHERE id = $1", id); isForeignKey(err) {
			return row.CategoryInUse()
		} else if err != nil {
			return err
		}
		return nil
	})
}
