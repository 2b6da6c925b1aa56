package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// People implements people.Store.
type People struct{ DB *DB }

func unknownUsers(ctx context.Context, q querier, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, selectUnknownUsers, ids)
	return list(rows, err, pgx.RowTo[string])
}

// UnknownUsers implements people.Store.
func (s People) UnknownUsers(ctx context.Context, ids []string) (unknown []string, err error) {
	err = s.DB.again("look for users", func() error {
		unknown, err = unknownUsers(ctx, s.DB.pool, ids)
		return err
	})
	return unknown, err
}

// DropGuardianships implements people.Store.
func (s People) DropGuardianships(ctx context.Context, unknownStudents []string) error {
	return s.DB.write(ctx, "drop guardianships", func(tx pgx.Tx) error {
		if err := lockToChangePeople(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, deleteUnknownStudents, unknownStudents); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, deleteAwaited, unknownStudents)
		return err
	})
}

// deleteUnknownStudents deletes the guardianships of students that are not people.
var deleteUnknownStudents = row.SQL(`
	DELETE FROM guardianships
	WHERE student_seq IN (SELECT seq FROM users WHERE id = ANY ($1) AND state <> {user_live})`)

// deleteAwaited deletes the rows of users that only guardians named.
var deleteAwaited = row.SQL("DELETE FROM users WHERE id = ANY ($1) AND state = {user_awaited}")

// selectUsers selects people as scanUser reads them.
var selectUsers = personColumns + " FROM users u" + whoAreLive

// whoAreLive leaves out those who were deleted and those who are only awaited.
var whoAreLive = row.SQL(" WHERE u.state = {user_live}")

// personColumns selects the columns of people u that scanUser reads. Lists are sorted, so that two ledgers
// with the same people give the same answers.
var personColumns = row.SQL(`
	SELECT u.id, u.name, u.locale, u.timezone,
		` + addressesOf("u.seq") + `,
		ARRAY(
			SELECT role FROM user_roles
			WHERE user_seq = u.seq
			ORDER BY role),
		ARRAY(
			SELECT g.id
			FROM memberships m
			JOIN groups g ON g.seq = m.group_seq
			WHERE m.user_seq = u.seq
			ORDER BY g.id),
		ARRAY(
			SELECT s.id
			FROM guardianships p
			JOIN users s ON s.seq = p.student_seq
			WHERE p.guardian_seq = u.seq AND s.state = {user_live}
			ORDER BY s.id)`)

// selectUser selects the person with an id.
var selectUser = selectUsers + " AND u.id = $1"

// selectUserByNumber selects the person with a number.
var selectUserByNumber = selectUsers + " AND u.seq = $1"

// listUsers selects the people after an id.
var listUsers = selectUsers + " AND u.id > $1 ORDER BY u.id LIMIT $2"

func scanUser(r pgx.CollectableRow) (*schoolbell.User, error) {
	var u schoolbell.User
	var roles []string
	var addresses []byte
	if err := r.Scan(&u.ID, &u.Name, &u.Locale, &u.Timezone, &addresses, &roles, &u.Groups, &u.GuardianOf); err != nil {
		return nil, err
	}
	if err := fillAddresses(&u, addresses); err != nil {
		return nil, err
	}
	for _, name := range roles {
		u.Roles = append(u.Roles, schoolbell.Role(name))
	}
	if len(u.Groups) == 0 {
		u.Groups = nil
	}
	if len(u.GuardianOf) == 0 {
		u.GuardianOf = nil
	}
	return &u, nil
}

// User implements people.Store.
func (s People) User(ctx context.Context, id string) (u *schoolbell.User, err error) {
	return readUser(ctx, s.DB, selectUser, id, id)
}

// UserByNumber implements people.Store.
func (s People) UserByNumber(ctx context.Context, number int64) (u *schoolbell.User, err error) {
	return readUser(ctx, s.DB, selectUserByNumber, number, "")
}

// readUser reads the only person that a query with one argument selects. name is that of an error.
func readUser(ctx context.Context, db *DB, query string, argument any, name string) (u *schoolbell.User, err error) {
	err = db.again("read user", func() error {
		rows, err := db.pool.Query(ctx, query, argument)
		if err != nil {
			return err
		}
		u, err = pgx.CollectExactlyOneRow(rows, scanUser)
		return orNotFound(err, "user", name)
	})
	return u, err
}

// Users implements people.Store.
func (s People) Users(ctx context.Context, after string, limit int) (users []*schoolbell.User, err error) {
	err = s.DB.again("list users", func() error {
		rows, err := s.DB.pool.Query(ctx, listUsers, after, limit)
		users, err = list(rows, err, scanUser)
		return err
	})
	return users, err
}

// userSeq returns the number of a person.
func userSeq(ctx context.Context, q querier, id string) (seq int64, err error) {
	err = q.QueryRow(ctx, selectUserSeq, id).Scan(&seq)
	return seq, orNotFound(err, "user", id)
}

// selectUserSeq selects the number of the person with an id.
var selectUserSeq = row.SQL("SELECT seq FROM users WHERE id = $1 AND state = {user_live}")

// userRefs returns the people with these ids, by id.
func userRefs(ctx context.Context, db *DB, ids []string) (map[string]ledger.UserRef, error) {
	refs := make(map[string]ledger.UserRef, len(ids))
	err := db.again("look for users", func() error {
		rows, err := db.pool.Query(ctx, selectUserRefs, ids)
		if err != nil {
			return err
		}
		var id string
		var ref ledger.UserRef
		_, err = pgx.ForEachRow(rows, []any{&id, &ref.Number, &ref.Generation}, func() error {
			refs[id] = ref
			return nil
		})
		return err
	})
	return refs, err
}

// selectUserRefs selects the numbers and generations of the people with these ids.
var selectUserRefs = row.SQL("SELECT id, seq, generation FROM users WHERE id = ANY ($1) AND state = {user_live}")
