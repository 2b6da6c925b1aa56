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

// picker selects the people of a wave in the window of user numbers (@after, @until].
type picker struct {
	statement string
	args      named // of the statement, without the window and the limit
}

// picker returns what selects the people of the wave: those of the audience, or in a further wave
// those who have a delivery in wave 0.
func (w *walk) picker(ctx context.Context, tx pgx.Tx) (picker, error) {
	if w.Wave > 0 {
		return picker{statement: peopleOfWave, args: named{"first": w.seq, "only_if": w.onlyIf}}, nil
	}
	args, err := selectAudience(ctx, tx, &w.audience, w.cursor)
	return picker{statement: peopleOfAudience, args: args}, err
}

// namesUsers reports whether the audience of the wave are users by their ids and nobody else.
func (w *walk) namesUsers() bool {
	a := &w.audience
	return w.Wave == 0 && len(a.Roles) == 0 && len(a.Groups) == 0 && a.GuardiansOf.Empty() && a.Exclude.Empty()
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

// listPicked selects the first @limit people of the window in order.
const listPicked = `
	SELECT user_seq FROM picked ORDER BY user_seq LIMIT @limit`

// The statements of a picker.
var (
	peopleOfAudience = row.SQL(pickAudience + listPicked)
	peopleOfWave     = row.SQL(pickWave + listPicked)
)

// insertDeliveries inserts the deliveries of the wave @wave of the event @event to the @people, who are in order,
// on all of the @channels, and adds them to the totals. It cuts the pending ones into batches of @batch_size
// for each channel, numbered after the batches that the wave has, and returns these. If the event has expired, no
// delivery may be sent.
//
// Addresses and preferences are read for all people at once.
//
// It has no ON CONFLICT: a row that exists already means that a person is walked a second time, and
// then the whole chunk must fail.
var insertDeliveries = row.SQL(`
	WITH checked AS MATERIALIZED (
		SELECT c.id AS channel, p.user_seq,
			CASE
				WHEN c.addressed AND (p.user_seq, c.id) NOT IN (
					SELECT a.user_seq, a.channel FROM addresses a
					WHERE a.user_seq = ANY (@people) AND a.state IN ({usable}))
				THEN ` + withoutAddress("p.user_seq", "c.id") + `
				WHEN NOT @mandatory AND (p.user_seq, c.id) IN (
					SELECT w.user_seq, w.channel FROM preferences w
					WHERE w.user_seq = ANY (@people) AND w.category = @category AND w.mode = {off})
				THEN {opted_out}
			END AS unreachable
		FROM channels c
		CROSS JOIN unnest(@people::bigint[]) p(user_seq)
		WHERE c.name = ANY (@channels::text[])),
	planned AS MATERIALIZED (
		SELECT k.channel, k.user_seq,
			CASE
				WHEN @expired THEN {expired}
				WHEN k.unreachable IS NOT NULL THEN {suppressed}
				WHEN k.channel = {in_app} THEN {sent}
				ELSE {pending}
			END AS status,
			CASE WHEN NOT @expired THEN k.unreachable END AS reason
		FROM checked k
		ORDER BY k.channel, k.user_seq),
	inserted AS (
		INSERT INTO deliveries (event_seq, wave, channel, user_seq, status, reason, updated_at)
		SELECT @event, @wave, p.channel, p.user_seq, p.status, p.reason, clock.now
		FROM ` + clock + `
		CROSS JOIN planned p),
	counted AS (` + intoTotals + `
		SELECT @event, @wave, p.channel, p.status, 0, ` + fanOutShard + `, sum(p.n)
		FROM (SELECT channel, status, count(*) AS n FROM planned GROUP BY channel, status) p` + addTotals + `),
	numbered AS (
		SELECT channel, user_seq, (row_number() OVER (PARTITION BY channel ORDER BY user_seq) - 1) / @batch_size::bigint AS batch
		FROM planned
		WHERE status = {pending}),
	batched AS (
		INSERT INTO batches (event_seq, wave, channel, seq, first_user, last_user, size)
		SELECT @event, @wave, n.channel,
			n.batch + 1 + (
				SELECT coalesce(max(b.seq), 0) FROM batches b
				WHERE b.event_seq = @event AND b.wave = @wave AND b.channel = n.channel),
			min(n.user_seq), max(n.user_seq), count(*)
		FROM numbered n
		GROUP BY n.channel, n.batch
		RETURNING channel, seq, size)
	SELECT c.name, b.seq, b.size
	FROM batched b
	JOIN channels c ON c.id = b.channel
	ORDER BY b.channel, b.seq`)
