package sqlite

import (
	"context"
	"encoding/json"

	"schoolbell/internal/store/row"
)

// linkTable is a table of links between users and something else.
type linkTable struct {
	find   string    // selects the links of the users with the numbers @users
	remove string    // deletes the pairs @pairs of a user and the other
	add    insertion // of a user and the other
}

// roleTable holds the roles of users.
var roleTable = linkTable{findRoles, removeRoles, insertion{into: "INSERT INTO user_roles (user_seq, role)", row: "(?, ?)"}}

// findRoles selects the roles of users.
const findRoles = `
SELECT user_seq, role
FROM json_each(@users)
CROSS JOIN user_roles ON user_seq = value`

// removeRoles deletes roles.
const removeRoles = `
DELETE FROM user_roles
WHERE (user_seq, role) IN (SELECT value ->> 'User', value ->> 'Other' FROM json_each(@pairs))`

// membershipTable holds the groups of users.
var membershipTable = linkTable{findMemberships, removeMemberships, insertion{into: "INSERT INTO memberships (user_seq, group_seq)", row: "(?, ?)"}}

// findMemberships selects the memberships of users.
const findMemberships = `
SELECT user_seq, group_seq
FROM json_each(@users)
CROSS JOIN memberships ON user_seq = value`

// removeMemberships deletes memberships.
const removeMemberships = `
DELETE FROM memberships
WHERE (user_seq, group_seq) IN (SELECT value ->> 'User', value ->> 'Other' FROM json_each(@pairs))`

// guardianshipTable holds the students of guardians.
var guardianshipTable = linkTable{findGuardianships, removeGuardianships, insertion{into: "INSERT INTO guardianships (guardian_seq, student_seq)", row: "(?, ?)"}}

// findGuardianships selects the guardianships of users.
const findGuardianships = `
SELECT guardian_seq, student_seq
FROM json_each(@users)
CROSS JOIN guardianships ON guardian_seq = value`

// removeGuardianships deletes guardianships.
const removeGuardianships = `
DELETE FROM guardianships
WHERE (guardian_seq, student_seq) IN (SELECT value ->> 'User', value ->> 'Other' FROM json_each(@pairs))`

// putLinks makes the links of a table those that are wanted. old are the numbers of those
// of the users who may have some.
func putLinks[T comparable](ctx context.Context, c *conn, table linkTable, p *row.Put, old []int64, wanted []row.Link[T]) error {
	var found []row.Link[T]
	if len(old) > 0 {
		var link row.Link[T]
		dest := []any{&link.User, &link.Other}
		err := c.each(ctx, table.find, args{"users": jsonOf(old)}, func(scan func(...any) error) error {
			err := scan(dest...)
			found = append(found, link)
			return err
		})
		if err != nil {
			return err
		}
	}
	added, removed := row.DiffLinks(found, wanted)
	row.NoteLinks(p, added, removed)
	if len(removed) > 0 {
		pairs, err := json.Marshal(removed)
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, table.remove, args{"pairs": string(pairs)}); err != nil {
			return err
		}
	}
	values := make([]any, 0, 2*len(added))
	for _, link := range added {
		values = append(values, link.User, link.Other)
	}
	return c.insertRows(ctx, table.add, values)
}
