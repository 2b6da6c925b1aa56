package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
)

// picker selects the people of one audience within a window of user numbers.
// Parameters 1 and 2 of its queries are the window's ends (exclusive, inclusive), args the ones that follow.
type picker struct {
	count  string // with $12, at most how many: how many there are and the last of them
	insert string // with $12 event, $13 channels, $14 expired, $15 category: makes their deliveries, returns how many people
	args   []any
}

func newPicker(ctx context.Context, tx pgx.Tx, a *schoolbell.Audience, cursor int64) (*picker, error) {
	p := &picker{}
	if err := p.add(ctx, tx, &a.Selector, cursor); err != nil {
		return nil, err
	}
	if err := p.add(ctx, tx, a.GuardiansOf, 0); err != nil { // students, wherever they are
		return nil, err
	}
	if err := p.add(ctx, tx, a.Exclude, cursor); err != nil {
		return nil, err
	}
	picked := "WITH picked AS MATERIALIZED (" + pick + ")"
	p.count = picked + " SELECT count(*), coalesce(max(user_seq), 0) FROM (SELECT user_seq FROM picked ORDER BY user_seq LIMIT $12) found"
	p.insert = picked + insertDeliveries
	return p, nil
}

// The guardians are looked at from their own side, so that they too go by
// windows of the people picked. Conditions on parameters alone are looked at
// once, so that a part of the audience that says nothing costs nothing.
const pick = `(SELECT user_seq FROM user_roles WHERE role = ANY ($3::text[]) AND user_seq > $1 AND user_seq <= $2
		UNION SELECT user_seq FROM memberships WHERE group_seq = ANY ($4::bigint[]) AND user_seq > $1 AND user_seq <= $2
		UNION SELECT n.seq FROM unnest($5::bigint[]) n(seq) WHERE n.seq > $1 AND n.seq <= $2
		UNION SELECT w.guardian_seq FROM guardianships w WHERE w.guardian_seq > $1 AND w.guardian_seq <= $2
			AND (cardinality($6::text[]) > 0 OR cardinality($7::bigint[]) > 0 OR cardinality($8::bigint[]) > 0) AND (
			w.student_seq = ANY ($8::bigint[])
			OR EXISTS (SELECT 1 FROM user_roles r WHERE r.user_seq = w.student_seq AND r.role = ANY ($6::text[]))
			OR EXISTS (SELECT 1 FROM memberships m WHERE m.user_seq = w.student_seq AND m.group_seq = ANY ($7::bigint[]))))
	EXCEPT (SELECT user_seq FROM user_roles WHERE role = ANY ($9::text[]) AND user_seq > $1 AND user_seq <= $2
		UNION SELECT user_seq FROM memberships WHERE group_seq = ANY ($10::bigint[]) AND user_seq > $1 AND user_seq <= $2
		UNION SELECT n.seq FROM unnest($11::bigint[]) n(seq) WHERE n.seq > $1 AND n.seq <= $2)`

// There is no ON CONFLICT: a row that exists already would mean that a person is
// dealt with twice, and then nothing of the chunk may stand. No user has a push
// address yet.
const insertDeliveries = `, made AS (
		INSERT INTO deliveries (event_seq, channel, user_seq, status, reason, updated_at)
		SELECT $12, d.channel, d.user_seq, CASE WHEN $14 THEN 8 WHEN d.channel = 1 THEN 3 WHEN d.reason IS NULL THEN 0 ELSE 5 END,
			CASE WHEN NOT $14 THEN d.reason END, clock.now
		FROM (SELECT ` + now + ` AS now OFFSET 0) clock CROSS JOIN (
			SELECT c.channel, p.user_seq, CASE WHEN c.channel = 1 THEN NULL
				WHEN CASE c.channel WHEN 2 THEN u.email WHEN 3 THEN u.phone ELSE '' END = '' THEN 'no_address'
				WHEN w.opted_out THEN 'opted_out' END AS reason
			FROM picked p JOIN users u ON u.seq = p.user_seq AND u.seq > $1 AND u.seq <= $2
			CROSS JOIN unnest($13::smallint[]) c(channel)
			LEFT JOIN preferences w ON w.user_seq = p.user_seq AND w.category = $15 AND w.channel = c.channel
			ORDER BY c.channel, p.user_seq) d)
	SELECT count(*) FROM picked`

func (p *picker) add(ctx context.Context, tx pgx.Tx, s *schoolbell.Selector, cursor int64) error {
	roles, groups, users := []string{}, []int64{}, []int64{}
	if s != nil {
		for _, r := range s.Roles {
			roles = append(roles, string(r))
		}
		var err error
		if len(s.Groups) > 0 {
			rows, errQuery := tx.Query(ctx, groupsBelow, s.Groups)
			if groups, err = list(rows, errQuery, pgx.RowTo[int64]); err != nil {
				return err
			}
		}
		if len(s.Users) > 0 {
			rows, errQuery := tx.Query(ctx, "SELECT seq FROM users WHERE id = ANY ($1) AND state = 0 AND seq > $2", s.Users, cursor)
			if users, err = list(rows, errQuery, pgx.RowTo[int64]); err != nil {
				return err
			}
		}
	}
	p.args = append(p.args, roles, groups, users)
	return nil
}

// groupsBelow selects the named groups and all below them. UNION drops what was
// seen before, so that it would end even if groups formed a circle.
const groupsBelow = `WITH RECURSIVE below(seq) AS (
		SELECT seq FROM groups WHERE id = ANY ($1)
		UNION SELECT g.seq FROM groups g JOIN below b ON g.parent_seq = b.seq)
	SELECT seq FROM below`
