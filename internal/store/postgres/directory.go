package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// Directory implements people.DirectoryStore.
type Directory struct{ DB *DB }

// Find implements people.DirectoryStore.
func (s Directory) Find(ctx context.Context, f schoolbell.UserFilter, after schoolbell.UserPlace, limit int) (users []*schoolbell.User, err error) {
	a := named{"role": string(f.Role), "name": after.Name, "id": after.ID, "limit": limit}
	queries := []string{selectUsers}
	if f.Text != "" {
		queries = []string{nextNamed + withText, matching}
		a = a.with(named{"containing": row.Containing(f.Text), "text": f.Text, "end": row.AfterPrefix(f.Text)})
	}
	narrowed := inPlace
	if len(f.Within) > 0 {
		narrowed = userWithin + inPlace
		a["within"] = f.Within
	}
	for _, query := range queries {
		err = s.DB.again("find users", func() error {
			rows, err := s.DB.pool.Query(ctx, query+narrowed, a)
			users, err = list(rows, err, scanUser)
			return err
		})
		if err != nil || len(users) == limit {
			return users, err
		}
	}
	return users, nil
}

// nextNamed selects people whose names come next: a text that many have is found among them.
var nextNamed = personColumns + nextPeople + whoAreLive

// matching selects all people with a text, for one that few have. It reads people as they are stored: in the order of names,
// each would be on another page of the disk.
var matching = personColumns + " FROM (SELECT * FROM users u WHERE true" + withText + " OFFSET 0) u" + whoAreLive

// nextPeople are people after a place, by name.
var nextPeople = row.SQL(`
	FROM (
		SELECT * FROM users n
		WHERE n.state = {user_live} AND (lower(n.name COLLATE "C"), n.id) > (lower(@name::text COLLATE "C"), @id::text)
		ORDER BY lower(n.name COLLATE "C"), n.id
		LIMIT 2000) u`)

// inPlace narrows people to a role and those after a place, and orders them by name, as the index users_by_name does.
const inPlace = `
		AND (lower(u.name COLLATE "C"), u.id) > (lower(@name::text COLLATE "C"), @id::text)
		AND (@role = '' OR EXISTS (SELECT FROM user_roles r WHERE r.user_seq = u.seq AND r.role = @role))
	ORDER BY lower(u.name COLLATE "C"), u.id
	LIMIT @limit`

// withText narrows people to those with a text in the name, or at the beginning of the id or an address. ILIKE would put the
// pattern in lower case again for each person.
var withText = row.SQL(`
		AND (lower(u.name) LIKE (SELECT lower(@containing::text))
			OR u.id >= @text AND u.id < @end
			OR u.seq IN (
				SELECT a.user_seq
				FROM addresses a
				WHERE a.channel IN ({email}, {sms})
					AND lower(a.address COLLATE "C") >= lower(@text::text COLLATE "C")
					AND lower(a.address COLLATE "C") < lower(@end::text COLLATE "C")))`)

// Names implements people.DirectoryStore.
func (s Directory) Names(ctx context.Context, ids []string) (map[string]string, error) {
	names := make(map[string]string, len(ids))
	err := s.DB.again("read names", func() error {
		rows, err := s.DB.pool.Query(ctx, selectNames, ids)
		if err != nil {
			return err
		}
		var id, name string
		_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
			names[id] = name
			return nil
		})
		return err
	})
	return names, err
}

// selectNames selects the names of the people with these ids.
var selectNames = row.SQL("SELECT id, name FROM users WHERE id = ANY ($1) AND state = {user_live}")

// Guardians implements people.DirectoryStore.
func (s Directory) Guardians(ctx context.Context, student string, limit int) (ids []string, err error) {
	err = s.DB.again("list guardians", func() error {
		rows, err := s.DB.pool.Query(ctx, listGuardians, student, limit)
		ids, err = list(rows, err, pgx.RowTo[string])
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
	WHERE s.id = $1 AND s.state = {user_live} AND g.state = {user_live}
	ORDER BY g.id
	LIMIT $2`)
