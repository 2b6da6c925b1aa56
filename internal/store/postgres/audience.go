package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// selectAudience returns the parameters of pickAudience for an audience, without the window (@after,
// @until] that the caller adds.
func selectAudience(ctx context.Context, tx pgx.Tx, a *schoolbell.Audience, cursor int64) (named, error) {
	audience := named{}
	for _, part := range []struct {
		prefix   string
		selector *schoolbell.Selector
		after    int64 // users up to this one are not looked for
	}{
		{"", &a.Selector, cursor},
		{"student_", a.GuardiansOf, 0}, // a student's number says nothing about the guardian's
		{"excluded_", a.Exclude, cursor},
	} {
		roles, groups, users, err := resolve(ctx, tx, part.selector, part.after)
		if err != nil {
			return nil, err
		}
		audience[part.prefix+"roles"], audience[part.prefix+"groups"], audience[part.prefix+"users"] = roles, groups, users
	}
	return audience, nil
}

// resolve returns the roles of a selector, the numbers of its groups and of all groups below them, and
// the numbers of its users above after. A nil selector has none.
func resolve(ctx context.Context, tx pgx.Tx, s *schoolbell.Selector, after int64) (roles []string, groups, users []int64, err error) {
	roles, groups, users = []string{}, []int64{}, []int64{}
	if s == nil {
		return roles, groups, users, nil
	}
	for _, r := range s.Roles {
		roles = append(roles, string(r))
	}
	if len(s.Groups) > 0 {
		rows, errQuery := tx.Query(ctx, groupsBelow, s.Groups)
		if groups, err = list(rows, errQuery, pgx.RowTo[int64]); err != nil {
			return nil, nil, nil, err
		}
	}
	if len(s.Users) > 0 {
		rows, errQuery := tx.Query(ctx, usersAbove, s.Users, after)
		users, err = list(rows, errQuery, pgx.RowTo[int64])
	}
	return roles, groups, users, err
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

// pickAudience begins a statement: it selects as picked the people of an audience in the window of
// user numbers (@after, @until].
//
// Guardians are read in the order of their own numbers, so that they too can be cut into windows.
// PostgreSQL evaluates conditions on parameters alone once, so a part of the audience that is empty
// costs nothing.
const pickAudience = `
	WITH picked AS MATERIALIZED (
		(SELECT user_seq FROM user_roles WHERE role = ANY (@roles::text[]) AND user_seq > @after AND user_seq <= @until
		UNION
		SELECT user_seq FROM memberships WHERE group_seq = ANY (@groups::bigint[]) AND user_seq > @after AND user_seq <= @until
		UNION
		SELECT n.seq FROM unnest(@users::bigint[]) n(seq) WHERE n.seq > @after AND n.seq <= @until
		UNION
		SELECT g.guardian_seq FROM guardianships g
		WHERE g.guardian_seq > @after AND g.guardian_seq <= @until
			AND (cardinality(@student_roles::text[]) > 0
				OR cardinality(@student_groups::bigint[]) > 0
				OR cardinality(@student_users::bigint[]) > 0)
			AND (g.student_seq = ANY (@student_users::bigint[])
				OR EXISTS (
					SELECT 1 FROM user_roles r
					WHERE r.user_seq = g.student_seq AND r.role = ANY (@student_roles::text[]))
				OR EXISTS (
					SELECT 1 FROM memberships m
					WHERE m.user_seq = g.student_seq AND m.group_seq = ANY (@student_groups::bigint[]))))
		EXCEPT
		(SELECT user_seq FROM user_roles WHERE role = ANY (@excluded_roles::text[]) AND user_seq > @after AND user_seq <= @until
		UNION
		SELECT user_seq FROM memberships WHERE group_seq = ANY (@excluded_groups::bigint[]) AND user_seq > @after AND user_seq <= @until
		UNION
		SELECT n.seq FROM unnest(@excluded_users::bigint[]) n(seq) WHERE n.seq > @after AND n.seq <= @until))`

// countAudience counts the people of the window, up to @limit, and returns the number of the last of them.
const countAudience = pickAudience + `
	SELECT count(*), coalesce(max(user_seq), 0)
	FROM (SELECT user_seq FROM picked ORDER BY user_seq LIMIT @limit) counted`

// insertDeliveries inserts the deliveries of the event @event to the people of the window, on all
// channels, and returns how many people there are. Opt-outs of @category count. If the event has
// expired, no delivery may be sent.
//
// It has no ON CONFLICT: a row that exists already means that a person is walked a second time, and
// then the whole chunk must fail.
var insertDeliveries = row.SQL(pickAudience + `,
	planned AS (
		SELECT c.channel, p.user_seq,
			CASE
				WHEN c.channel = {in_app} THEN NULL
				WHEN ` + noAddress("c.channel") + ` THEN {no_address}
				WHEN w.opted_out THEN {opted_out}
			END AS unsendable
		FROM picked p
		JOIN users u ON u.seq = p.user_seq AND u.seq > @after AND u.seq <= @until
		CROSS JOIN unnest(@channels::smallint[]) c(channel)
		LEFT JOIN preferences w ON w.user_seq = p.user_seq AND w.category = @category AND w.channel = c.channel
		ORDER BY c.channel, p.user_seq),
	inserted AS (
		INSERT INTO deliveries (event_seq, channel, user_seq, status, reason, updated_at)
		SELECT @event, p.channel, p.user_seq,
			CASE
				WHEN @expired THEN {expired}
				WHEN p.channel = {in_app} THEN {delivered}
				WHEN p.unsendable IS NULL THEN {pending}
				ELSE {suppressed}
			END,
			CASE WHEN NOT @expired THEN p.unsendable END,
			clock.now
		FROM ` + clock + `
		CROSS JOIN planned p)
	SELECT count(*) FROM picked`)
