package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// walk is an event while FanOut walks its audience.
type walk struct {
	eventState
	category schoolbell.Category
	channels []schoolbell.Channel
	audience schoolbell.Audience
	early    bool  // its send_at has not come
	cursor   int64 // the number of the last user walked
}

// FanOuts implements ledger.FanOuts.
type FanOuts struct{ DB *DB }

// FanOut implements ledger.FanOuts.
func (s FanOuts) FanOut(ctx context.Context, eventID string, users, batchSize int) (step ledger.FanOutStep, err error) {
	if users < 1 || batchSize < 1 {
		return step, fmt.Errorf("fan out: chunks of %d users in batches of %d", users, batchSize)
	}
	err = s.DB.write(ctx, "fan out", func(tx pgx.Tx) error {
		step = ledger.FanOutStep{}
		w, err := walkOf(ctx, tx, eventID)
		switch {
		case err != nil:
			return err
		case w.walked || w.status.Terminal():
			step.Done = true
			return nil
		case w.status == schoolbell.EventScheduled && w.early:
			return row.NotDue()
		}
		audience, err := selectAudience(ctx, tx, &w.audience, w.cursor)
		if err != nil {
			return err
		}
		bound, err := w.bound(ctx, tx, audience, users, &step)
		if err != nil {
			return err
		}
		if err := w.store(ctx, tx, audience, eventID, bound, batchSize, &step); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, moveCursor, w.seq, bound, step.Done)
		return err
	})
	if err != nil {
		return ledger.FanOutStep{}, err
	}
	return step, nil
}

// moveCursor stores how far the walk of an event has come.
var moveCursor = row.SQL("UPDATE events SET status = {event_processing}, cursor = $2, walked = $3 WHERE seq = $1")

func walkOf(ctx context.Context, tx pgx.Tx, id string) (*walk, error) {
	var w walk
	var audience string
	var channels []string
	err := tx.QueryRow(ctx, lockWalk, id).
		Scan(&w.seq, &w.status, &w.walked, &w.expired, &w.category, &audience, &channels, &w.early, &w.cursor)
	if err != nil {
		return nil, orNotFound(err, "event", id)
	}
	if err := json.Unmarshal([]byte(audience), &w.audience); err != nil {
		return nil, fmt.Errorf("decode event %s: %w", id, err)
	}
	w.channels = channelsOf(channels)
	return &w, nil
}

// lockWalk selects an event for its fan-out, which others wait for until the transaction ends.
const lockWalk = `
	SELECT seq, status, walked, coalesce(expires_at <= clock_timestamp(), false), category, audience, channels,
		coalesce(send_at > clock_timestamp(), false), cursor
	FROM events
	WHERE id = $1
	FOR UPDATE`

// bound returns the last user of the next chunk.
//
// It counts people in windows of user numbers, each wider than the one before, until it has enough:
// so the cost of a chunk depends on its number of people, not on the number of groups in the audience
// or on how its people are spread.
func (w *walk) bound(ctx context.Context, tx pgx.Tx, audience named, limit int, step *ledger.FanOutStep) (int64, error) {
	var top int64
	if err := tx.QueryRow(ctx, "SELECT coalesce(max(seq), 0) FROM users").Scan(&top); err != nil {
		return 0, err
	}
	low, found := w.cursor, 0
	for width := int64(2 * limit); low < top && found < limit; width *= 4 {
		high := min(low+width, top)
		var n int
		var last int64
		window := audience.with(named{"after": low, "until": high, "limit": limit - found})
		if err := tx.QueryRow(ctx, countAudience, window).Scan(&n, &last); err != nil {
			return 0, fmt.Errorf("pick people: %w", err)
		}
		if found += n; found == limit {
			high = last
		}
		low = high
	}
	step.Done = low >= top
	return max(low, w.cursor), nil
}

// store inserts the rows of the people in (w.cursor, bound].
func (w *walk) store(ctx context.Context, tx pgx.Tx, audience named, eventID string, bound int64, batchSize int, step *ledger.FanOutStep) error {
	numbers := make([]int16, len(w.channels))
	inApp := false
	for i, c := range w.channels {
		numbers[i] = int16(row.ChannelNumber(c))
		inApp = inApp || c == schoolbell.ChannelInApp
	}
	// One statement, so that all channels get the same people whatever changes meanwhile.
	window := named{"event": w.seq, "after": w.cursor, "until": bound}
	err := tx.QueryRow(ctx, insertDeliveries, audience.with(window).with(named{
		"channels": numbers, "expired": w.expired, "category": optOutCategory(w.category),
	})).Scan(&step.Users)
	if err != nil {
		return fmt.Errorf("insert deliveries: %w", err)
	}
	if step.Users == 0 || w.expired {
		return nil
	}
	rows, err := tx.Query(ctx, insertBatches, window.with(named{"batch_size": batchSize}))
	step.Batches, err = list(rows, err, func(r pgx.CollectableRow) (ledger.Batch, error) {
		b, channel := ledger.Batch{EventID: eventID}, 0
		err := r.Scan(&channel, &b.Seq, &b.Size)
		b.Channel = row.Channel(channel)
		return b, err
	})
	if err != nil {
		return fmt.Errorf("insert batches: %w", err)
	}
	if inApp {
		return fillInboxes(ctx, tx, window)
	}
	return nil
}

// optOutCategory is the category whose opt-outs count for events of category c:
// none for a mandatory one.
func optOutCategory(c schoolbell.Category) string {
	if c.Mandatory() {
		return ""
	}
	return string(c)
}

// insertBatches cuts the pending deliveries of the window (@after, @until] into batches of @batch_size
// for each channel, numbered after the batches that the event has, and returns them.
var insertBatches = row.SQL(`
	WITH pending AS (
		SELECT channel, user_seq, (row_number() OVER (PARTITION BY channel ORDER BY user_seq) - 1) / @batch_size AS batch
		FROM deliveries
		WHERE event_seq = @event AND user_seq > @after AND user_seq <= @until
			AND channel IN ({outgoing}) AND status = {pending}),
	inserted AS (
		INSERT INTO batches (event_seq, channel, seq, first_user, last_user, size)
		SELECT @event, p.channel,
			p.batch + 1 + (SELECT coalesce(max(b.seq), 0) FROM batches b WHERE b.event_seq = @event AND b.channel = p.channel),
			min(p.user_seq), max(p.user_seq), count(*)
		FROM pending p
		GROUP BY p.channel, p.batch
		RETURNING channel, seq, size)
	SELECT channel, seq, size FROM inserted ORDER BY channel, seq`)

// fillInboxes inserts the inbox rows of a window. It comes last in its transaction: until the commit,
// no other fan-out can fill inboxes.
func fillInboxes(ctx context.Context, tx pgx.Tx, window named) error {
	if err := lock(ctx, tx, lockPositions); err != nil {
		return err
	}
	var position int64
	if err := tx.QueryRow(ctx, insertChunk, window).Scan(&position); err != nil {
		return fmt.Errorf("insert chunk: %w", err)
	}
	if _, err := tx.Exec(ctx, insertInbox, window.with(named{"position": position})); err != nil {
		return fmt.Errorf("fill inboxes: %w", err)
	}
	return nil
}

// insertChunk inserts the chunk of the window (@after, @until] and returns its position in the inboxes.
const insertChunk = `
	INSERT INTO chunks (event_seq, first_user, last_user, arrived_at)
	VALUES (@event, @after::bigint + 1, @until, ` + now + `)
	RETURNING position`

// insertInbox puts the in-app deliveries of the window (@after, @until] into the inboxes at @position.
var insertInbox = row.SQL(`
	INSERT INTO inbox (user_seq, position)
	SELECT user_seq, @position
	FROM deliveries
	WHERE event_seq = @event AND channel = {in_app} AND user_seq > @after AND user_seq <= @until
	ORDER BY user_seq`)

// OpenBatches implements ledger.FanOuts.
func (s FanOuts) OpenBatches(ctx context.Context, eventID string, after *ledger.Batch, limit int) (batches []ledger.Batch, err error) {
	page := named{"after_channel": 0, "after_seq": 0, "limit": limit}
	if after != nil {
		page["after_channel"], page["after_seq"] = row.ChannelNumber(after.Channel), after.Seq
	}
	err = s.DB.read(ctx, "list open batches", func(tx pgx.Tx) error {
		e, err := eventStateOf(ctx, tx, selectEventState, eventID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listOpenBatches, page.with(named{"event": e.seq}))
		batches, err = list(rows, err, func(r pgx.CollectableRow) (ledger.Batch, error) {
			b, n := ledger.Batch{EventID: eventID}, 0
			err := r.Scan(&n, &b.Seq, &b.Size)
			b.Channel = row.Channel(n)
			return b, err
		})
		return err
	})
	return batches, err
}

// listOpenBatches selects the batches of an event that are not finished, after the given one.
const listOpenBatches = `
	SELECT channel, seq, size
	FROM batches
	WHERE event_seq = @event AND (channel, seq) > (@after_channel, @after_seq) AND finished_at IS NULL
	ORDER BY channel, seq
	LIMIT @limit`
