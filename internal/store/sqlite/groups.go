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
		n, err := c.exec(ctx, "UPDATE groups SET name = ?2, kind = ?3, parent_seq = ?4 WHERE id = ?1", g.ID, g.Name, string(g.Kind), parent)
		if err != nil {
			return err
		}
		if change = schoolbell.ChangeUpdated; n > 0 {
			return nil
		}
		change = schoolbell.ChangeCreated
		_, err = c.exec(ctx, "INSERT INTO groups (id, name, kind, parent_seq) VALUES (?1, ?2, ?3, ?4)", g.ID, g.Name, string(g.Kind), parent)
		return err
	})
	return change, err
}

// parentOf returns the number of g's parent, if it has one and may have it.
func parentOf(ctx context.Context, c *conn, g *schoolbell.Group) (seq sql.NullInt64, err error) {
	if g.Parent == "" {
		return seq, nil
	}
	err = c.get(ctx, "SELECT seq FROM groups WHERE id = ?1", []any{g.Parent}, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		return seq, row.UnknownParent(g)
	}
	if err != nil {
		return seq, err
	}
	var above, below int
	var circle bool
	if err := c.get(ctx, groupDepth, []any{g.ID, seq, schoolbell.MaxGroupDepth + 1}, &above, &circle, &below); err != nil {
		return seq, err
	}
	return seq, row.CheckDepth(above, below, circle)
}

// groupDepth says how many levels there are from parent ?2 upwards, whether
// group ?1 is among them, and how many levels there are below group ?1.
const groupDepth = `WITH RECURSIVE up(seq, level) AS (
		SELECT ?2, 1 UNION ALL
		SELECT g.parent_seq, level + 1 FROM up JOIN groups g ON g.seq = up.seq WHERE g.parent_seq IS NOT NULL AND level < ?3),
	down(seq, level) AS (
		SELECT seq, 0 FROM groups WHERE id = ?1 UNION ALL
		SELECT g.seq, level + 1 FROM down JOIN groups g ON g.parent_seq = down.seq WHERE level < ?3)
	SELECT (SELECT max(level) FROM up), EXISTS (SELECT 1 FROM up JOIN groups g ON g.seq = up.seq WHERE g.id = ?1), (SELECT coalesce(max(level), 0) FROM down)`

const groupColumns = "g.id, g.name, g.kind, coalesce(p.id, '') FROM groups g LEFT JOIN groups p ON p.seq = g.parent_seq"

func (s People) groups(ctx context.Context, query string, args ...any) (groups []*schoolbell.Group, err error) {
	err = s.DB.read(ctx, "read groups", func(c *conn) error {
		return c.each(ctx, query, args, func(scan func(...any) error) error {
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
	groups, err := s.groups(ctx, "SELECT "+groupColumns+" WHERE g.id = ?1", id)
	switch {
	case err != nil:
		return nil, err
	case len(groups) == 0:
		return nil, schoolbell.NotFound("group", id)
	}
	return groups[0], nil
}

// Groups implements people.Store.
func (s People) Groups(ctx context.Context, after string, limit int) ([]*schoolbell.Group, error) {
	return s.groups(ctx, "SELECT "+groupColumns+" WHERE g.id > ?1 ORDER BY g.id LIMIT ?2", after, limit)
}
