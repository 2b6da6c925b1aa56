package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// PutGroup implements people.Store.
func (s People) PutGroup(ctx context.Context, g *schoolbell.Group) (change schoolbell.Change, err error) {
	err = s.DB.write(ctx, "put group", func(c *conn) error {
		parent, err := parentOf(ctx, c, g)
		if err != nil {
			return err
		}
		a := args{"id": g.ID, "name": g.Name, "kind": string(g.Kind), "parent": parent}
		n, err := c.exec(ctx, updateGroup, a)
		if err != nil {
			return err
		}
		if change = schoolbell.ChangeUpdated; n > 0 {
			return nil
		}
		change = schoolbell.ChangeCreated
		_, err = c.exec(ctx, insertGroup, a)
		return err
	})
	return change, err
}

// updateGroup changes a group that exists.
const updateGroup = `
UPDATE groups
SET name = @name,
	kind = @kind,
	parent_seq = @parent
WHERE id = @id`

// insertGroup inserts a group that does not exist.
const insertGroup = `
INSERT INTO groups (id, name, kind, parent_seq)
VALUES (@id, @name, @kind, @parent)`

// parentOf returns the number of g's parent, if it has one and may have it.
func parentOf(ctx context.Context, c *conn, g *schoolbell.Group) (seq sql.NullInt64, err error) {
	if g.Parent == "" {
		return seq, nil
	}
	err = c.get(ctx, "SELECT seq FROM groups WHERE id = @id", args{"id": g.Parent}, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		return seq, row.UnknownParent(g)
	}
	if err != nil {
		return seq, err
	}
	var above, below int
	var circle bool
	a := args{"group": g.ID, "parent": seq, "max": schoolbell.MaxGroupDepth + 1}
	if err := c.get(ctx, groupDepth, a, &above, &circle, &below); err != nil {
		return seq, err
	}
	return seq, row.CheckDepth(above, below, circle)
}

// groupDepth says how many levels there are from the parent upwards, whether the group is
// among them, and how many levels there are below the group. It stops counting at @max.
const groupDepth = `
WITH RECURSIVE above(seq, level) AS (
	SELECT @parent, 1
	UNION ALL
	SELECT g.parent_seq, level + 1
	FROM above
	JOIN groups g ON g.seq = above.seq
	WHERE g.parent_seq IS NOT NULL
		AND level < @max
),
below(seq, level) AS (
	SELECT seq, 0
	FROM groups
	WHERE id = @group
	UNION ALL
	SELECT g.seq, level + 1
	FROM below
	JOIN groups g ON g.parent_seq = below.seq
	WHERE level < @max
)
SELECT (SELECT max(level) FROM above),
	EXISTS (SELECT 1 FROM above JOIN groups g ON g.seq = above.seq WHERE g.id = @group),
	(SELECT coalesce(max(level), 0) FROM below)`

// selectGroups selects groups as the function readGroups reads them. A WHERE about g follows.
const selectGroups = `
SELECT g.id, g.name, g.kind, coalesce(p.id, '')
FROM groups g
LEFT JOIN groups p ON p.seq = g.parent_seq`

func readGroups(ctx context.Context, db *DB, query string, a args) (groups []*schoolbell.Group, err error) {
	err = db.read(ctx, "read groups", func(c *conn) error {
		return c.each(ctx, query, a, func(scan func(...any) error) error {
			var g schoolbell.Group
			err := scan(&g.ID, &g.Name, &g.Kind, &g.Parent)
			groups = append(groups, &g)
			return err
		})
	})
	return groups, err
}

// Group implements people.Store.
func (s People) Group(ctx context.Context, id string) (*schoolbell.Group, error) {
	groups, err := readGroups(ctx, s.DB, findGroup, args{"id": id})
	switch {
	case err != nil:
		return nil, err
	case len(groups) == 0:
		return nil, schoolbell.NotFound("group", id)
	}
	return groups[0], nil
}

// findGroup selects a group.
const findGroup = selectGroups + `
WHERE g.id = @id`

// Groups implements people.Store.
func (s People) Groups(ctx context.Context, after string, limit int) ([]*schoolbell.Group, error) {
	return readGroups(ctx, s.DB, listGroups, args{"after": after, "limit": limit})
}

// listGroups selects a page of groups after an id.
const listGroups = selectGroups + `
WHERE g.id > @after
ORDER BY g.id
LIMIT @limit`
