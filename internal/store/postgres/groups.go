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
		tag, err := tx.Exec(ctx, "UPDATE groups SET name = $2, kind = $3, parent_seq = $4 WHERE id = $1", g.ID, g.Name, g.Kind, parent)
		if err != nil {
			return err
		}
		if change = schoolbell.ChangeUpdated; tag.RowsAffected() > 0 {
			return nil
		}
		change = schoolbell.ChangeCreated
		_, err = tx.Exec(ctx, "INSERT INTO groups (id, name, kind, parent_seq) VALUES ($1, $2, $3, $4)", g.ID, g.Name, g.Kind, parent)
		return err
	})
	return change, err
}

// parentOf returns the number of g's parent, if it has one and may have it.
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
	if err := tx.QueryRow(ctx, groupDepth, g.ID, seq, schoolbell.MaxGroupDepth+1).Scan(&above, &circle, &below); err != nil {
		return nil, err
	}
	return &seq, row.CheckDepth(above, below, circle)
}

// groupDepth says how many levels there are from parent $2 upwards, whether
// group $1 is among them, and how many levels there are below group $1.
const groupDepth = `WITH RECURSIVE up(seq, level) AS (
		SELECT $2::bigint, 1 UNION ALL
		SELECT g.parent_seq, level + 1 FROM up JOIN groups g ON g.seq = up.seq WHERE g.parent_seq IS NOT NULL AND level < $3),
	down(seq, level) AS (
		SELECT seq, 0 FROM groups WHERE id = $1 UNION ALL
		SELECT g.seq, level + 1 FROM down JOIN groups g ON g.parent_seq = down.seq WHERE level < $3)
	SELECT (SELECT max(level) FROM up), EXISTS (SELECT 1 FROM up JOIN groups g ON g.seq = up.seq WHERE g.id = $1), (SELECT coalesce(max(level), 0) FROM down)`

const groupColumns = "g.id, g.name, g.kind, coalesce(p.id, '') FROM groups g LEFT JOIN groups p ON p.seq = g.parent_seq"

func scanGroup(r pgx.CollectableRow) (*schoolbell.Group, error) {
	var g schoolbell.Group
	err := r.Scan(&g.ID, &g.Name, &g.Kind, &g.Parent)
	return &g, err
}

// Group implements people.Store.
func (s People) Group(ctx context.Context, id string) (g *schoolbell.Group, err error) {
	err = s.DB.again("read group", func() error {
		rows, err := s.DB.pool.Query(ctx, "SELECT "+groupColumns+" WHERE g.id = $1", id)
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
		rows, err := s.DB.pool.Query(ctx, "SELECT "+groupColumns+" WHERE g.id > $1 ORDER BY g.id LIMIT $2", after, limit)
		groups, err = list(rows, err, scanGroup)
		return err
	})
	return groups, err
}
