package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// picker selects the people of a wave in the window of user numbers (@after, @until].
type picker struct {
	count  string // countPicked, after the selection
	insert string // insertDeliveries, after the selection
	args   named  // of the selection, without the window
}

// picker returns what selects the people of the wave: those of the audience, or in a further wave
// those who have a delivery in wave 0.
func (w *walk) picker(ctx context.Context, tx pgx.Tx) (picker, error) {
	if w.Wave > 0 {
		return picker{count: countOfWave, insert: insertOfWave, args: named{"first": w.seq, "only_if": w.onlyIf}}, nil
	}
	args, err := selectAudience(ctx, tx, &w.audience, w.cursor)
	return picker{count: countOfAudience, insert: insertOfAudience, args: args}, err
}

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

// pickWave begins a statement: it selects as picked the people of the window (@after, @until] who have a
// delivery in wave 0 of the event @first and meet the condition of a further wave. It reads each
// channel of wave 0 by its own range of the primary key.
const pickWave = `
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
					END))`

// countPicked counts the people of the window, up to @limit, and returns the number of the last of them.
const countPicked = `
	SELECT count(*), coalesce(max(user_seq), 0)
	FROM (SELECT user_seq FROM picked ORDER BY user_seq LIMIT @limit) counted`

// insertDeliveries inserts the deliveries of the wave @wave of the event @event to the people of the
// window, on all of the @channels, adds them to the totals, and returns how many people there are. If the event has expired, no
// delivery may be sent.
//
// It has no ON CONFLICT: a row that exists already means that a person is walked a second time, and
// then the whole chunk must fail.
var insertDeliveries = `,
	planned AS (
		SELECT c.id AS channel, p.user_seq,
			` + unreachable("p.user_seq", "@category", "@mandatory") + ` AS unreachable
		FROM picked p
		CROSS JOIN channels c
		WHERE c.name = ANY (@channels::text[])
		ORDER BY c.id, p.user_seq),
	inserted AS (
		INSERT INTO deliveries (event_seq, wave, channel, user_seq, status, reason, updated_at)
		SELECT @event, @wave, p.channel, p.user_seq,
			CASE
				WHEN @expired THEN {expired}
				WHEN p.unreachable IS NOT NULL THEN {suppressed}
				WHEN p.channel = {in_app} THEN {sent}
				ELSE {pending}
			END,
			CASE WHEN NOT @expired THEN p.unreachable END,
			clock.now
		FROM ` + clock + `
		CROSS JOIN planned p
		RETURNING channel, status),
	counted AS (` + intoTotals + `
		SELECT @event::bigint, @wave::smallint, i.channel, i.status, 0, ` + fanOutShard + `, count(*)
		FROM inserted i` + addTotals + `)
	SELECT count(*) FROM picked`

// The statements of a picker.
var (
	countOfAudience  = row.SQL(pickAudience + countPicked)
	insertOfAudience = row.SQL(pickAudience + insertDeliveries)
	countOfWave      = row.SQL(pickWave + countPicked)
	insertOfWave     = row.SQL(pickWave + insertDeliveries)
)
