package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

const pieceSize = 5_000 // users that one round of statements stores

// PutUser implements people.Store.
func (s People) PutUser(ctx context.Context, u *schoolbell.User) (change schoolbell.Change, err error) {
	err = s.DB.write(ctx, "put user", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockPeople); err != nil {
			return err
		}
		unknown, err := unknownUsers(ctx, tx, u.GuardianOf)
		if err != nil {
			return err
		}
		if err := row.UnknownStudents(u, unknown); err != nil {
			return err
		}
		if err := checkAddressChannels(ctx, tx, u); err != nil {
			return err
		}
		changes, err := putPiece(ctx, tx, []*schoolbell.User{u})
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
	err = s.DB.write(ctx, "put users", func(tx pgx.Tx) error {
		changes = make([]schoolbell.Change, 0, len(users))
		if err := lock(ctx, tx, lockPeople); err != nil {
			return err
		}
		for _, piece := range row.Pieces(users, pieceSize) {
			done, err := putPiece(ctx, tx, piece)
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
// The transaction has the lock of people.
func putPiece(ctx context.Context, tx pgx.Tx, users []*schoolbell.User) ([]schoolbell.Change, error) {
	p := row.NewPut(users)
	var b pgx.Batch
	if err := putUserRows(ctx, tx, &b, p); err != nil {
		return nil, err
	}
	groups, err := putGroups(ctx, tx, p.Groups())
	if err != nil {
		return nil, err
	}
	old, err := findLinks(ctx, tx, p.Old())
	if err != nil {
		return nil, err
	}
	queueLinks(&b, roleTable, old.roles, p.Roles())
	queueLinks(&b, membershipTable, old.memberships, p.Memberships(groups))
	queueLinks(&b, guardianshipTable, old.guardianships, p.Guardianships())
	queueAddresses(&b, p, old.addresses)
	if b.Len() > 0 {
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return nil, err
		}
	}
	return p.Changes(), nil
}

// putUserRows queues the writes of users, and of students who do not exist yet.
func putUserRows(ctx context.Context, tx pgx.Tx, b *pgx.Batch, p *row.Put) error {
	ids := p.IDs()
	rows, err := tx.Query(ctx, selectUserRows, ids)
	if err != nil {
		return err
	}
	var u row.User
	if _, err := pgx.ForEachRow(rows, []any{&u.Seq, &u.ID, &u.State, &u.Name, &u.Locale, &u.Timezone}, func() error {
		p.Found(u)
		return nil
	}); err != nil {
		return err
	}
	numbers, err := drawNumbers(ctx, tx, p.Missing(ids))
	if err != nil {
		return err
	}
	added, changed := p.Rows(ids, func() (n int64) {
		n, numbers = numbers[0], numbers[1:]
		return n
	})
	if len(added) > 0 {
		b.Queue(insertUsers, userColumns(added))
	}
	if len(changed) > 0 {
		b.Queue(updateUsers, userColumns(changed))
	}
	return nil
}

// drawNumbers returns numbers for n new users.
func drawNumbers(ctx context.Context, tx pgx.Tx, n int) ([]int64, error) {
	if n == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, selectNumbers, n)
	return list(rows, err, pgx.RowTo[int64])
}

func userColumns(users []row.User) named {
	n := len(users)
	seqs, states := make([]int64, n), make([]int16, n)
	ids, names, locales, timezones := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, u := range users {
		seqs[i], states[i] = u.Seq, int16(u.State)
		ids[i], names[i], locales[i], timezones[i] = u.ID, u.Name, u.Locale, u.Timezone
	}
	return named{"seqs": seqs, "states": states, "ids": ids, "names": names, "locales": locales, "timezones": timezones}
}

// selectUserRows selects the rows of users with the ids, in any state.
const selectUserRows = "SELECT seq, id, state, name, locale, timezone FROM users WHERE id = ANY ($1)"

// selectNumbers draws numbers of users.
const selectNumbers = "SELECT nextval(pg_get_serial_sequence('users', 'seq')) FROM generate_series(1, $1)"

// givenUsers is an item of a FROM clause with the rows to store as n, and the time as clock.now.
const givenUsers = `
	unnest(@seqs::bigint[], @ids::text[], @states::smallint[], @names::text[], @locales::text[], @timezones::text[])
		n(seq, id, state, name, locale, timezone)
	CROSS JOIN ` + clock

// insertUsers inserts users with numbers that were drawn for them.
const insertUsers = `
	INSERT INTO users (seq, id, state, name, locale, timezone, created_at, updated_at)
	OVERRIDING SYSTEM VALUE
	SELECT n.seq, n.id, n.state, n.name, n.locale, n.timezone, clock.now, clock.now
	FROM ` + givenUsers

// updateUsers changes users. One who was awaited becomes a person under the same number.
var updateUsers = row.SQL(`
	UPDATE users u
	SET state = n.state, name = n.name, locale = n.locale, timezone = n.timezone,
		updated_at = clock.now,
		created_at = CASE u.state WHEN {user_live} THEN u.created_at ELSE clock.now END
	FROM ` + givenUsers + `
	WHERE u.seq = n.seq`)

// putGroups returns the numbers of the groups with the ids. It inserts those that do not
// exist, as classes and with their ids as names.
func putGroups(ctx context.Context, tx pgx.Tx, ids []string) (map[string]int64, error) {
	numbers := make(map[string]int64, len(ids))
	if len(ids) == 0 {
		return numbers, nil
	}
	var id string
	var n int64
	read := func(query string, args ...any) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
			numbers[id] = n
			return nil
		})
		return err
	}
	if err := read(selectGroupNumbers, ids); err != nil || len(numbers) == len(ids) {
		return numbers, err
	}
	return numbers, read(insertClasses, ids, schoolbell.GroupClass)
}

// selectGroupNumbers selects the numbers of the groups with the ids.
const selectGroupNumbers = "SELECT id, seq FROM groups WHERE id = ANY ($1)"

// insertClasses inserts the groups that do not exist, as of one kind and with their ids as names.
const insertClasses = `
	INSERT INTO groups (id, name, kind)
	SELECT n.id, n.id, $2
	FROM unnest($1::text[]) n(id)
	WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.id = n.id)
	RETURNING id, seq`
