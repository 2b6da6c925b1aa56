package sqlite

import (
	"context"
	"fmt"
	"maps"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// picker selects the people of one audience, one window of user numbers after another.
type picker struct {
	query string
	args  args
}

// newPicker returns the picker of an audience for windows beyond cursor. The ids in the audience
// become numbers once, in lists for json_each.
func newPicker(ctx context.Context, c *conn, a *schoolbell.Audience, cursor int64) (*picker, error) {
	p := &picker{args: args{}}
	if err := p.add(ctx, c, "own", &a.Selector, cursor); err != nil {
		return nil, err
	}
	selected := selectOwn
	if !a.GuardiansOf.Empty() {
		if err := p.add(ctx, c, "student", a.GuardiansOf, 0); err != nil { // the students have any number
			return nil, err
		}
		selected += plusGuardians
	}
	if !a.Exclude.Empty() {
		if err := p.add(ctx, c, "excluded", a.Exclude, cursor); err != nil {
			return nil, err
		}
		selected += minusExcluded
	}
	p.query = fmt.Sprintf(fillChunk, selected)
	return p, nil
}

// add sets the parameters of a selector: @…_roles, @…_groups with all groups below
// them, and @…_users, the live users beyond the cursor.
func (p *picker) add(ctx context.Context, c *conn, name string, s *schoolbell.Selector, cursor int64) error {
	roles := make([]string, len(s.Roles))
	for i, r := range s.Roles {
		roles[i] = string(r)
	}
	groups, err := numbers(ctx, c, groupsBelow, s.Groups, nil)
	if err != nil {
		return err
	}
	users, err := numbers(ctx, c, usersBeyond, s.Users, args{"cursor": cursor})
	if err != nil {
		return err
	}
	p.args[name+"_roles"], p.args[name+"_groups"], p.args[name+"_users"] = jsonOf(roles), groups, users
	return nil
}

// pick adds the people in the window (low, high] to chunk, at most limit, and returns how many there were.
func (p *picker) pick(ctx context.Context, c *conn, low, high int64, limit int) (int, error) {
	p.args["low"], p.args["high"], p.args["limit"] = low, high, limit
	return c.exec(ctx, p.query, p.args)
}

// numbers runs query with @ids and more, and returns the numbers it selects as a list for json_each.
func numbers(ctx context.Context, c *conn, query string, ids []string, more args) (string, error) {
	if len(ids) == 0 {
		return "[]", nil
	}
	a := args{"ids": jsonOf(ids)}
	maps.Copy(a, more)
	found, err := listOf[int64](ctx, c, query, a)
	return jsonOf(found), err
}

// fillChunk inserts the first people of a window into chunk. %s is the SELECT of the window.
const fillChunk = `
INSERT INTO temp.chunk (user_seq)
SELECT user_seq
FROM (%s)
ORDER BY user_seq
LIMIT @limit`

// selectOwn selects the people in the window whom the audience itself names: by role, by group and by id.
const selectOwn = `
SELECT user_seq
FROM user_roles
WHERE role IN (SELECT value FROM json_each(@own_roles))
	AND user_seq > @low
	AND user_seq <= @high
UNION
SELECT user_seq
FROM memberships
WHERE group_seq IN (SELECT value FROM json_each(@own_groups))
	AND user_seq > @low
	AND user_seq <= @high
UNION
SELECT value
FROM json_each(@own_users)
WHERE value > @low
	AND value <= @high`

// plusGuardians adds the guardians in the window who have a student that guardians_of
// names. It starts from the guardians, because the window is one of their numbers.
const plusGuardians = `
UNION
SELECT guardian_seq
FROM guardianships w
WHERE guardian_seq > @low
	AND guardian_seq <= @high
	AND ` + studentSelected

// studentSelected is true for the guardianships w of students whom guardians_of names.
const studentSelected = `(
		w.student_seq IN (SELECT value FROM json_each(@student_users))
		OR EXISTS (
			SELECT 1
			FROM user_roles r
			WHERE r.user_seq = w.student_seq
				AND r.role IN (SELECT value FROM json_each(@student_roles))
		)
		OR EXISTS (
			SELECT 1
			FROM memberships m
			WHERE m.user_seq = w.student_seq
				AND m.group_seq IN (SELECT value FROM json_each(@student_groups))
		)
	)`

// minusExcluded removes the people in the window whom exclude names.
const minusExcluded = `
EXCEPT
SELECT user_seq
FROM (
	SELECT user_seq
	FROM user_roles
	WHERE role IN (SELECT value FROM json_each(@excluded_roles))
		AND user_seq > @low
		AND user_seq <= @high
	UNION
	SELECT user_seq
	FROM memberships
	WHERE group_seq IN (SELECT value FROM json_each(@excluded_groups))
		AND user_seq > @low
		AND user_seq <= @high
	UNION
	SELECT value
	FROM json_each(@excluded_users)
	WHERE value > @low
		AND value <= @high
)`

// groupsBelow selects the named groups and all below them. UNION drops the groups that
// were found before, so the recursion would end even if groups formed a circle.
const groupsBelow = `
WITH RECURSIVE below(seq) AS (
	SELECT seq
	FROM groups
	WHERE id IN (SELECT value FROM json_each(@ids))
	UNION
	SELECT g.seq
	FROM groups g
	JOIN below b ON g.parent_seq = b.seq
)
SELECT seq FROM below`

// usersBeyond selects the named users that are live and beyond the cursor.
var usersBeyond = row.SQL(`
SELECT seq
FROM users
WHERE id IN (SELECT value FROM json_each(@ids))
	AND state = {user_live}
	AND seq > @cursor
ORDER BY seq`)
