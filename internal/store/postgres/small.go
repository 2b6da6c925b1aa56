package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// smallWalk is the walk of an event that names so few users that they are walked and claimed together.
type smallWalk struct {
	walk    *walk
	claim   ledger.SmallClaim
	alive   bool               // the lease has not ended
	people  []ledger.Recipient // in order, without addresses
	reaches []reach            // of the wave's channels
}

// FanOutSmall implements ledger.FanOuts. It takes three round trips: they read the wave, its people, and store the chunk.
func (s FanOuts) FanOutSmall(ctx context.Context, wave ledger.WaveRef, users, batchSize int, claim ledger.SmallClaim) (step ledger.FanOutStep, err error) {
	if err := checkSizes(users, batchSize); err != nil {
		return step, err
	}
	small := false
	err = s.DB.trips(ctx, "fan out", func(t *trips) (err error) {
		step, small = ledger.FanOutStep{}, false
		w := smallWalk{walk: &walk{WaveRef: wave}, claim: claim}
		if err := w.begin(t); err != nil {
			return err
		}
		if step.Done, err = w.walk.ended(); step.Done || err != nil {
			small = true
			return err
		}
		if small = w.walk.namesUsers() && w.walk.cursor == 0 && len(w.walk.audience.Users) <= users; !small {
			return nil
		}
		if err := w.readPeople(t); err != nil {
			return err
		}
		step.Users, step.Done = len(w.people), true
		step.Batches, step.Grants, step.InApp = w.store(&t.Batch, batchSize)
		return nil
	})
	switch {
	case err != nil:
		return ledger.FanOutStep{}, err
	case !small:
		return s.FanOut(ctx, wave, users, batchSize)
	}
	return step, nil
}

// begin locks and reads the wave, and whether the lease is alive.
func (w *smallWalk) begin(t *trips) error {
	t.Queue(lockWalk, w.walk.EventID, w.walk.Wave).QueryRow(w.walk.scan)
	t.Queue(selectAlive, w.claim.Lease.ID).QueryRow(func(r pgx.Row) error { return r.Scan(&w.alive) })
	return t.send()
}

// selectAlive selects whether a lease has not ended.
const selectAlive = "SELECT EXISTS (SELECT 1 FROM leases WHERE id = $1 AND expires_at > clock_timestamp())"

// readPeople reads the people whom the audience names, and how they are reached.
func (w *smallWalk) readPeople(t *trips) error {
	t.Queue(namedPeople, named{"names": w.walk.audience.Users}).Query(func(rows pgx.Rows) (err error) {
		w.people, err = pgx.CollectRows(rows, scanPerson)
		return err
	})
	t.Queue(reachOfNamed, w.walk.reachOf(named{"names": w.walk.audience.Users, "shared": w.claim.Shared && w.walk.onlyIf != schoolbell.OnlyIfUnacknowledged})).Query(func(rows pgx.Rows) (err error) {
		w.reaches, err = pgx.CollectRows(rows, scanReach)
		return err
	})
	if err := t.send(); err != nil {
		return fmt.Errorf("read named people: %w", err)
	}
	slices.SortFunc(w.people, func(a, b ledger.Recipient) int { return cmp.Compare(a.Seq, b.Seq) })
	return nil
}

// namedUsers selects users by their ids.
const namedUsers = "FROM users WHERE id = ANY (@names) AND state = {user_live}"

// namedPeople selects what messages need of named users.
var namedPeople = row.SQL("SELECT seq, id, name, locale, timezone, quiet_hours " + namedUsers)

// reachOfNamed selects a reach of named users, with addresses.
var reachOfNamed = row.SQL(selectReach("user_seq = ANY (ARRAY(SELECT seq "+namedUsers+"))", usableAddresses))

// store queues the statements that store the chunk, and returns its batches, what is claimed of each, and how many in-app
// messages are sent.
func (w *smallWalk) store(b *pgx.Batch, batchSize int) (batches []ledger.Batch, grants []ledger.Grant, inApp int) {
	c := chunk{wave: w.walk, done: true}
	for _, p := range w.people {
		c.people, c.bound = append(c.people, p.Seq), p.Seq
	}
	if len(c.people) == 0 {
		b.Queue(moveCursor, c.cursor())
		return nil, nil, 0
	}
	addresses := w.addresses()
	rows := c.rows(w.reaches, batchSize)
	grants = w.grants(rows, addresses)
	b.Queue(insertChunk, c.cursor().with(rows.columns()))
	c.addItems(b, rows)
	c.fillInboxes(b)
	return rows.batches, grants, rows.inApp()
}

// addresses returns the usable addresses of each person by channel, up to as many as the channel sends to.
func (w *smallWalk) addresses() map[int16]map[int64][]string {
	all := map[int16]map[int64][]string{}
	for _, ch := range w.reaches {
		most, of := 1, map[int64][]string{}
		if ch.every {
			most = schoolbell.MaxAddresses
		}
		for i, user := range ch.usable {
			if len(of[user]) < most {
				of[user] = append(of[user], ch.addresses[i])
			}
		}
		all[ch.channel] = of
	}
	return all
}

// grants claims the deliveries of all batches in rows, and returns what is claimed: nothing if a batch is too large or the event has changed.
func (w *smallWalk) grants(rows *chunkRows, addresses map[int16]map[int64][]string) []ledger.Grant {
	if slices.ContainsFunc(rows.batches, func(b ledger.Batch) bool { return b.Seq > 1 || b.Size > w.claim.Most }) {
		return nil
	}
	if w.claim.Revision != w.walk.revision {
		return nil
	}
	rows.lease, rows.revision = w.claim.Lease.ID, w.claim.Revision
	grants := make([]ledger.Grant, len(rows.batches))
	for i, batch := range rows.batches {
		switch {
		case !slices.Contains(w.claim.Channels, batch.Channel):
			continue
		case !w.alive:
			grants[i].LeaseEnded = true
			continue
		}
		channel := rows.spans[i].channel
		rows.claim(channel, rows.spans[i].users)
		for _, user := range rows.spans[i].users {
			p := w.people[slices.IndexFunc(w.people, func(p ledger.Recipient) bool { return p.Seq == user })]
			p.Addresses = addresses[channel][user]
			p.Shared = w.isShared(channel, user)
			p.Uncertain, p.Restored = w.walk.restored, w.walk.restored
			grants[i].Recipients = append(grants[i].Recipients, p)
		}
	}
	return grants
}

// isShared reports whether others may have the address of a user on a channel.
func (w *smallWalk) isShared(channel int16, user int64) bool {
	return slices.ContainsFunc(w.reaches, func(r reach) bool { return r.channel == channel && slices.Contains(r.shared, user) })
}

// claim marks the deliveries on a channel as claimed, in a batch of these users. The totals do not count any delivery
// between the first and the last of them while the batch is in work.
func (r *chunkRows) claim(channel int16, users []int64) {
	r.claimed = append(r.claimed, channel)
	first, last := users[0], users[len(users)-1]
	for i := range r.groups {
		g := &r.groups[i]
		if g.channel != channel {
			continue
		}
		g.total = 0
		for _, user := range r.users[g.low-1 : g.high] {
			if user < first || user > last {
				g.total++
			}
		}
	}
}
