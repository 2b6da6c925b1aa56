package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/store/row"
)

// copyRoles inserts roles.
const copyRoles = "COPY user_roles (user_seq, role) FROM STDIN (FORMAT binary)"

// removeRoles deletes roles.
const removeRoles = `
	DELETE FROM user_roles l
	USING unnest($1::bigint[], $2::text[]) n(user_seq, role)
	WHERE l.user_seq = n.user_seq AND l.role = n.role`

// copyMemberships inserts memberships.
const copyMemberships = "COPY memberships (user_seq, group_seq) FROM STDIN (FORMAT binary)"

// removeMemberships deletes memberships.
const removeMemberships = `
	DELETE FROM memberships l
	USING unnest($1::bigint[], $2::bigint[]) n(user_seq, group_seq)
	WHERE l.user_seq = n.user_seq AND l.group_seq = n.group_seq`

// copyGuardianships inserts guardianships.
const copyGuardianships = "COPY guardianships (guardian_seq, student_seq) FROM STDIN (FORMAT binary)"

// removeGuardianships deletes guardianships.
const removeGuardianships = `
	DELETE FROM guardianships l
	USING unnest($1::bigint[], $2::bigint[]) n(guardian_seq, student_seq)
	WHERE l.guardian_seq = n.guardian_seq AND l.student_seq = n.student_seq`

// copyLinks inserts links by a COPY statement.
func copyLinks[T comparable](ctx context.Context, tx pgx.Tx, statement string, links []row.Link[T]) error {
	users, others := linkColumns(links)
	return copyRows(ctx, tx, statement, len(links), users, others)
}

// queueRemoval queues a statement that deletes links.
func queueRemoval[T comparable](b *pgx.Batch, statement string, links []row.Link[T]) {
	if len(links) > 0 {
		users, others := linkColumns(links)
		b.Queue(statement, users, others)
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

// queue queues the queries for the links and addresses of the users with the numbers.
func (found *storedLinks) queue(b *pgx.Batch, users []int64) {
	found.addresses = make(map[int64][]row.Address, len(users))
	queueLinks(b, selectRoles, users, &found.roles)
	queueLinks(b, selectMemberships, users, &found.memberships)
	queueLinks(b, selectGuardianships, users, &found.guardianships)
	var user int64
	var a row.Address
	queueEach(b, listAddresses, []any{users}, []any{&user, &a.Channel, &a.Position, &a.Address, &a.Label, &a.State, &a.Reason}, func() {
		found.addresses[user] = append(found.addresses[user], a)
	})
}

func queueLinks[T comparable](b *pgx.Batch, query string, users []int64, found *[]row.Link[T]) {
	var link row.Link[T]
	queueEach(b, query, []any{users}, []any{&link.User, &link.Other}, func() { *found = append(*found, link) })
}

// selectRoles selects the roles of users.
const selectRoles = "SELECT user_seq, role FROM user_roles WHERE user_seq = ANY ($1)"

// selectMemberships selects the memberships of users.
const selectMemberships = "SELECT user_seq, group_seq FROM memberships WHERE user_seq = ANY ($1)"

// selectGuardianships selects the guardianships of which users are the guardians.
const selectGuardianships = "SELECT guardian_seq, student_seq FROM guardianships WHERE guardian_seq = ANY ($1)"
