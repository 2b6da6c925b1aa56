package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/store/row"
)

// linkTable is a table of links between users and something else.
type linkTable struct {
	insert string // inserts links of the users $1 to $2
	remove string // deletes them
}

// roleTable holds the roles of users.
var roleTable = linkTable{insertRoles, removeRoles}

// insertRoles inserts roles.
const insertRoles = "INSERT INTO user_roles (user_seq, role) SELECT * FROM unnest($1::bigint[], $2::text[])"

// removeRoles deletes roles.
const removeRoles = `
	DELETE FROM user_roles l
	USING unnest($1::bigint[], $2::text[]) n(user_seq, role)
	WHERE l.user_seq = n.user_seq AND l.role = n.role`

// membershipTable holds the groups of users.
var membershipTable = linkTable{insertMemberships, removeMemberships}

// insertMemberships inserts memberships.
const insertMemberships = "INSERT INTO memberships (user_seq, group_seq) SELECT * FROM unnest($1::bigint[], $2::bigint[])"

// removeMemberships deletes memberships.
const removeMemberships = `
	DELETE FROM memberships l
	USING unnest($1::bigint[], $2::bigint[]) n(user_seq, group_seq)
	WHERE l.user_seq = n.user_seq AND l.group_seq = n.group_seq`

// guardianshipTable holds the students of guardians.
var guardianshipTable = linkTable{insertGuardianships, removeGuardianships}

// insertGuardianships inserts guardianships.
const insertGuardianships = "INSERT INTO guardianships (guardian_seq, student_seq) SELECT * FROM unnest($1::bigint[], $2::bigint[])"

// removeGuardianships deletes guardianships.
const removeGuardianships = `
	DELETE FROM guardianships l
	USING unnest($1::bigint[], $2::bigint[]) n(guardian_seq, student_seq)
	WHERE l.guardian_seq = n.guardian_seq AND l.student_seq = n.student_seq`

// queueLinks queues the statements that make the links of a table those that are wanted.
func queueLinks[T comparable](b *pgx.Batch, table linkTable, old, wanted []row.Link[T]) {
	added, removed := row.DiffLinks(old, wanted)
	if len(removed) > 0 {
		users, others := linkColumns(removed)
		b.Queue(table.remove, users, others)
	}
	if len(added) > 0 {
		users, others := linkColumns(added)
		b.Queue(table.insert, users, others)
	}
}

func linkColumns[T comparable](links []row.Link[T]) (users []int64, others []T) {
	users, others = make([]int64, len(links)), make([]T, len(links))
	for i, link := range links {
		users[i], others[i] = link.User, link.Other
	}
	return users, others
}

// storedLinks are the links and addresses that some users have.
type storedLinks struct {
	roles         []row.Link[string]
	memberships   []row.Link[int64]
	guardianships []row.Link[int64]
	addresses     map[int64][]row.Address
}

// findLinks reads the links and addresses of the users with the numbers.
func findLinks(ctx context.Context, tx pgx.Tx, users []int64) (found storedLinks, err error) {
	found.addresses = make(map[int64][]row.Address, len(users))
	if len(users) == 0 {
		return found, nil
	}
	var b pgx.Batch
	for _, query := range []string{selectRoles, selectMemberships, selectGuardianships, listAddresses} {
		b.Queue(query, users)
	}
	r := tx.SendBatch(ctx, &b)
	defer r.Close() // an error of it is one of the results'
	if found.roles, err = readLinks[string](r); err != nil {
		return found, err
	}
	if found.memberships, err = readLinks[int64](r); err != nil {
		return found, err
	}
	if found.guardianships, err = readLinks[int64](r); err != nil {
		return found, err
	}
	return found, readAddresses(r, found.addresses)
}

func readLinks[T comparable](r pgx.BatchResults) (links []row.Link[T], err error) {
	rows, err := r.Query()
	if err != nil {
		return nil, err
	}
	var link row.Link[T]
	_, err = pgx.ForEachRow(rows, []any{&link.User, &link.Other}, func() error {
		links = append(links, link)
		return nil
	})
	return links, err
}

// selectRoles selects the roles of users.
const selectRoles = "SELECT user_seq, role FROM user_roles WHERE user_seq = ANY ($1)"

// selectMemberships selects the memberships of users.
const selectMemberships = "SELECT user_seq, group_seq FROM memberships WHERE user_seq = ANY ($1)"

// selectGuardianships selects the guardianships of which users are the guardians.
const selectGuardianships = "SELECT guardian_seq, student_seq FROM guardianships WHERE guardian_seq = ANY ($1)"
