package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

const pieceSize = 5_000 // users that one round of statements stores

// PutUser implements people.Store.
func (s People) PutUser(ctx context.Context, u *schoolbell.User) (change schoolbell.Change, err error) {
	err = s.DB.write(ctx, "put user", func(tx pgx.Tx) error {
		if err := lockToChangePeople(ctx, tx); err != nil {
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
		if err := lockToChangePeople(ctx, tx); err != nil {
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

// lockToChangePeople waits for the lock of people and makes PostgreSQL keep its plans. In a ledger whose tables were empty
// a moment ago, it would otherwise plan to read all people for each piece, until autovacuum has counted them.
func lockToChangePeople(ctx context.Context, tx pgx.Tx) error {
	var b pgx.Batch
	b.Queue(takeLock, int64(lockPeople))
	b.Queue(planOnce)
	return tx.SendBatch(ctx, &b).Close()
}

// putPiece stores users with distinct ids. It reads what is stored about all of them, and
// writes what differs: many rows by each statement, and nothing of users who stay as they are.
// The transaction has the lock of people.
func putPiece(ctx context.Context, tx pgx.Tx, users []*schoolbell.User) ([]schoolbell.Change, error) {
	p := &piece{put: row.NewPut(users)}
	ids, groups := p.put.IDs(), p.put.Groups()
	if err := p.read(ctx, tx, ids, groups); err != nil {
		return nil, err
	}
	if err := p.readMore(ctx, tx, p.put.Missing(ids), groups); err != nil {
		return nil, err
	}
	if err := p.write(ctx, tx, ids); err != nil {
		return nil, err
	}
	return p.put.Changes(), nil
}

// piece is users to store with what must be known of the ledger.
type piece struct {
	put      *row.Put
	now      time.Time
	channels map[schoolbell.Channel]int16
	groups   map[string]int64 // numbers of the groups of the users
	next     int64            // number of the next new user
	old      storedLinks
}

// read reads the rows of the users with the ids, the numbers of those of the groups that exist, and the channels.
func (p *piece) read(ctx context.Context, tx pgx.Tx, ids, groups []string) error {
	p.groups, p.channels = make(map[string]int64, len(groups)), map[schoolbell.Channel]int16{}
	var b pgx.Batch
	b.Queue("SELECT " + now).QueryRow(func(r pgx.Row) error { return r.Scan(&p.now) })
	var channel schoolbell.Channel
	var number int16
	queueEach(&b, "SELECT name, id FROM channels", nil, []any{&channel, &number}, func() { p.channels[channel] = number })
	p.queueGroups(&b, selectGroupNumbers, groups)
	var u row.User
	queueEach(&b, selectUserRows, []any{ids}, []any{&u.Seq, &u.ID, &u.State, &u.Name, &u.Locale, &u.Timezone, &u.LocaleChosen}, func() { p.put.Found(u) })
	return tx.SendBatch(ctx, &b).Close()
}

// readMore draws numbers for new users, inserts those of the groups that do not exist, as classes and with their ids
// as names, and reads what is stored about the users who exist.
func (p *piece) readMore(ctx context.Context, tx pgx.Tx, added int, groups []string) error {
	var b pgx.Batch
	if added > 0 {
		b.Queue(drawNumbers, added).QueryRow(func(r pgx.Row) error { return r.Scan(&p.next) })
	}
	if len(p.groups) < len(groups) {
		p.queueGroups(&b, insertClasses, groups, schoolbell.GroupClass)
	}
	if old := p.put.Old(); len(old) > 0 {
		p.old.queue(&b, old)
	}
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, &b).Close()
}

// write writes what differs.
func (p *piece) write(ctx context.Context, tx pgx.Tx, ids []string) error {
	added, changed := p.put.Rows(ids, func() int64 { p.next++; return p.next - 1 })
	roles, noRoles := row.DiffLinks(p.old.roles, p.put.Roles())
	members, noMembers := row.DiffLinks(p.old.memberships, p.put.Memberships(p.groups))
	guardians, noGuardians := row.DiffLinks(p.old.guardianships, p.put.Guardianships())
	row.NoteLinks(p.put, roles, noRoles)
	row.NoteLinks(p.put, members, noMembers)
	row.NoteLinks(p.put, guardians, noGuardians)
	addresses, replaced := p.put.Addresses(p.old.addresses)

	var b pgx.Batch
	if len(changed) > 0 {
		b.Queue(updateUsers, userColumns(changed))
	}
	queueRemoval(&b, removeRoles, noRoles)
	queueRemoval(&b, removeMemberships, noMembers)
	queueRemoval(&b, removeGuardianships, noGuardians)
	if len(replaced) > 0 {
		b.Queue(deleteAddresses, replaced)
	}
	if b.Len() > 0 {
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
	}
	for _, insert := range []func() error{
		func() error { return copyUsers(ctx, tx, added, p.now) },
		func() error { return copyLinks(ctx, tx, copyRoles, roles) },
		func() error { return copyLinks(ctx, tx, copyMemberships, members) },
		func() error { return copyLinks(ctx, tx, copyGuardianships, guardians) },
		func() error { return copyAddresses(ctx, tx, addresses, p.channels, p.now) },
	} {
		if err := insert(); err != nil {
			return err
		}
	}
	return markSharedOf(ctx, tx, addresses)
}

// markSharedOf marks those of new addresses that others have too.
func markSharedOf(ctx context.Context, tx pgx.Tx, addresses []row.UserAddress) error {
	var users []int64
	for _, a := range addresses {
		if len(users) == 0 || users[len(users)-1] != a.User {
			users = append(users, a.User)
		}
	}
	if len(users) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, markShared, users)
	return err
}

// queueGroups queues a statement that returns ids and numbers of groups.
func (p *piece) queueGroups(b *pgx.Batch, query string, args ...any) {
	var id string
	var n int64
	queueEach(b, query, args, []any{&id, &n}, func() { p.groups[id] = n })
}

// queueEach queues a query that calls do for each row, after it was scanned into dest.
func queueEach(b *pgx.Batch, query string, args, dest []any, do func()) {
	b.Queue(query, args...).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, dest, func() error { do(); return nil })
		return err
	})
}

// userValues are rows of users, column by column.
type userValues struct {
	seqs                           []int64
	states                         []int16
	ids, names, locales, timezones []string
}

func valuesOf(users []row.User) userValues {
	n := len(users)
	texts := make([]string, 4*n)
	c := userValues{make([]int64, n), make([]int16, n), texts[:n], texts[n : 2*n], texts[2*n : 3*n], texts[3*n:]}
	for i, u := range users {
		c.seqs[i], c.states[i] = u.Seq, int16(u.State)
		c.ids[i], c.names[i], c.locales[i], c.timezones[i] = u.ID, u.Name, u.Locale, u.Timezone
	}
	return c
}

func userColumns(users []row.User) named {
	c := valuesOf(users)
	return named{"seqs": c.seqs, "states": c.states, "names": c.names, "locales": c.locales, "timezones": c.timezones}
}

func copyUsers(ctx context.Context, tx pgx.Tx, users []row.User, now time.Time) error {
	c := valuesOf(users)
	return copyRows(ctx, tx, copyUserRows, len(users), c.seqs, c.ids, c.states, c.names, c.locales, c.timezones, now, now)
}

// copyUserRows inserts users with numbers that were drawn for them.
const copyUserRows = `
	COPY users (seq, id, state, name, locale, timezone, created_at, updated_at)
	FROM STDIN (FORMAT binary)`

// selectUserRows selects the rows of users with the ids, in any state.
const selectUserRows = "SELECT seq, id, state, name, locale, timezone, locale_chosen FROM users WHERE id = ANY ($1)"

// drawNumbers draws numbers for some new users, which follow each other, and returns the first. Only one
// transaction at a time may draw.
const drawNumbers = `
	SELECT setval(s.name, nextval(s.name) + $1::bigint - 1) - $1::bigint + 1
	FROM pg_get_serial_sequence('users', 'seq') s(name)`

// updateUsers changes users. One who was awaited becomes a person under the same number.
var updateUsers = row.SQL(`
	UPDATE users u
	SET state = n.state, name = n.name, locale = n.locale, timezone = n.timezone,
		updated_at = clock.now,
		created_at = CASE u.state WHEN {user_live} THEN u.created_at ELSE clock.now END
	FROM unnest(@seqs::bigint[], @states::smallint[], @names::text[], @locales::text[], @timezones::text[])
			n(seq, state, name, locale, timezone)
	CROSS JOIN ` + clock + `
	WHERE u.seq = n.seq`)

// selectGroupNumbers selects the numbers of the groups with the ids.
const selectGroupNumbers = "SELECT id, seq FROM groups WHERE id = ANY ($1)"

// insertClasses inserts the groups that do not exist, as of one kind and with their ids as names.
const insertClasses = `
	INSERT INTO groups (id, name, kind)
	SELECT n.id, n.id, $2
	FROM unnest($1::text[]) n(id)
	WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.id = n.id)
	RETURNING id, seq`
