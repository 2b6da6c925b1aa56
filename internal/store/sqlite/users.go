package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// People implements people.Store.
type People struct{ DB *DB }

// listOf returns the first column of what query selects.
func listOf[T any](ctx context.Context, c *conn, query string, a args) (list []T, err error) {
	err = c.each(ctx, query, a, func(scan func(...any) error) error {
		var v T
		err := scan(&v)
		list = append(list, v)
		return err
	})
	return list, err
}

// UnknownUsers implements people.Store.
func (s People) UnknownUsers(ctx context.Context, ids []string) (unknown []string, err error) {
	err = s.DB.read(ctx, "look for users", func(c *conn) error {
		unknown, err = listOf[string](ctx, c, unknownUsers, args{"ids": jsonOf(ids)})
		return err
	})
	return unknown, err
}

// DropGuardianships implements people.Store.
func (s People) DropGuardianships(ctx context.Context, unknownStudents []string) error {
	ids := args{"ids": jsonOf(unknownStudents)}
	return s.DB.write(ctx, "drop guardianships", func(c *conn) error {
		if _, err := c.exec(ctx, dropGuardianships, ids); err != nil {
			return err
		}
		_, err := c.exec(ctx, deleteAwaited, ids)
		return err
	})
}

// dropGuardianships deletes the guardianships of the students who are not live.
var dropGuardianships = row.SQL(`
DELETE FROM guardianships
WHERE student_seq IN (
	SELECT seq
	FROM users
	WHERE id IN (SELECT value FROM json_each(@ids))
		AND state <> {user_live}
)`)

// deleteAwaited deletes the awaited among the users.
var deleteAwaited = row.SQL(`
DELETE FROM users
WHERE id IN (SELECT value FROM json_each(@ids))
	AND state = {user_awaited}`)

// selectUsers selects live users as the function readUsers reads them. An AND about u follows.
// Lists are sorted, so that two ledgers with the same people answer the same.
const selectUsers = `
SELECT u.id, u.name, u.locale, u.timezone,
	` + listedAddresses + `,
	(SELECT json_group_array(role) FROM (
		SELECT role
		FROM user_roles
		WHERE user_seq = u.seq
		ORDER BY role
	)),
	(SELECT json_group_array(id) FROM (
		SELECT g.id
		FROM memberships m
		JOIN groups g ON g.seq = m.group_seq
		WHERE m.user_seq = u.seq
		ORDER BY g.id
	)),
	(SELECT json_group_array(id) FROM (
		SELECT s.id
		FROM guardianships p
		JOIN users s ON s.seq = p.student_seq
		WHERE p.guardian_seq = u.seq
			AND s.state = {user_live}
		ORDER BY s.id
	))
FROM users u
WHERE u.state = {user_live}`

func readUsers(ctx context.Context, db *DB, query string, a args) (users []*schoolbell.User, err error) {
	err = db.read(ctx, "read users", func(c *conn) error {
		return c.each(ctx, query, a, func(scan func(...any) error) error {
			var u schoolbell.User
			var stored []row.Address
			var addresses, roles, groups, students string
			if err := scan(&u.ID, &u.Name, &u.Locale, &u.Timezone, &addresses, &roles, &groups, &students); err != nil {
				return err
			}
			if err := errors.Join(decodeList(addresses, &stored), decodeList(roles, &u.Roles), decodeList(groups, &u.Groups),
				decodeList(students, &u.GuardianOf)); err != nil {
				return fmt.Errorf("decode user %s: %w", u.ID, err)
			}
			row.FillAddresses(&u, stored)
			users = append(users, &u)
			return nil
		})
	})
	return users, err
}

// decodeList reads a JSON list; an empty one is nil.
func decodeList[T any](text string, into *[]T) error {
	if text == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(text), into)
}

// User implements people.Store.
func (s People) User(ctx context.Context, id string) (*schoolbell.User, error) {
	return readUser(ctx, s.DB, findUser, args{"id": id}, id)
}

// findUser selects a live user.
var findUser = row.SQL(selectUsers + `
	AND u.id = @id`)

// UserByNumber implements people.Store.
func (s People) UserByNumber(ctx context.Context, number int64) (*schoolbell.User, error) {
	return readUser(ctx, s.DB, findUserByNumber, args{"user": number}, "")
}

// findUserByNumber selects a live user by number.
var findUserByNumber = row.SQL(selectUsers + `
	AND u.seq = @user`)

// readUser reads the only user that a query selects. name is that of an error.
func readUser(ctx context.Context, db *DB, query string, a args, name string) (*schoolbell.User, error) {
	users, err := readUsers(ctx, db, query, a)
	switch {
	case err != nil:
		return nil, err
	case len(users) == 0:
		return nil, schoolbell.NotFound("user", name)
	}
	return users[0], nil
}

// Users implements people.Store.
func (s People) Users(ctx context.Context, after string, limit int) ([]*schoolbell.User, error) {
	return readUsers(ctx, s.DB, listUsers, args{"after": after, "limit": limit})
}

// listUsers selects a page of live users after an id.
var listUsers = row.SQL(selectUsers + `
	AND u.id > @after
ORDER BY u.id
LIMIT @limit`)

// userSeq returns the number of a person.
func userSeq(ctx context.Context, c *conn, id string) (seq int64, err error) {
	err = c.get(ctx, findUserSeq, args{"id": id}, &seq)
	return seq, orNotFound(err, "user", id)
}

// findUserSeq selects the number of a live user.
var findUserSeq = row.SQL("SELECT seq FROM users WHERE id = @id AND state = {user_live}")

// userRefs returns the people with these ids, by id.
func userRefs(ctx context.Context, db *DB, ids []string) (map[string]ledger.UserRef, error) {
	refs := make(map[string]ledger.UserRef, len(ids))
	err := db.read(ctx, "look for users", func(c *conn) error {
		return c.each(ctx, findUserRefs, args{"ids": jsonOf(ids)}, func(scan func(...any) error) error {
			var id string
			var ref ledger.UserRef
			err := scan(&id, &ref.Number, &ref.Generation)
			refs[id] = ref
			return err
		})
	})
	return refs, err
}

// findUserRefs selects the numbers and token generations of live users.
var findUserRefs = row.SQL(`
SELECT id, seq, generation
FROM users
WHERE id IN (SELECT value FROM json_each(@ids))
	AND state = {user_live}`)
