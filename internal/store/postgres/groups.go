package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// PutGroup implements people.Store.
func (s People) PutGroup(ctx context.Context, g *schoolbell.Group) (change schoolbell.Change, err error) {
	err = s.DB.write(ctx, "put group", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockPeople); err != nil { // two could close a circle together
			return err
		}
		parent, err := parentOf(ctx, tx, g)
		if err != nil {
			return err
		}
		group := named{"id": g.ID, "name": g.Name, "kind": g.Kind, "parent": parent}
		tag, err := tx.Exec(ctx, updateGroup, group)
		if err != nil {
			return err
		}
		if change = schoolbell.ChangeUpdated; tag.RowsAffected() > 0 {
			return nil
		}
		change = schoolbell.ChangeCreated
		_, err = tx.Exec(ctx, insertGroup, group)
		return err
	})
	return change, err
}

const (
	// updateGroup changes a group that exists.
	updateGroup = "UPDATE groups SET name = @name, kind = @kind, parent_seq = @parent WHERE id = @id"

	// insertGroup inserts a group.
	insertGroup = "INSERT INTO groups (id, name, kind, parent_seq) VALUES (@id, @name, @kind, @parent)"
)

// parentOf returns the number of g's parent, nil if it has none. It fails if g cannot have that parent.
func parentOf(ctx context.Context, tx pgx.Tx, g *schoolbell.Group) (*int64, error) {
	if g.Parent == "" {
		return nil, nil
	}
	var seq int64
	err := tx.QueryRow(ctx, "SELECT seq FROM groups WHERE id = $1", g.Parent).Scan(&seq)
	if noRows(err) {
		return nil, row.UnknownParent(g)
	}
	if err != nil {
		return nil, err
	}
	var above, below int
	var circle bool
	if err := tx.QueryRow(ctx, groupDepth, named{"id": g.ID, "parent": seq, "limit": schoolbell.MaxGroupDepth + 1}).Scan(&above, &circle, &below); err != nil {
		return nil, err
	}
	return &seq, row.CheckDepth(above, below, circle)
}

// groupDepth selects how many levels there are from @parent upwards, whether the group @id is among
// them, and how many levels there are below that group. It counts up to @limit.
const groupDepth = `
	WITH RECURSIVE up(seq, level) AS (
		SELECT @parent::bigint, 1
		UNION ALL
		SELECT g.parent_seq, level + 1
		FROM up
		JOIN groups g ON g.seq = up.seq
		WHERE g.parent_seq IS NOT NULL AND level < @limit),
	down(seq, level) AS (
		SELECT seq, 0 FROM groups WHERE id = @id
		UNION ALL
		SELECT g.seq, level + 1
		FROM down
		JOIN groups g ON g.parent_seq = down.seq
		WHERE level < @limit)
	SELECT (SELECT max(level) FROM up),
		EXISTS (SELECT 1 FROM up JOIN groups g ON g.seq = up.seq WHERE g.id = @id),
		(SELECT coalesce(max(level), 0) FROM down)`

// selectGroups selects the columns of groups that scanGroup reads.
const selectGroups = "SELECT g.id, g.name, g.kind, coalesce(p.id, '') FROM groups g LEFT JOIN groups p ON p.seq = g.parent_seq"

func scanGroup(r pgx.CollectableRow) (*schoolbell.Group, error) {
	var g schoolbell.Group
	err := r.Scan(&g.ID, &g.Name, &g.Kind, &g.Parent)
	return &g, err
}

// Group implements people.Store.
func (s People) Group(ctx context.Context, id string) (g *schoolbell.Group, err error) {
	err = s.DB.again("read group", func() error {
		rows, err := s.DB.pool.Query(ctx, selectGroups+" WHERE g.id = $1", id)
		if err != nil {
			return err
		}
		g, err = pgx.CollectExactlyOneRow(rows, scanGroup)
		return orNotFound(err, "group", id)
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// Groups implements people.Store.
func (s People) Groups(ctx context.Context, after string, limit int) (groups []*schoolbell.Group, err error) {
	err = s.DB.again("list groups", func() error {
		rows, err := s.DB.pool.Query(ctx, selectGroups+" WHERE g.id > $1 ORDER BY g.id LIMIT $2", after, limit)
		groups, err = list(rows, err, scanGroup)
		return err
	})
	return groups, err
}
