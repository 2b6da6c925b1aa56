package sqlite

import (
	"context"
	"encoding/json"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// School implements school.Store.
type School struct{ DB *DB }

// Categories implements school.Store.
func (s School) Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error) {
	return readCategories(ctx, s.DB)
}

// readCategories returns the categories in a transaction of their own.
func readCategories(ctx context.Context, db *DB) (found []schoolbell.CategoryInfo, err error) {
	err = db.read(ctx, "list categories", func(c *conn) error {
		found, err = categories(ctx, c, listCategories, nil)
		return err
	})
	return found, err
}

// listCategories selects every category in the order in which lists show them.
const listCategories = selectCategories + `
ORDER BY position, id`

// selectCategories selects categories as the function categories reads them.
const selectCategories = `
SELECT id, name, mandatory, lane, channels, position, built_in
FROM categories`

func categories(ctx context.Context, c *conn, query string, a args) (found []schoolbell.CategoryInfo, err error) {
	err = c.each(ctx, query, a, func(scan func(...any) error) error {
		var info schoolbell.CategoryInfo
		var channels string
		err := scan(&info.ID, &info.Name, &info.Mandatory, &info.Lane, &channels, &info.Position, &info.BuiltIn)
		if err == nil {
			err = json.Unmarshal([]byte(channels), &info.Channels)
		}
		found = append(found, info)
		return err
	})
	return found, err
}

// Category implements school.Store.
func (s School) Category(ctx context.Context, id schoolbell.Category) (info schoolbell.CategoryInfo, err error) {
	err = s.DB.read(ctx, "read category", func(c *conn) error {
		info, err = category(ctx, c, id)
		return err
	})
	return info, err
}

func category(ctx context.Context, c *conn, id schoolbell.Category) (schoolbell.CategoryInfo, error) {
	found, err := categories(ctx, c, findCategory, args{"id": string(id)})
	switch {
	case err != nil:
		return schoolbell.CategoryInfo{}, err
	case len(found) == 0:
		return schoolbell.CategoryInfo{}, schoolbell.NotFound("category", string(id))
	}
	return found[0], nil
}

// findCategory selects a category.
const findCategory = selectCategories + `
WHERE id = @id`

// PutCategory implements school.Store.
func (s School) PutCategory(ctx context.Context, info schoolbell.CategoryInfo) (change schoolbell.Change, err error) {
	channels, err := json.Marshal(info.Channels)
	if err != nil {
		return "", err
	}
	err = s.DB.write(ctx, "put category", func(c *conn) error {
		if err := s.DB.channels.check(ctx, c, info.Channels); err != nil {
			return err
		}
		a := args{"id": string(info.ID), "name": info.Name, "mandatory": info.Mandatory, "lane": string(info.Lane),
			"channels": string(channels), "position": info.Position}
		change = schoolbell.ChangeUpdated
		if n, err := c.exec(ctx, updateCategory, a); err != nil || n > 0 {
			return err
		}
		change = schoolbell.ChangeCreated
		a["most"] = schoolbell.MaxCategories
		n, err := c.exec(ctx, insertCategory, a)
		if err == nil && n == 0 {
			err = row.TooManyCategories()
		}
		return err
	})
	return change, err
}

// updateCategory replaces what a school may change of a category.
const updateCategory = `
UPDATE categories
SET name = @name,
	mandatory = @mandatory,
	lane = @lane,
	channels = @channels,
	position = @position
WHERE id = @id`

// insertCategory inserts a category, unless there are @most already.
const insertCategory = `
INSERT INTO categories (id, name, mandatory, lane, channels, position, built_in)
SELECT @id, @name, @mandatory, @lane, @channels, @position, false
WHERE (SELECT count(*) FROM categories) < @most`

// DeleteCategory implements school.Store.
func (s School) DeleteCategory(ctx context.Context, id schoolbell.Category) error {
	return s.DB.write(ctx, "delete category", func(c *conn) error {
		info, err := category(ctx, c, id)
		switch {
		case err != nil:
			return err
		case info.BuiltIn:
			return row.Conflict("the category is built in and cannot be deleted")
		}
		var used bool
		a := args{"id": string(id)}
		if err := c.get(ctx, "SELECT EXISTS (SELECT 1 FROM events WHERE category = @id)", a, &used); err != nil {
			return err
		}
		if used {
			return row.CategoryInUse()
		}
		for _, query := range []string{"DELETE FROM preferences WHERE category = @id", "DELETE FROM templates WHERE category = @id", "DELETE FROM categories WHERE id = @id"} {
			if _, err := c.exec(ctx, query, a); err != nil {
				return err
			}
		}
		return nil
	})
}
