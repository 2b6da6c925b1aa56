package sqlite

import (
	"context"

	"schoolbell"
)

// picker selects the people of one audience within a window of user numbers.
// Its query inserts them into chunk; parameters 1 to 3 are the window's ends
// (exclusive, inclusive) and how many people at most, args the ones that follow.
type picker struct {
	query string
	args  []any
}

// An audience's ids become numbers once a chunk, in lists for json_each: roles,
// groups with all groups below them, and users beyond the cursor.
type numbers struct{ roles, groups, users string }

func newPicker(ctx context.Context, c *conn, a *schoolbell.Audience, cursor int64) (*picker, error) {
	p := &picker{query: pickOwn}
	if err := p.add(ctx, c, &a.Selector, cursor); err != nil {
		return nil, err
	}
	if err := p.add(ctx, c, a.GuardiansOf, 0); err != nil { // students, wherever they are
		return nil, err
	}
	if err := p.add(ctx, c, a.Exclude, cursor); err != nil {
		return nil, err
	}
	if !a.GuardiansOf.Empty() {
		p.query += pickGuardians
	}
	if !a.Exclude.Empty() {
		p.query = "INSERT INTO temp.chunk (user_seq) SELECT user_seq FROM (" + p.query + " EXCEPT SELECT user_seq FROM (" + pickExcluded + ")) ORDER BY user_seq LIMIT ?3"
	} else {
		p.query = "INSERT INTO temp.chunk (user_seq) SELECT user_seq FROM (" + p.query + ") ORDER BY user_seq LIMIT ?3"
	}
	return p, nil
}

const (
	pickOwn = `SELECT user_seq FROM user_roles WHERE role IN (SELECT value FROM json_each(?4)) AND user_seq > ?1 AND user_seq <= ?2
		UNION SELECT user_seq FROM memberships WHERE group_seq IN (SELECT value FROM json_each(?5)) AND user_seq > ?1 AND user_seq <= ?2
		UNION SELECT value FROM json_each(?6) WHERE value > ?1 AND value <= ?2`

	// From the guardians' side, so that it too goes by windows of the people picked.
	pickGuardians = ` UNION SELECT guardian_seq FROM guardianships w WHERE guardian_seq > ?1 AND guardian_seq <= ?2 AND (
			w.student_seq IN (SELECT value FROM json_each(?9))
			OR EXISTS (SELECT 1 FROM user_roles r WHERE r.user_seq = w.student_seq AND r.role IN (SELECT value FROM json_each(?7)))
			OR EXISTS (SELECT 1 FROM memberships m WHERE m.user_seq = w.student_seq AND m.group_seq IN (SELECT value FROM json_each(?8))))`

	pickExcluded = `SELECT user_seq FROM user_roles WHERE role IN (SELECT value FROM json_each(?10)) AND user_seq > ?1 AND user_seq <= ?2
		UNION SELECT user_seq FROM memberships WHERE group_seq IN (SELECT value FROM json_each(?11)) AND user_seq > ?1 AND user_seq <= ?2
		UNION SELECT value FROM json_each(?12) WHERE value > ?1 AND value <= ?2`
)

func (p *picker) add(ctx context.Context, c *conn, s *schoolbell.Selector, cursor int64) error {
	n := numbers{roles: "[]", groups: "[]", users: "[]"}
	if s != nil {
		roles := make([]string, len(s.Roles))
		for i, r := range s.Roles {
			roles[i] = string(r)
		}
		n.roles = jsonOf(roles)
		var err error
		if n.groups, err = seqs(ctx, c, groupsBelow, s.Groups); err != nil {
			return err
		}
		if n.users, err = seqs(ctx, c, "SELECT seq FROM users WHERE id IN (SELECT value FROM json_each(?1)) AND state = 0 AND seq > ?2 ORDER BY seq", s.Users, cursor); err != nil {
			return err
		}
	}
	p.args = append(p.args, n.roles, n.groups, n.users)
	return nil
}

// groupsBelow selects the named groups and all below them. UNION drops what was
// seen before, so that it would end even if groups formed a circle.
const groupsBelow = `WITH RECURSIVE below(seq) AS (
		SELECT seq FROM groups WHERE id IN (SELECT value FROM json_each(?1))
		UNION SELECT g.seq FROM groups g JOIN below b ON g.parent_seq = b.seq)
	SELECT seq FROM below`

// seqs runs query with ids as its first parameter and returns the numbers it selects, for json_each.
func seqs(ctx context.Context, c *conn, query string, ids []string, more ...any) (string, error) {
	if len(ids) == 0 {
		return "[]", nil
	}
	var found []int64
	err := c.each(ctx, query, append([]any{jsonOf(ids)}, more...), func(scan func(...any) error) error {
		var seq int64
		err := scan(&seq)
		found = append(found, seq)
		return err
	})
	return jsonOf(found), err
}
