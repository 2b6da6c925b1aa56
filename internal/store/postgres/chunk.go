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
	*walk
	people []int64 // in order
	bound  int64   // the last user that was looked at
	done   bool    // it is the last chunk of the wave
	claim  *ledger.SmallClaim
}

// store inserts the deliveries of the chunk, its batches and its inbox rows, and moves the cursor. It returns the batches.
// If the caller asked for a claim and the chunk is small enough, it also returns what was claimed of each batch.
func (c *chunk) store(ctx context.Context, tx pgx.Tx, batchSize int) ([]ledger.Batch, []ledger.Grant, error) {
	cursor := named{"event": c.seq, "wave": c.Wave, "cursor": c.bound, "walked": c.done}
	if len(c.people) == 0 {
		_, err := tx.Exec(ctx, moveCursor, cursor)
		return nil, nil, err
	}
	channels, err := c.readReach(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	r := chunkRows{users: slices.Clip(c.people)}
	for i := range channels {
		c.plan(&channels[i], batchSize, &r)
	}
	var b pgx.Batch
	if c.claim != nil {
		b.Queue(planOnce)
	}
	b.Queue(insertChunk, cursor.with(r.columns()))
	grants, err := c.claimSmall(ctx, tx, &b, r.batches)
	if err != nil {
		return nil, nil, err
	}
	if !c.expired && c.Wave == 0 && slices.Contains(c.channels, string(schoolbell.ChannelInApp)) {
		// Last in the transaction: until the commit, readers see no items of later fan-outs.
		b.Queue(announcePosition, int64(lockPositions))
		b.Queue(insertInbox, c.seq, c.people)
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, nil, fmt.Errorf("insert deliveries: %w", err)
	}
	return r.batches, grants(), nil
}

// claimSmall queues the statements that claim the deliveries of the batches after the statements in b, some of which
// it runs. The result is for the time when those in b were run.
func (c *chunk) claimSmall(ctx context.Context, tx pgx.Tx, b *pgx.Batch, batches []ledger.Batch) (func() []ledger.Grant, error) {
	if c.claim == nil || slices.ContainsFunc(batches, func(b ledger.Batch) bool { return b.Seq > 1 || b.Size > c.claim.Most }) {
		return func() []ledger.Grant { return nil }, nil
	}
	all := make(advances, len(batches))
	var claimed advances
	for i, batch := range batches {
		all[i] = &advance{Step: ledger.Step{Lease: c.claim.Lease, Batch: batch, Claim: batch.Size}}
		if slices.Contains(c.claim.Channels, batch.Channel) {
			claimed = append(claimed, all[i])
		}
	}
	if len(claimed) > 0 {
		claimed.lock(b)
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return nil, fmt.Errorf("insert deliveries: %w", err)
		}
		*b = pgx.Batch{}
		claimed.work(b)
	}
	return all.grants, nil
}

// chunkRows are the rows that a chunk inserts.
type chunkRows struct {
	users   []int64 // of all groups; begins with all people of the chunk
	groups  []deliveryGroup
	batches []ledger.Batch
	spans   []batchSpan // of the batches
}

// deliveryGroup are new deliveries of which only the users differ.
type deliveryGroup struct {
	deliveryKind
	low, high int32 // the first and the last of its users in chunkRows.users, counted from 1
}

// deliveryKind is what the deliveries of a group have in common.
type deliveryKind struct {
	channel, status int16
	reason          string
}

// batchSpan is where a batch lies.
type batchSpan struct {
	channel     int16
	first, last int64 // users
}

// plan adds the rows for one channel. If the event has expired, no delivery may be sent.
func (c *chunk) plan(to *reach, batchSize int, r *chunkRows) {
	var kinds []deliveryKind
	var users [][]int64 // of each kind
	for _, user := range c.people {
		kind := deliveryKind{channel: to.channel, status: row.Expired}
		if !c.expired {
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
			r.cut(ledger.Batch{EventID: c.EventID, Wave: c.Wave, Channel: to.name, Seq: to.batches}, to.channel, users[i], batchSize)
		}
	}
}

// cut adds batches of users, numbered after the given one.
func (r *chunkRows) cut(batch ledger.Batch, channel int16, users []int64, batchSize int) {
	for users := range slices.Chunk(users, batchSize) {
		batch.Seq++
		batch.Size = len(users)
		r.batches = append(r.batches, batch)
		r.spans = append(r.spans, batchSpan{channel: channel, first: users[0], last: users[len(users)-1]})
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
	r.groups = append(r.groups, g)
}

// columns returns the parameters of insertChunk.
func (r *chunkRows) columns() named {
	var channels, statuses, batchChannels []int16
	var reasons []string
	var low, high, seqs, sizes []int32
	var first, last []int64
	for _, g := range r.groups {
		channels, statuses, reasons = append(channels, g.channel), append(statuses, g.status), append(reasons, g.reason)
		low, high = append(low, g.low), append(high, g.high)
	}
	for i, b := range r.batches {
		seqs, sizes = append(seqs, int32(b.Seq)), append(sizes, int32(b.Size))
		batchChannels, first, last = append(batchChannels, r.spans[i].channel), append(first, r.spans[i].first), append(last, r.spans[i].last)
	}
	return named{"users": r.users, "channels": channels, "statuses": statuses, "reasons": reasons, "low": low, "high": high,
		"batch_channels": batchChannels, "batch_seqs": seqs, "first_users": first, "last_users": last, "sizes": sizes}
}

// insertChunk inserts groups of deliveries and batches of the wave @wave of the event @event, adds the deliveries to the
// totals and moves the cursor. The users of a group are a part of @users, from @low to @high.
//
// It has no ON CONFLICT: a row that exists already means that a person is walked a second time, and
// then the whole chunk must fail.
var insertChunk = row.SQL(`
	WITH groups AS MATERIALIZED (
		SELECT *
		FROM unnest(@channels::smallint[], @statuses::smallint[], @reasons::text[], @low::integer[], @high::integer[])
			g(channel, status, reason, low, high)),
	inserted AS (
		INSERT INTO deliveries (event_seq, wave, channel, user_seq, status, reason, updated_at)
		SELECT @event::bigint, @wave::smallint, g.channel, u.user_seq, g.status, nullif(g.reason, ''), clock.now
		FROM ` + clock + `
		CROSS JOIN groups g
		CROSS JOIN LATERAL unnest((@users::bigint[])[g.low:g.high]) u(user_seq)),
	counted AS (` + intoTotals + `
		SELECT @event::bigint, @wave::smallint, g.channel, g.status, 0, ` + fanOutShard + `, sum(g.high - g.low + 1)
		FROM groups g` + addTotals + `),
	batched AS (
		INSERT INTO batches (event_seq, wave, channel, seq, first_user, last_user, size)
		SELECT @event, @wave, b.*
		FROM unnest(@batch_channels::smallint[], @batch_seqs::integer[], @first_users::bigint[], @last_users::bigint[],
			@sizes::integer[]) b),
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
	WHERE seq = @event AND status <> {event_processing}`

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
