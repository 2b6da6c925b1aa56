package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// Directory implements people.DirectoryStore.
type Directory struct{ DB *DB }

// Find implements people.DirectoryStore.
func (s Directory) Find(ctx context.Context, f schoolbell.UserFilter, after schoolbell.UserPlace, limit int) ([]*schoolbell.User, error) {
	query, a := listByName, args{"role": string(f.Role), "name": after.Name, "id": after.ID, "limit": limit, "within": jsonOf(f.Within)}
	if f.Text != "" {
		query = findByText
		a["text"], a["end"] = f.Text, row.AfterPrefix(f.Text)
	}
	return readUsers(ctx, s.DB, query, a)
}

// inPlace narrows people to a role, groups and those after a place, and orders them by name, as the index users_by_name does.
const inPlace = `
	AND (lower(u.name), u.id) > (lower(@name), @id)
	AND (@role = '' OR EXISTS (SELECT 1 FROM user_roles r WHERE r.user_seq = u.seq AND r.role = @role))
	AND (@within = '[]' OR u.seq IN (` + peopleWithin + `))
ORDER BY lower(u.name), u.id
LIMIT @limit`

// listByName selects a page of people by name.
var listByName = row.SQL(selectUsers + inPlace)

// findByText selects a page of the people with a text in the name, or at the beginning of the id or an address. What it looks
// for stands in the index by name, so that it reads no row but those that it finds.
var findByText = row.SQL(selectUsers + `
	AND u.seq IN (
		SELECT u.seq FROM users u INDEXED BY users_by_name
		WHERE u.state = {user_live}
			AND (instr(lower(u.name), lower(@text)) > 0 OR u.id >= @text AND u.id < @end OR u.seq IN (
				SELECT a.user_seq FROM addresses a
				WHERE a.channel IN ({email}, {sms}) AND lower(a.address) >= lower(@text) AND lower(a.address) < lower(@end)
			))` + inPlace + `
	)
ORDER BY lower(u.name), u.id`)

// Names implements people.DirectoryStore.
func (s Directory) Names(ctx context.Context, ids []string) (map[string]string, error) {
	names := make(map[string]string, len(ids))
	err := s.DB.read(ctx, "read names", func(c *conn) error {
		return c.each(ctx, findNames, args{"ids": jsonOf(ids)}, func(scan func(...any) error) error {
			var id, name string
			err := scan(&id, &name)
			names[id] = name
			return err
		})
	})
	return names, err
}

// findNames selects the names of the live users with these ids.
var findNames = row.SQL(`
SELECT id, name
FROM users
WHERE id IN (SELECT value FROM json_each(@ids))
	AND state = {user_live}`)

// Guardians implements people.DirectoryStore.
func (s Directory) Guardians(ctx context.Context, student string, limit int) (ids []string, err error) {
	err = s.DB.read(ctx, "list guardians", func(c *conn) error {
		ids, err = listOf[string](ctx, c, listGuardians, args{"student": student, "limit": limit})
		return err
	})
	return ids, err
}

// listGuardians selects the guardians of a student.
var listGuardians = row.SQL(`
SELECT g.id
FROM users s
JOIN guardianships p ON p.student_seq = s.seq
JOIN users g ON g.seq = p.guardian_seq
WHERE s.id = @student
	AND s.state = {user_live}
	AND g.state = {user_live}
ORDER BY g.id
LIMIT @limit`)
