package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// pieceSize is the number of users that one round of statements stores.
const pieceSize = 1_000

// PutUser implements people.Store.
func (s People) PutUser(ctx context.Context, u *schoolbell.User) (change schoolbell.Change, err error) {
	err = s.DB.write(ctx, "put user", func(c *conn) error {
		unknown, err := listOf[string](ctx, c, unknownUsers, args{"ids": jsonOf(u.GuardianOf)})
		if err != nil {
			return err
		}
		if err := row.UnknownStudents(u, unknown); err != nil {
			return err
		}
		changes, err := putPiece(ctx, c, &s.DB.channels, []*schoolbell.User{u})
		if err != nil {
			return err
		}
		change = changes[0]
		return nil
	})
	return change, err
}

// PutUsers implements people.Store.
func (s People) PutUsers(ctx context.Context, users []*schoolbell.User) (changes []schoolbell.Change, err error) {
	err = s.DB.write(ctx, "put users", func(c *conn) error {
		changes = make([]schoolbell.Change, 0, len(users))
		for _, piece := range row.Pieces(users, pieceSize) {
			done, err := putPiece(ctx, c, &s.DB.channels, piece)
			if err != nil {
				return err
			}
			changes = append(changes, done...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// putPiece stores users with distinct ids. It reads what is stored about all of them, and
// writes what differs: many rows by each statement, and nothing of users who stay as they are.
func putPiece(ctx context.Context, c *conn, channels *channelTable, users []*schoolbell.User) ([]schoolbell.Change, error) {
	for _, u := range users {
		if err := checkAddressChannels(ctx, c, channels, u); err != nil {
			return nil, err
		}
	}
	at, err := clock(ctx, c)
	if err != nil {
		return nil, err
	}
	p := row.NewPut(users)
	if err := putUserRows(ctx, c, p, at); err != nil {
		return nil, err
	}
	groups, err := putGroups(ctx, c, p.Groups())
	if err != nil {
		return nil, err
	}
	old := p.Old()
	if err := putLinks(ctx, c, roleTable, p, old, p.Roles()); err != nil {
		return nil, err
	}
	if err := putLinks(ctx, c, membershipTable, p, old, p.Memberships(groups)); err != nil {
		return nil, err
	}
	if err := putLinks(ctx, c, guardianshipTable, p, old, p.Guardianships()); err != nil {
		return nil, err
	}
	if err := putAddresses(ctx, c, channels, p, old, at); err != nil {
		return nil, err
	}
	return p.Changes(), nil
}

// putUserRows writes the rows of users, and of students who do not exist yet.
func putUserRows(ctx context.Context, c *conn, p *row.Put, at int64) error {
	ids := p.IDs()
	var u row.User
	var state int64 // as the driver has it: database/sql would take an int through its text
	found := []any{&u.Seq, &u.ID, &state, &u.Name, &u.Locale, &u.Timezone, &u.LocaleChosen}
	err := c.each(ctx, findUserRows, args{"ids": jsonOf(ids)}, func(scan func(...any) error) error {
		err := scan(found...)
		u.State = int(state)
		p.Found(u)
		return err
	})
	if err != nil {
		return err
	}
	var last int64
	if err := c.get(ctx, lastUser, nil, &last); err != nil {
		return err
	}
	added, changed := p.Rows(ids, func() int64 { last++; return last })
	values := make([]any, 0, 8*(len(added)+len(changed)))
	var now any = at
	for _, u := range append(added, changed...) {
		values = append(values, u.Seq, u.ID, u.State, u.Name, u.Locale, u.Timezone, now, now)
	}
	return c.insertRows(ctx, putUserRow, values)
}

// findUserRows selects the rows of users with the ids, in any state.
const findUserRows = `
SELECT u.seq, u.id, u.state, u.name, u.locale, u.timezone, u.locale_chosen
FROM json_each(@ids)
CROSS JOIN users u ON u.id = value`

// lastUser selects the number that was given last. A writing transaction is alone, and what
// it inserts with a larger number raises it.
const lastUser = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'users'"

// putUserRow inserts or changes the row of a user. A user who was awaited
// becomes live under the same number.
var putUserRow = insertion{
	into: "INSERT INTO users (seq, id, state, name, locale, timezone, created_at, updated_at)",
	row:  "(?, ?, ?, ?, ?, ?, ?, ?)",
	rest: row.SQL(`
ON CONFLICT (seq) DO UPDATE
SET state = excluded.state,
	name = excluded.name,
	locale = excluded.locale,
	timezone = excluded.timezone,
	updated_at = excluded.updated_at,
	created_at = CASE WHEN state = {user_live} THEN created_at ELSE excluded.created_at END`),
}

// putGroups returns the numbers of the groups with the ids. It inserts those that do not
// exist, as classes and with their ids as names.
func putGroups(ctx context.Context, c *conn, ids []string) (map[string]int64, error) {
	numbers := make(map[string]int64, len(ids))
	find := func() error {
		return c.each(ctx, findGroups, args{"ids": jsonOf(ids)}, func(scan func(...any) error) error {
			var id string
			var n int64
			err := scan(&id, &n)
			numbers[id] = n
			return err
		})
	}
	if len(ids) == 0 {
		return numbers, nil
	}
	if err := find(); err != nil || len(numbers) == len(ids) {
		return numbers, err
	}
	if _, err := c.exec(ctx, addGroups, args{"ids": jsonOf(ids), "kind": string(schoolbell.GroupClass)}); err != nil {
		return nil, err
	}
	return numbers, find()
}

// findGroups selects the numbers of the groups with the ids.
const findGroups = `
SELECT g.id, g.seq
FROM json_each(@ids)
CROSS JOIN groups g ON g.id = value`

// addGroups inserts the groups that do not exist yet, with their ids as names.
const addGroups = `
INSERT INTO groups (id, name, kind)
SELECT value, value, @kind
FROM json_each(@ids)
WHERE true
ON CONFLICT DO NOTHING`
