package staff

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/row"
)

// Areas implements staff.AreaStore.
type Areas struct{ DB *postgres.DB }

// belowWithin are the numbers of the groups @within and of all below them.
const belowWithin = `
	WITH RECURSIVE below(seq) AS (
		SELECT seq FROM groups WHERE id = ANY (@within::text[])
		UNION
		SELECT g.seq FROM groups g JOIN below b ON g.parent_seq = b.seq)`

// EventWithin implements staff.AreaStore.
func (s Areas) EventWithin(ctx context.Context, id string, groups []string) (within bool, err error) {
	err = postgres.Read(ctx, s.DB, "find an event within groups", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, eventWithin, named{"id": id, "within": groups}).Scan(&within)
	})
	return within, err
}

// eventWithin selects whether each group of the area of the event @id is one of below.
const eventWithin = belowWithin + `
	SELECT EXISTS (
		SELECT FROM events e
		JOIN areas a ON a.key = e.area
		WHERE e.id = @id AND a.groups <@ ARRAY(SELECT g.id::text FROM below b JOIN groups g ON g.seq = b.seq))`

// PeopleWithin implements staff.AreaStore.
func (s Areas) PeopleWithin(ctx context.Context, groups, ids []string) (found map[string]bool, err error) {
	err = postgres.Read(ctx, s.DB, "find people within groups", func(tx pgx.Tx) error {
		found = make(map[string]bool, len(ids))
		rows, err := tx.Query(ctx, selectPeople, named{"within": groups, "ids": ids})
		if err != nil {
			return err
		}
		var id string
		_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
			found[id] = true
			return nil
		})
		return err
	})
	return found, err
}

// selectPeople selects those of the people @ids who are in a group of below, and guardians of such people. It starts from the people,
// who are few.
var selectPeople = belowWithin + row.SQL(`
	SELECT u.id
	FROM users u
	WHERE u.id = ANY (@ids::text[]) AND u.state = {user_live}
		AND (EXISTS (
				SELECT FROM memberships m
				WHERE m.user_seq = u.seq AND m.group_seq IN (SELECT seq FROM below))
			OR EXISTS (
				SELECT FROM guardianships p JOIN memberships m ON m.user_seq = p.student_seq
				WHERE p.guardian_seq = u.seq AND m.group_seq IN (SELECT seq FROM below)))`)

// GroupsBelow implements staff.AreaStore.
func (s Areas) GroupsBelow(ctx context.Context, groups []string) ([]*schoolbell.Group, error) {
	return s.groups(ctx, "list groups below groups", listGroupsBelow, named{"within": groups})
}

func (s Areas) groups(ctx context.Context, task, query string, values named) (found []*schoolbell.Group, err error) {
	err = postgres.Read(ctx, s.DB, task, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, values)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (*schoolbell.Group, error) {
			var g schoolbell.Group
			err := r.Scan(&g.ID, &g.Name, &g.Kind, &g.Parent)
			return &g, err
		})
		return err
	})
	return found, err
}

// selectGroups selects groups g, of which below may be asked.
const selectGroups = belowWithin + `
	SELECT g.id, g.name, g.kind, coalesce(p.id, '')
	FROM groups g
	LEFT JOIN groups p ON p.seq = g.parent_seq`

// listGroupsBelow selects the groups @within and all below them.
const listGroupsBelow = selectGroups + `
	WHERE g.seq IN (SELECT seq FROM below)
	ORDER BY g.id`

// FindGroups implements staff.AreaStore.
func (s Areas) FindGroups(ctx context.Context, f schoolbell.GroupFilter, limit int) ([]*schoolbell.Group, error) {
	return s.groups(ctx, "find groups", findGroups, named{"within": f.Within, "ids": f.IDs,
		"text": f.Text, "part": row.Containing(f.Text), "end": row.AfterPrefix(f.Text), "limit": limit})
}

// findGroups selects groups by name.
const findGroups = selectGroups + `
	WHERE (@within::text[] IS NULL OR g.seq IN (SELECT seq FROM below))
		AND (@ids::text[] IS NULL OR g.id = ANY (@ids))
		AND (@text::text = '' OR g.name ILIKE @part OR g.id >= @text AND g.id < @end)
	ORDER BY g.name, g.id
	LIMIT @limit`
