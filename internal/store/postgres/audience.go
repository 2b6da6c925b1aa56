package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// picker finds people of a wave in the window of user numbers (after, until], in order. It returns them and
// how far it has looked: not to the end of the window if there are limit people or more.
type picker func(ctx context.Context, tx pgx.Tx, after, until int64, limit int) (people []int64, looked int64, err error)

// picker returns what finds the people of the wave: those of the audience, or in a further wave
// those who have a delivery in wave 0.
func (w *walk) picker(ctx context.Context, tx pgx.Tx) (picker, error) {
	switch {
	case w.notice != "":
		return w.pickTold, nil
	case w.Wave > 0:
		return w.pickReached, nil
	}
	a, err := selectAudience(ctx, tx, &w.audience, w.cursor)
	return a.pick, err
}

// pickReached is the picker of a further wave.
func (w *walk) pickReached(ctx context.Context, tx pgx.Tx, after, until int64, limit int) (people []int64, looked int64, err error) {
	rows, err := tx.Query(ctx, peopleOfWave, named{"first": w.seq, "only_if": w.onlyIf, "after": after, "until": until, "limit": limit})
	people, err = list(rows, err, pgx.RowTo[int64])
	if len(people) == limit {
		until = people[limit-1]
	}
	return people, until, err
}

// pickTold is the picker of a wave that tells of a change.
func (w *walk) pickTold(ctx context.Context, tx pgx.Tx, after, until int64, limit int) (people []int64, looked int64, err error) {
	rows, err := tx.Query(ctx, peopleToTell, named{"event": w.seq, "wave": w.Wave, "channels": w.channels, "revision": w.told, "after": after, "until": until, "limit": limit})
	people, err = list(rows, err, pgx.RowTo[int64])
	if len(people) == limit {
		until = people[limit-1]
	}
	return people, until, err
}

// namesUsers reports whether the audience of the wave are users by their ids and nobody else.
func (w *walk) namesUsers() bool {
	a := &w.audience
	return w.Wave == 0 && !w.digest && len(a.Roles) == 0 && len(a.Groups) == 0 && a.GuardiansOf.Empty() && a.Exclude.Empty()
}

// pickNamed is chunk for an audience that only names users: one statement, instead of those that find windows
// of user numbers. The names are few enough to be read in each chunk.
func (w *walk) pickNamed(ctx context.Context, tx pgx.Tx, limit int, step *ledger.FanOutStep) (people []int64, bound int64, err error) {
	rows, err := tx.Query(ctx, usersAbove, w.audience.Users, w.cursor)
	if people, err = list(rows, err, pgx.RowTo[int64]); err != nil {
		return nil, 0, fmt.Errorf("pick named people: %w", err)
	}
	slices.Sort(people)
	bound = w.cursor
	step.Done = len(people) <= limit
	if people = people[:min(limit, len(people))]; len(people) > 0 {
		bound = people[len(people)-1]
	}
	step.Users = len(people)
	return people, bound, nil
}

// audience is an audience by the numbers of its groups and users.
type audience struct{ included, students, excluded selection }

// selection is a selector by the numbers of its groups, with all groups below them, and of its users, in order.
type selection struct {
	roles  []string
	groups []int64
	users  []int64
}

// selectAudience finds the numbers of an audience. Users up to the cursor are not looked for.
func selectAudience(ctx context.Context, tx pgx.Tx, a *schoolbell.Audience, cursor int64) (audience, error) {
	included, err := resolve(ctx, tx, &a.Selector, cursor)
	if err != nil {
		return audience{}, err
	}
	students, err := resolve(ctx, tx, a.GuardiansOf, 0) // a student's number says nothing about the guardian's
	if err != nil {
		return audience{}, err
	}
	excluded, err := resolve(ctx, tx, a.Exclude, cursor)
	return audience{included, students, excluded}, err
}

// resolve finds the numbers of a selector; its users only if their numbers are above after. A nil selector has none.
func resolve(ctx context.Context, tx pgx.Tx, s *schoolbell.Selector, after int64) (found selection, err error) {
	found = selection{roles: []string{}, groups: []int64{}, users: []int64{}}
	if s == nil {
		return found, nil
	}
	for _, r := range s.Roles {
		found.roles = append(found.roles, string(r))
	}
	if len(s.Groups) > 0 {
		rows, errQuery := tx.Query(ctx, groupsBelow, s.Groups)
		if found.groups, err = list(rows, errQuery, pgx.RowTo[int64]); err != nil {
			return selection{}, err
		}
	}
	if len(s.Users) > 0 {
		rows, errQuery := tx.Query(ctx, usersAbove, s.Users, after)
		found.users, err = list(rows, errQuery, pgx.RowTo[int64])
		slices.Sort(found.users)
	}
	return found, err
}

// pick is the picker of an audience. PostgreSQL reads lists of people in order, and the program joins them: that
// costs a third of a statement that does both.
func (a *audience) pick(ctx context.Context, tx pgx.Tx, after, until int64, limit int) (people []int64, looked int64, err error) {
	var in, out [3][]int64
	err = tx.QueryRow(ctx, pickAudience, named{"after": after, "until": until, "limit": limit,
		"roles": a.included.roles, "groups": a.included.groups,
		"student_roles": a.students.roles, "student_groups": a.students.groups, "student_users": a.students.users,
		"excluded_roles": a.excluded.roles, "excluded_groups": a.excluded.groups,
	}).Scan(&in[0], &in[1], &in[2], &out[0], &out[1])
	if err != nil {
		return nil, 0, err
	}
	looked = until
	for _, users := range slices.Concat(in[:], out[:]) {
		if len(users) == limit { // the list may end before the window
			looked = min(looked, users[limit-1])
		}
	}
	included := union(append(in[:], a.included.users), after, looked)
	excluded := union(append(out[:], a.excluded.users), after, looked)
	if len(excluded) > 0 {
		included = slices.DeleteFunc(included, func(user int64) bool { return next(&excluded, user) })
	}
	return included, looked, nil
}

// union joins lists of users, each in order, as far as they are in the window (after, until].
func union(lists [][]int64, after, until int64) (users []int64) {
	for _, l := range lists {
		low, _ := slices.BinarySearch(l, after+1)
		high, _ := slices.BinarySearch(l, until+1)
		users = append(users, l[low:high]...)
	}
	if !slices.IsSorted(users) {
		slices.Sort(users)
	}
	return slices.Compact(users)
}

// groupsBelow selects the named groups and all groups below them. UNION drops the groups that were
// found before, so the statement ends even if groups form a circle.
const groupsBelow = `
	WITH RECURSIVE below(seq) AS (
		SELECT seq FROM groups WHERE id = ANY ($1)
		UNION
		SELECT g.seq FROM groups g JOIN below b ON g.parent_seq = b.seq)
	SELECT seq FROM below`

// usersAbove selects the named people whose numbers are above a number.
var usersAbove = row.SQL("SELECT seq FROM users WHERE id = ANY ($1) AND state = {user_live} AND seq > $2")

// pickAudience selects lists of people in the window of user numbers (@after, @until], each in order and up to @limit:
// those of the audience's roles, groups and students, and those of the excluded roles and groups.
//
// Guardians are read in the order of their own numbers, so that they too can be cut into windows.
// PostgreSQL evaluates conditions on parameters alone once, so a part of the audience that is empty
// costs nothing.
var pickAudience = `
	SELECT
		` + usersOfRoles("@roles") + `,
		` + usersOfGroups("@groups") + `,
		ARRAY(
			SELECT g.guardian_seq FROM guardianships g
			WHERE g.guardian_seq > @after AND g.guardian_seq <= @until
				AND (cardinality(@student_roles::text[]) > 0
					OR cardinality(@student_groups::bigint[]) > 0
					OR cardinality(@student_users::bigint[]) > 0)
				AND ` + studentSelected + `
			ORDER BY g.guardian_seq
			LIMIT @limit),
		` + usersOfRoles("@excluded_roles") + `,
		` + usersOfGroups("@excluded_groups")

// studentSelected is true for the guardianships g of students whom guardians_of selects.
const studentSelected = `(g.student_seq = ANY (@student_users::bigint[])
					OR EXISTS (
						SELECT 1 FROM user_roles r
						WHERE r.user_seq = g.student_seq AND r.role = ANY (@student_roles::text[]))
					OR EXISTS (
						SELECT 1 FROM memberships m
						WHERE m.user_seq = g.student_seq AND m.group_seq = ANY (@student_groups::bigint[])))`

// usersOfRoles returns an expression for the users of the window who have one of the roles.
func usersOfRoles(roles string) string {
	return `ARRAY(
			SELECT user_seq FROM user_roles
			WHERE role = ANY (` + roles + `::text[]) AND user_seq > @after AND user_seq <= @until
			ORDER BY user_seq
			LIMIT @limit)`
}

// usersOfGroups returns an expression for the users of the window who are in one of the groups.
func usersOfGroups(groups string) string {
	return `ARRAY(
			SELECT user_seq FROM memberships
			WHERE group_seq = ANY (` + groups + `::bigint[]) AND user_seq > @after AND user_seq <= @until
			ORDER BY user_seq
			LIMIT @limit)`
}

// peopleOfWave selects the first @limit people of the window (@after, @until] who have a
// delivery in wave 0 of the event @first and meet the condition of a further wave. It reads each
// channel of wave 0 by its own range of the primary key.
var peopleOfWave = row.SQL(`
	WITH picked AS MATERIALIZED (
		SELECT DISTINCT d.user_seq
		FROM channels c
		JOIN deliveries d ON d.event_seq = @first AND d.wave = 0 AND d.channel = c.id
			AND d.user_seq > @after AND d.user_seq <= @until
		JOIN users u ON u.seq = d.user_seq AND u.state = {user_live}
		WHERE c.name = ANY (SELECT unnest(w.channels) FROM waves w WHERE w.event_seq = @first AND w.n = 0)
			AND NOT EXISTS (
				SELECT 1 FROM deliveries r
				WHERE r.event_seq = @first AND r.wave = 0 AND r.channel = {in_app} AND r.user_seq = d.user_seq
					AND r.outcome >= CASE @only_if::text
						WHEN 'unread' THEN {outcome_read}
						WHEN 'unacknowledged' THEN {outcome_acknowledged}
						ELSE 100
					END))
	SELECT user_seq FROM picked ORDER BY user_seq LIMIT @limit`)

// peopleToTell selects the first @limit people of the window (@after, @until] to whom a message of an earlier revision than
// @revision was sent on one of the @channels, in a wave before @wave.
var peopleToTell = row.SQL(`
	WITH reached AS MATERIALIZED (
		SELECT DISTINCT d.user_seq
		FROM generate_series(0, @wave::integer - 1) n(wave)
		CROSS JOIN channels c
		JOIN deliveries d ON d.event_seq = @event AND d.wave = n.wave AND d.channel = c.id AND d.user_seq > @after AND d.user_seq <= @until
		JOIN users u ON u.seq = d.user_seq AND u.state = {user_live}
		WHERE c.name = ANY (@channels) AND d.revision < @revision
			AND (d.status IN ({sent}, {uncertain}) OR d.status = {suppressed} AND d.reason = {same_address}))
	SELECT user_seq FROM reached ORDER BY user_seq LIMIT @limit`)
