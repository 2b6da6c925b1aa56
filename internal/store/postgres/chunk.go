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

// chunk is a part of an audience that one transaction walks.
type chunk struct {
	wave   *walk
	people []int64 // in order
	bound  int64   // the last user that was looked at
	done   bool    // it is the last chunk of the wave
}

// store inserts the deliveries of the chunk, its batches and its inbox rows, and moves the cursor. It returns the batches and
// how many in-app messages were sent.
func (c *chunk) store(ctx context.Context, tx pgx.Tx, batchSize int) (batches []ledger.Batch, inApp int, err error) {
	if len(c.people) == 0 {
		_, err := tx.Exec(ctx, moveCursor, c.cursor())
		return nil, 0, err
	}
	r, _, err := c.decide(ctx, tx, batchSize)
	if err != nil {
		return nil, 0, err
	}
	var b pgx.Batch
	if err := c.noteStudents(ctx, tx, &b); err != nil {
		return nil, 0, err
	}
	b.Queue(insertChunk, c.cursor().with(r.columns()))
	c.addItems(&b, r)
	c.fillInboxes(&b)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, 0, fmt.Errorf("insert deliveries: %w", err)
	}
	return r.batches, r.inApp(), nil
}

// decide reads how the people of the chunk are reached on each channel, and returns the rows that follow from it. Previews
// use it too.
func (c *chunk) decide(ctx context.Context, tx pgx.Tx, batchSize int) (*chunkRows, []reach, error) {
	channels, err := c.readReach(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	return c.rows(channels, batchSize), channels, nil
}

// cursor returns the parameters of movedCursor.
func (c *chunk) cursor() named {
	return named{"event": c.wave.seq, "wave": c.wave.Wave, "cursor": c.bound, "walked": c.done}
}

// addItems queues the statements that add the items of those who want the event in a digest.
func (c *chunk) addItems(b *pgx.Batch, r *chunkRows) {
	for _, g := range r.groups {
		if g.reason == schoolbell.ReasonInDigest {
			b.Queue(insertItems, named{"event": c.wave.seq, "channel": g.channel, "users": r.users[g.low-1 : g.high]})
		}
	}
}

// fillInboxes queues the statements that put the event into the inboxes of the chunk's people. They are the last of the
// transaction: until the commit, readers see no items of later fan-outs.
func (c *chunk) fillInboxes(b *pgx.Batch) {
	if !c.wave.expired && c.wave.Wave == 0 && slices.Contains(c.wave.channels, string(schoolbell.ChannelInApp)) {
		b.Queue(announcePosition, int64(lockPositions))
		b.Queue(insertInbox, c.wave.seq, c.people)
	}
}

// rows returns the rows of the chunk on all channels.
func (c *chunk) rows(channels []reach, batchSize int) *chunkRows {
	r := &chunkRows{users: slices.Clip(c.people), claimed: []int16{}}
	for i := range channels {
		c.plan(&channels[i], batchSize, r)
	}
	return r
}

// chunkRows are the rows that a chunk inserts.
type chunkRows struct {
	users    []int64 // of all groups; begins with all people of the chunk
	groups   []deliveryGroup
	batches  []ledger.Batch
	spans    []batchSpan // of the batches
	claimed  []int16     // channels whose pending deliveries are claimed, each in one batch; not nil
	lease    int64       // that claims them
	revision int         // of the event that is claimed
}

// deliveryGroup are new deliveries of which only the users differ.
type deliveryGroup struct {
	deliveryKind
	low, high int32 // the first and the last of its users in chunkRows.users, counted from 1
	total     int32 // how many the totals count
}

// deliveryKind is what the deliveries of a group have in common.
type deliveryKind struct {
	channel, status int16
	reason          string
}

// batchSpan is where a batch lies.
type batchSpan struct {
	channel int16
	users   []int64 // in order
}

// plan adds the rows for one channel. If the event has expired, no delivery may be sent.
func (c *chunk) plan(to *reach, batchSize int, r *chunkRows) {
	var kinds []deliveryKind
	var users [][]int64 // of each kind
	for _, user := range c.people {
		kind := deliveryKind{channel: to.channel, status: row.Expired}
		if !c.wave.expired {
			kind.status, kind.reason = to.status(user)
		}
		i := slices.Index(kinds, kind)
		if i < 0 {
			i = len(kinds)
			kinds, users = append(kinds, kind), append(users, nil)
		}
		users[i] = append(users[i], user)
	}
	for i, kind := range kinds {
		r.add(kind, users[i], len(c.people))
		if kind.status == row.Pending {
			r.cut(ledger.Batch{EventID: c.wave.EventID, Wave: c.wave.Wave, Channel: to.name, Seq: to.batches}, to.channel, users[i], batchSize)
		}
	}
}

// cut adds batches of users, numbered after the given one.
func (r *chunkRows) cut(batch ledger.Batch, channel int16, users []int64, batchSize int) {
	for users := range slices.Chunk(users, batchSize) {
		batch.Seq++
		batch.Size = len(users)
		r.batches = append(r.batches, batch)
		r.spans = append(r.spans, batchSpan{channel: channel, users: users})
	}
}

// add adds a group of deliveries. Groups of all people share one list of users.
func (r *chunkRows) add(kind deliveryKind, users []int64, people int) {
	g := deliveryGroup{deliveryKind: kind, low: 1, high: int32(people)}
	if len(users) < people {
		g.low = int32(len(r.users)) + 1
		r.users = append(r.users, users...)
		g.high = int32(len(r.users))
	}
	g.total = int32(len(users))
	r.groups = append(r.groups, g)
}

// inApp returns how many in-app messages are sent by the insert.
func (r *chunkRows) inApp() (n int) {
	for _, g := range r.groups {
		if g.channel == row.InApp && g.status == row.Sent {
			n += int(g.total)
		}
	}
	return n
}

// columns returns the parameters of insertChunk.
func (r *chunkRows) columns() named {
	var channels, statuses, batchChannels []int16
	var reasons []string
	var low, high, totals, seqs, sizes []int32
	var first, last []int64
	for _, g := range r.groups {
		channels, statuses, reasons = append(channels, g.channel), append(statuses, g.status), append(reasons, g.reason)
		low, high, totals = append(low, g.low), append(high, g.high), append(totals, g.total)
	}
	for i, b := range r.batches {
		seqs, sizes = append(seqs, int32(b.Seq)), append(sizes, int32(b.Size))
		batchChannels, first, last = append(batchChannels, r.spans[i].channel), append(first, r.spans[i].users[0]), append(last, r.spans[i].users[b.Size-1])
	}
	return named{"users": r.users, "channels": channels, "statuses": statuses, "reasons": reasons, "low": low, "high": high, "totals": totals,
		"batch_channels": batchChannels, "batch_seqs": seqs, "first_users": first, "last_users": last, "sizes": sizes,
		"claimed": r.claimed, "revision": int16(r.revision), "lease": r.lease}
}

// insertChunk inserts groups of deliveries and batches of the wave @wave of the event @event, adds the deliveries to the
// totals and moves the cursor. The users of a group are a part of @users, from @low to @high. The pending deliveries on the
// channels @claimed are claimed for @lease: their batches are in work, so the totals do not count them.
//
// It has no ON CONFLICT: a row that exists already means that a person is walked a second time, and
// then the whole chunk must fail.
var insertChunk = row.SQL(`
	WITH groups AS MATERIALIZED (
		SELECT *
		FROM unnest(@channels::smallint[], @statuses::smallint[], @reasons::text[], @low::integer[], @high::integer[],
			@totals::integer[]) g(channel, status, reason, low, high, total)),
	inserted AS (
		INSERT INTO deliveries (event_seq, wave, channel, user_seq, status, reason, updated_at)
		SELECT @event::bigint, @wave::smallint, g.channel, u.user_seq, g.status, nullif(g.reason, ''), clock.now
		FROM ` + clock + `
		CROSS JOIN groups g
		CROSS JOIN LATERAL unnest((@users::bigint[])[g.low:g.high]) u(user_seq)),
	counted AS (` + intoTotals + `
		SELECT @event::bigint, @wave::smallint, g.channel, g.status, 0, ` + fanOutShard + `, sum(g.total)
		FROM groups g
		WHERE g.total > 0` + addTotals + `),
	batched AS (
		INSERT INTO batches (event_seq, wave, channel, seq, first_user, last_user, size, in_work)
		SELECT @event, @wave, b.*, b.channel = ANY (@claimed::smallint[])
		FROM unnest(@batch_channels::smallint[], @batch_seqs::integer[], @first_users::bigint[], @last_users::bigint[],
			@sizes::integer[]) b(channel, seq, first_user, last_user, size)),
	claimed AS (
		INSERT INTO claims (event_seq, wave, channel, batch, revision, lease_id, users)
		SELECT @event, @wave, g.channel, 1, @revision::smallint, @lease::bigint, (@users)[g.low:g.high]
		FROM groups g
		WHERE g.status = {pending} AND g.channel = ANY (@claimed)),
	` + movedCursor)

// moveCursor is insertChunk without any rows.
var moveCursor = row.SQL("WITH " + movedCursor)

// movedCursor stores how far the walk of a wave has come, and that the wave has a job: the one that walks it.
const movedCursor = `moved AS (
		UPDATE waves
		SET cursor = @cursor, walked = @walked, queued_at = coalesce(queued_at, ` + now + `)
		WHERE event_seq = @event AND n = @wave)
	UPDATE events
	SET status = {event_processing}, completed_at = NULL
	WHERE seq = @event AND status NOT IN ({event_processing}, {event_cancelled})`

// insertInbox inserts a chunk of an event, and puts it into the inboxes of its people at the chunk's position.
var insertInbox = `
	WITH chunk AS (
		INSERT INTO chunks (event_seq, first_user, last_user, arrived_at)
		SELECT $1, ($2::bigint[])[1], ($2::bigint[])[cardinality($2::bigint[])], ` + now + `
		RETURNING position)
	INSERT INTO inbox (user_seq, position)
	SELECT p.user_seq, chunk.position
	FROM chunk
	CROSS JOIN unnest($2::bigint[]) p(user_seq)`
