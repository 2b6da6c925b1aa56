package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/bullmq/combine"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// walkLimits are how many small events, and named users of them, one transaction walks.
var walkLimits = combine.Limits{Items: 20, Size: 200}

// FanOutSmall implements ledger.FanOuts.
func (s FanOuts) FanOutSmall(ctx context.Context, wave ledger.WaveRef, users, batchSize int, claim ledger.SmallClaim) (ledger.FanOutStep, error) {
	w := smallWalk{walk: &walk{WaveRef: wave}, users: users, batchSize: batchSize, claim: claim}
	if err := s.DB.smallWalks.Do(ctx, &w); err != nil {
		return ledger.FanOutStep{}, wrap("fan out", err) // w may be in use until its transaction ends
	}
	switch {
	case w.err != nil:
		return ledger.FanOutStep{}, w.err
	case w.large:
		return s.FanOut(ctx, wave, users, batchSize)
	}
	return w.step, nil
}

// smallWalk is a call of FanOutSmall: the walk of an event that names so few users that they are walked and claimed
// together.
type smallWalk struct {
	walk             *walk
	users, batchSize int
	claim            ledger.SmallClaim

	alive   bool               // the lease has not ended
	people  []ledger.Recipient // in order, without addresses
	reaches []reach            // of the wave's channels

	step  ledger.FanOutStep
	large bool // it is not small, and nothing was done
	err   error
}

func (s FanOuts) newSmallWalks() *combine.Combiner[smallWalk] {
	return combine.New(s.walkTogether, func(w *smallWalk) int { return w.claim.Most }, walkLimits)
}

// walkTogether carries out calls of FanOutSmall in one transaction. If it was refused, each is made alone.
func (s FanOuts) walkTogether(ctx context.Context, all []*smallWalk) {
	err := s.walkAll(ctx, all)
	if len(all) > 1 && refused(err) {
		for _, w := range all {
			s.walkTogether(ctx, []*smallWalk{w})
		}
		return
	}
	for _, w := range all {
		if err != nil {
			w.err = err
		}
	}
}

// walkAll takes three round trips: they lock the events, read the people, and store the deliveries. Events are locked in
// order, so that two transactions do not wait for each other.
func (s FanOuts) walkAll(ctx context.Context, all []*smallWalk) error {
	all = slices.SortedFunc(slices.Values(all), func(a, b *smallWalk) int { return cmp.Compare(a.walk.EventID, b.walk.EventID) })
	return s.DB.together(ctx, len(all), "fan out", func(t *trips) error {
		for _, w := range all {
			w.begin(&t.Batch)
		}
		if err := t.send(); err != nil {
			return err
		}
		walked := slices.DeleteFunc(slices.Clone(all), (*smallWalk).decided)
		if len(walked) == 0 {
			return nil
		}
		for _, w := range walked {
			w.readPeople(&t.Batch)
		}
		if err := t.send(); err != nil {
			return err
		}
		for _, w := range walked {
			w.store(&t.Batch)
		}
		return nil
	})
}

// begin queues the statements that lock and read the wave, and read whether the lease is alive.
func (w *smallWalk) begin(b *pgx.Batch) {
	*w = smallWalk{walk: &walk{WaveRef: w.walk.WaveRef}, users: w.users, batchSize: w.batchSize, claim: w.claim}
	b.Queue(lockWalk, w.walk.EventID, w.walk.Wave).QueryRow(w.walk.scan)
	b.Queue(selectAlive, w.claim.Lease.ID).QueryRow(func(r pgx.Row) error { return r.Scan(&w.alive) })
}

// decided reports whether there is nothing to walk here: it was walked, or may not be yet, or is not small.
func (w *smallWalk) decided() bool {
	if w.step.Done, w.err = w.walk.ended(); w.step.Done || w.err != nil {
		return true
	}
	w.large = !w.walk.namesUsers() || w.walk.cursor > 0 || len(w.walk.audience.Users) > w.users
	return w.large
}

// selectAlive selects whether a lease has not ended.
const selectAlive = "SELECT EXISTS (SELECT 1 FROM leases WHERE id = $1 AND expires_at > clock_timestamp())"

// readPeople queues the statements that read the people whom the audience names, and how they are reached.
func (w *smallWalk) readPeople(b *pgx.Batch) {
	names := named{"names": w.walk.audience.Users}
	b.Queue(namedPeople, names).Query(func(rows pgx.Rows) (err error) {
		w.people, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (p ledger.Recipient, err error) {
			err = r.Scan(&p.Seq, &p.UserID, &p.Name, &p.Locale, &p.Timezone)
			return p, err
		})
		slices.SortFunc(w.people, func(a, b ledger.Recipient) int { return cmp.Compare(a.Seq, b.Seq) })
		return err
	})
	b.Queue(reachOfNamed, w.walk.reachOf(names)).Query(func(rows pgx.Rows) (err error) {
		w.reaches, err = pgx.CollectRows(rows, scanReach)
		return err
	})
}

// namedUsers selects users by their ids.
const namedUsers = "FROM users WHERE id = ANY (@names) AND state = {user_live}"

// namedPeople selects what messages need of named users.
var namedPeople = row.SQL("SELECT seq, id, name, locale, timezone " + namedUsers)

// reachOfNamed selects a reach of named users, with addresses.
var reachOfNamed = row.SQL(selectReach("user_seq = ANY (ARRAY(SELECT seq "+namedUsers+"))", usableAddresses))

// store queues the statements that store the chunk, and sets the result.
func (w *smallWalk) store(b *pgx.Batch) {
	c := chunk{wave: w.walk, done: true}
	for _, p := range w.people {
		c.people, c.bound = append(c.people, p.Seq), p.Seq
	}
	w.step = ledger.FanOutStep{Users: len(c.people), Done: true}
	if len(c.people) == 0 {
		b.Queue(moveCursor, c.cursor())
		return
	}
	addresses := w.addresses()
	rows := c.rows(w.reaches, w.batchSize)
	w.step.Batches, w.step.Grants = rows.batches, w.grants(rows, addresses)
	b.Queue(insertChunk, c.cursor().with(rows.columns()))
	c.fillInboxes(b)
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

// grants claims the deliveries of all batches in rows, and returns what is claimed: nothing if a batch is too large.
func (w *smallWalk) grants(rows *chunkRows, addresses map[int16]map[int64][]string) []ledger.Grant {
	if slices.ContainsFunc(rows.batches, func(b ledger.Batch) bool { return b.Seq > 1 || b.Size > w.claim.Most }) {
		return nil
	}
	rows.lease = w.claim.Lease.ID
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
			grants[i].Recipients = append(grants[i].Recipients, p)
		}
	}
	return grants
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
