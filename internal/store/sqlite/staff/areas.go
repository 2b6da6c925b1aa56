package staff

import (
	"context"

	"schoolbell"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// Areas implements staff.AreaStore.
type Areas struct{ DB *sqlite.DB }

// belowWithin are the numbers of the groups @within and of all below them.
const belowWithin = `
WITH RECURSIVE below(seq) AS (
	SELECT seq FROM groups WHERE id IN (SELECT value FROM json_each(@within))
	UNION
	SELECT g.seq FROM groups g JOIN below b ON g.parent_seq = b.seq
)`

// EventWithin implements staff.AreaStore.
func (s Areas) EventWithin(ctx context.Context, id string, groups []string) (within bool, err error) {
	err = sqlite.Read(ctx, s.DB, "find an event within groups", func(c sqlite.Conn) error {
		return c.Get(ctx, eventWithin, args{"id": id, "within": jsonOf(groups)}, &within)
	})
	return within, err
}

// eventWithin selects whether each group of the area of the event @id is one of below.
const eventWithin = belowWithin + `
SELECT EXISTS (
	SELECT 1
	FROM events e
	JOIN areas a ON a.key = e.area
	WHERE e.id = @id
		AND NOT EXISTS (
			SELECT 1
			FROM json_each(a.groups) n
			WHERE n.value NOT IN (SELECT g.id FROM below b JOIN groups g ON g.seq = b.seq)
		)
)`

// PeopleWithin implements staff.AreaStore.
func (s Areas) PeopleWithin(ctx context.Context, groups, ids []string) (map[string]bool, error) {
	found := make(map[string]bool, len(ids))
	err := sqlite.Read(ctx, s.DB, "find people within groups", func(c sqlite.Conn) error {
		return c.Each(ctx, findPeople, args{"within": jsonOf(groups), "ids": jsonOf(ids)}, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			found[id] = true
			return err
		})
	})
	return found, err
}

// findPeople selects those of the people @ids who are in a group of below, and guardians of such people. It starts from the people,
// who are few.
var findPeople = row.SQL(belowWithin + `
SELECT u.id
FROM users u
WHERE u.id IN (SELECT value FROM json_each(@ids))
	AND u.state = {user_live}
	AND (EXISTS (
			SELECT 1
			FROM memberships m
			WHERE m.user_seq = u.seq
				AND m.group_seq IN (SELECT seq FROM below)
		)
		OR EXISTS (
			SELECT 1
			FROM guardianships p
			JOIN memberships m ON m.user_seq = p.student_seq
			WHERE p.guardian_seq = u.seq
				AND m.group_seq IN (SELECT seq FROM below)
		))`)

// GroupsBelow implements staff.AreaStore.
func (s Areas) GroupsBelow(ctx context.Context, groups []string) ([]*schoolbell.Group, error) {
	return s.groups(ctx, "list groups below groups", listGroupsBelow, args{"within": jsonOf(groups)})
}

func (s Areas) groups(ctx context.Context, task, query string, a args) (found []*schoolbell.Group, err error) {
	err = sqlite.Read(ctx, s.DB, task, func(c sqlite.Conn) error {
		found = nil
		return c.Each(ctx, query, a, func(scan func(...any) error) error {
			var g schoolbell.Group
			err := scan(&g.ID, &g.Name, &g.Kind, &g.Parent)
			found = append(found, &g)
			return err
		})
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
	return s.groups(ctx, "find groups", findGroups, args{"within": jsonOf(f.Within), "anywhere": f.Within == nil, "ids": jsonOf(f.IDs), "any_id": f.IDs == nil,
		"text": f.Text, "part": row.Containing(f.Text), "end": row.AfterPrefix(f.Text), "limit": limit})
}

// findGroups selects groups by name.
const findGroups = selectGroups + `
WHERE (@anywhere OR g.seq IN (SELECT seq FROM below))
	AND (@any_id OR g.id IN (SELECT value FROM json_each(@ids)))
	AND (@text = '' OR g.name LIKE @part ESCAPE '\' OR g.id >= @text AND g.id < @end)
ORDER BY g.name, g.id
LIMIT @limit`
