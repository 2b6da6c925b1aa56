package sqlite

import (
	"context"
	"encoding/json"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// pieceSize is the number of users that one round of statements stores.
const pieceSize = 1_000

// PutUser implements people.Store.
func (s People) PutUser(ctx context.Context, u *schoolbell.User) (change schoolbell.Change, err error) {
	err = s.DB.write(ctx, "put user", func(c *conn) error {
		unknown, err := listOf[string](ctx, c, unknownUsers, args{"ids": jsonOf(u.GuardianOf)})
		if err != nil {
			return err
		}
		if err := row.UnknownStudents(u, unknown); err != nil {
			return err
		}
		changes, err := putPiece(ctx, c, &s.DB.channels, []*schoolbell.User{u})
		if err != nil {
			return err
		}
		change = changes[0]
		return nil
	})
	return change, err
}

// PutUsers implements people.Store.
func (s People) PutUsers(ctx context.Context, users []*schoolbell.User) (changes []schoolbell.Change, err error) {
	err = s.DB.write(ctx, "put users", func(c *conn) error {
		changes = make([]schoolbell.Change, 0, len(users))
		for _, piece := range row.Pieces(users, pieceSize) {
			done, err := putPiece(ctx, c, &s.DB.channels, piece)
			if err != nil {
				return err
			}
			changes = append(changes, done...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// putPiece stores users with distinct ids by a few statements over all of them.
func putPiece(ctx context.Context, c *conn, channels *channelTable, users []*schoolbell.User) ([]schoolbell.Change, error) {
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	for _, u := range users {
		if err := checkAddressChannels(ctx, c, channels, u); err != nil {
			return nil, err
		}
	}
	known, err := listOf[string](ctx, c, liveUsers, args{"ids": jsonOf(ids)})
	if err != nil {
		return nil, err
	}
	at, err := clock(ctx, c)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(users)
	if err != nil {
		return nil, err
	}
	links := row.LinksOf(users)
	knownIDs, roles, groups, students := jsonOf(known), pairsOf(links.Roles), pairsOf(links.Groups), pairsOf(links.Students)
	for _, st := range []struct {
		query string
		args  args
	}{
		{putUsers, args{"users": string(text), "now": at}},
		{addAwaited, args{"pairs": students, "now": at}},
		{addGroups, args{"pairs": groups, "kind": string(schoolbell.GroupClass)}},
		{"DELETE FROM user_roles WHERE user_seq IN " + seqsOf, args{"ids": knownIDs}},
		{"DELETE FROM memberships WHERE user_seq IN " + seqsOf, args{"ids": knownIDs}},
		{"DELETE FROM guardianships WHERE guardian_seq IN " + seqsOf, args{"ids": knownIDs}},
		{addRoles, args{"pairs": roles}},
		{addMemberships, args{"pairs": groups}},
		{addGuardianships, args{"pairs": students}},
	} {
		if st.args["pairs"] == "[]" || st.args["ids"] == "[]" {
			continue
		}
		if _, err := c.exec(ctx, st.query, st.args); err != nil {
			return nil, err
		}
	}
	if err := putAddresses(ctx, c, users, known, at); err != nil {
		return nil, err
	}
	exists := make(map[string]bool, len(known))
	for _, id := range known {
		exists[id] = true
	}
	return row.Changes(users, exists), nil
}

// liveUsers selects those of the ids that live users have.
var liveUsers = row.SQL(`
SELECT id
FROM users
WHERE id IN (SELECT value FROM json_each(@ids))
	AND state = {user_live}`)

// seqsOf is the list of the numbers of the users with the ids.
const seqsOf = "(SELECT seq FROM users WHERE id IN (SELECT value FROM json_each(@ids)))"

// putUsers inserts or changes the rows of users. A user who was deleted or awaited
// becomes live under the same number.
var putUsers = row.SQL(`
INSERT INTO users (id, state, name, locale, timezone, created_at, updated_at)
SELECT value ->> 'id', {user_live}, value ->> 'name',
	coalesce(value ->> 'locale', ''), coalesce(value ->> 'timezone', ''), @now, @now
FROM json_each(@users)
WHERE true
ON CONFLICT (id) DO UPDATE
SET state = {user_live},
	name = excluded.name,
	locale = excluded.locale,
	timezone = excluded.timezone,
	updated_at = excluded.updated_at,
	created_at = CASE WHEN state = {user_live} THEN created_at ELSE excluded.created_at END`)

// addAwaited inserts an awaited user for each student who does not exist yet. The pairs
// are of a user and a student.
var addAwaited = row.SQL(`
INSERT INTO users (id, state, name, locale, timezone, created_at, updated_at)
SELECT DISTINCT value ->> 1, {user_awaited}, '', '', '', @now, @now
FROM json_each(@pairs)
WHERE true
ON CONFLICT DO NOTHING`)

// addGroups inserts the groups that do not exist yet, with their ids as names. The pairs
// are of a user and a group.
const addGroups = `
INSERT INTO groups (id, name, kind)
SELECT DISTINCT value ->> 1, value ->> 1, @kind
FROM json_each(@pairs)
WHERE true
ON CONFLICT DO NOTHING`

// addRoles inserts pairs of a user and a role.
const addRoles = `
INSERT INTO user_roles (role, user_seq)
SELECT value ->> 1, u.seq
FROM json_each(@pairs)
CROSS JOIN users u ON u.id = value ->> 0
WHERE true
ON CONFLICT DO NOTHING`

// addMemberships inserts pairs of a user and a group.
const addMemberships = `
INSERT INTO memberships (group_seq, user_seq)
SELECT g.seq, u.seq
FROM json_each(@pairs)
CROSS JOIN users u ON u.id = value ->> 0
CROSS JOIN groups g ON g.id = value ->> 1
WHERE true
ON CONFLICT DO NOTHING`

// addGuardianships inserts pairs of a user and a student.
const addGuardianships = `
INSERT INTO guardianships (guardian_seq, student_seq)
SELECT u.seq, s.seq
FROM json_each(@pairs)
CROSS JOIN users u ON u.id = value ->> 0
CROSS JOIN users s ON s.id = value ->> 1
WHERE true
ON CONFLICT DO NOTHING`

// pairsOf encodes pairs for json_each.
func pairsOf(p row.Pairs) string {
	list := make([][2]string, len(p.Users))
	for i := range list {
		list[i] = [2]string{p.Users[i], p.Others[i]}
	}
	return jsonOf(list)
}
