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

const pieceSize = 1_000 // users that one round of statements stores

// People implements people.Store.
type People struct{ DB *DB }

// PutUser implements people.Store.
func (s People) PutUser(ctx context.Context, u *schoolbell.User) (change schoolbell.Change, err error) {
	err = s.DB.write(ctx, "put user", func(c *conn) error {
		unknown, err := listOf[string](ctx, c, unknownUsersQuery, jsonOf(u.GuardianOf))
		if err != nil {
			return err
		}
		if err := row.UnknownStudents(u, unknown); err != nil {
			return err
		}
		changes, err := putPiece(ctx, c, []*schoolbell.User{u})
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
			done, err := putPiece(ctx, c, piece)
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
func putPiece(ctx context.Context, c *conn, users []*schoolbell.User) ([]schoolbell.Change, error) {
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	known, err := listOf[string](ctx, c, "SELECT id FROM users WHERE id IN (SELECT value FROM json_each(?1)) AND state = 0", jsonOf(ids))
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
		args  []any
	}{
		{putUserRows, []any{string(text), at}},
		{putAwaited, []any{students, at}},
		{putGroups, []any{groups}},
		{"DELETE FROM user_roles WHERE user_seq IN " + seqsOf, []any{knownIDs}},
		{"DELETE FROM memberships WHERE user_seq IN " + seqsOf, []any{knownIDs}},
		{"DELETE FROM guardianships WHERE guardian_seq IN " + seqsOf, []any{knownIDs}},
		{`INSERT INTO user_roles (role, user_seq) SELECT value ->> 1, u.seq FROM json_each(?1) CROSS JOIN users u ON u.id = value ->> 0 WHERE true
			ON CONFLICT DO NOTHING`, []any{roles}},
		{`INSERT INTO memberships (group_seq, user_seq) SELECT g.seq, u.seq FROM json_each(?1)
			CROSS JOIN users u ON u.id = value ->> 0 CROSS JOIN groups g ON g.id = value ->> 1 WHERE true ON CONFLICT DO NOTHING`, []any{groups}},
		{`INSERT INTO guardianships (guardian_seq, student_seq) SELECT u.seq, s.seq FROM json_each(?1)
			CROSS JOIN users u ON u.id = value ->> 0 CROSS JOIN users s ON s.id = value ->> 1 WHERE true ON CONFLICT DO NOTHING`, []any{students}},
	} {
		if st.args[0] == "[]" {
			continue
		}
		if _, err := c.exec(ctx, st.query, st.args...); err != nil {
			return nil, err
		}
	}
	exists := make(map[string]bool, len(known))
	for _, id := range known {
		exists[id] = true
	}
	return row.Changes(users, exists), nil
}

const (
	seqsOf = "(SELECT seq FROM users WHERE id IN (SELECT value FROM json_each(?1)))"

	// Somebody who was deleted or awaited becomes a person under the same number.
	putUserRows = `INSERT INTO users (id, state, name, email, phone, locale, timezone, created_at, updated_at)
		SELECT value ->> 'id', 0, value ->> 'name', coalesce(value ->> 'email', ''), coalesce(value ->> 'phone', ''),
			coalesce(value ->> 'locale', ''), coalesce(value ->> 'timezone', ''), ?2, ?2
		FROM json_each(?1) WHERE true
		ON CONFLICT (id) DO UPDATE SET state = 0, name = excluded.name, email = excluded.email, phone = excluded.phone,
			locale = excluded.locale, timezone = excluded.timezone, updated_at = excluded.updated_at,
			created_at = CASE state WHEN 0 THEN created_at ELSE excluded.created_at END`

	putAwaited = `INSERT INTO users (id, state, name, email, phone, locale, timezone, created_at, updated_at)
		SELECT DISTINCT value ->> 1, 2, '', '', '', '', '', ?2, ?2 FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING`

	putGroups = `INSERT INTO groups (id, name, kind) SELECT DISTINCT value ->> 1, value ->> 1, 'class' FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING`
)

func pairsOf(p row.Pairs) string {
	list := make([][2]string, len(p.Users))
	for i := range list {
		list[i] = [2]string{p.Users[i], p.Others[i]}
	}
	return jsonOf(list)
}

// listOf returns the first column of what query selects.
func listOf[T any](ctx context.Context, c *conn, query string, args ...any) (list []T, err error) {
	err = c.each(ctx, query, args, func(scan func(...any) error) error {
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
		unknown, err = listOf[string](ctx, c, unknownUsersQuery, jsonOf(ids))
		return err
	})
	return unknown, err
}

// DropGuardianships implements people.Store.
func (s People) DropGuardianships(ctx context.Context, unknownStudents []string) error {
	ids := jsonOf(unknownStudents)
	return s.DB.write(ctx, "drop guardianships", func(c *conn) error {
		if _, err := c.exec(ctx, `DELETE FROM guardianships WHERE student_seq IN
			(SELECT seq FROM users WHERE id IN (SELECT value FROM json_each(?1)) AND state <> 0)`, ids); err != nil {
			return err
		}
		_, err := c.exec(ctx, "DELETE FROM users WHERE id IN (SELECT value FROM json_each(?1)) AND state = 2", ids)
		return err
	})
}

// Lists are sorted: two ledgers with the same people answer the same.
const userColumns = `u.id, u.name, u.email, u.phone, u.locale, u.timezone,
	(SELECT json_group_array(role) FROM (SELECT role FROM user_roles WHERE user_seq = u.seq ORDER BY role)),
	(SELECT json_group_array(id) FROM (SELECT g.id FROM memberships m JOIN groups g ON g.seq = m.group_seq WHERE m.user_seq = u.seq ORDER BY g.id)),
	(SELECT json_group_array(id) FROM (SELECT w.id FROM guardianships p JOIN users w ON w.seq = p.student_seq WHERE p.guardian_seq = u.seq AND w.state = 0 ORDER BY w.id))`

func (s People) users(ctx context.Context, query string, args ...any) (users []*schoolbell.User, err error) {
	err = s.DB.read(ctx, "read users", func(c *conn) error {
		return c.each(ctx, query, args, func(scan func(...any) error) error {
			var u schoolbell.User
			var roles, groups, students string
			if err := scan(&u.ID, &u.Name, &u.Email, &u.Phone, &u.Locale, &u.Timezone, &roles, &groups, &students); err != nil {
				return err
			}
			if err := errors.Join(decodeList(roles, &u.Roles), decodeList(groups, &u.Groups), decodeList(students, &u.GuardianOf)); err != nil {
				return fmt.Errorf("decode user %s: %w", u.ID, err)
			}
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
	users, err := s.users(ctx, "SELECT "+userColumns+" FROM users u WHERE u.id = ?1 AND u.state = 0", id)
	switch {
	case err != nil:
		return nil, err
	case len(users) == 0:
		return nil, schoolbell.NotFound("user", id)
	}
	return users[0], nil
}

// Users implements people.Store.
func (s People) Users(ctx context.Context, after string, limit int) ([]*schoolbell.User, error) {
	return s.users(ctx, "SELECT "+userColumns+" FROM users u WHERE u.id > ?1 AND u.state = 0 ORDER BY u.id LIMIT ?2", after, limit)
}

// DeleteUser implements people.Store.
func (s People) DeleteUser(ctx context.Context, id string) error {
	return s.DB.write(ctx, "delete user", func(c *conn) error {
		seq, err := userSeq(ctx, c, id)
		if err != nil {
			return err
		}
		at, err := clock(ctx, c)
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, `UPDATE users SET state = 1, generation = generation + 1, name = '', email = '', phone = '', locale = '', timezone = '', updated_at = ?2
			WHERE seq = ?1`, seq, at); err != nil {
			return err
		}
		for _, query := range []string{
			"DELETE FROM user_roles WHERE user_seq = ?1", "DELETE FROM memberships WHERE user_seq = ?1",
			"DELETE FROM guardianships WHERE guardian_seq = ?1", "DELETE FROM guardianships WHERE student_seq = ?1",
			"DELETE FROM preferences WHERE user_seq = ?1", "DELETE FROM inbox WHERE user_seq = ?1",
		} {
			if _, err := c.exec(ctx, query, seq); err != nil {
				return err
			}
		}
		// Event by event and channel by channel, because the key begins with them.
		_, err = c.exec(ctx, `UPDATE deliveries SET status = CASE WHEN uncertain THEN 6 ELSE 5 END, retry_at = NULL, reason = 'no_address', updated_at = ?2
			WHERE event_seq IN (SELECT seq FROM events WHERE completed_at IS NULL) AND channel IN (2, 3, 4) AND user_seq = ?1 AND status = 0`, seq, at)
		return err
	})
}

// userSeq returns the number of a person.
func userSeq(ctx context.Context, c *conn, id string) (seq int64, err error) {
	err = c.get(ctx, "SELECT seq FROM users WHERE id = ?1 AND state = 0", []any{id}, &seq)
	return seq, orNotFound(err, "user", id)
}

// userRefs returns the people with these ids, by id.
func userRefs(ctx context.Context, db *DB, ids []string) (map[string]ledger.UserRef, error) {
	refs := make(map[string]ledger.UserRef, len(ids))
	err := db.read(ctx, "look for users", func(c *conn) error {
		return c.each(ctx, "SELECT id, seq, generation FROM users WHERE id IN (SELECT value FROM json_each(?1)) AND state = 0", []any{jsonOf(ids)},
			func(scan func(...any) error) error {
				var id string
				var ref ledger.UserRef
				err := scan(&id, &ref.Number, &ref.Generation)
				refs[id] = ref
				return err
			})
	})
	return refs, err
}
