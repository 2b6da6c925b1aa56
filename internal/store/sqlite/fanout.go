package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// walk is the event that FanOut works on.
type walk struct {
	eventState
	category schoolbell.Category
	channels []schoolbell.Channel
	audience schoolbell.Audience
	sendAt   sql.NullInt64
	cursor   int64 // the last user dealt with
}

// FanOuts implements ledger.FanOuts.
type FanOuts struct{ DB *DB }

// FanOut implements ledger.FanOuts.
func (s FanOuts) FanOut(ctx context.Context, eventID string, users, batchSize int) (step ledger.FanOutStep, err error) {
	if users < 1 || batchSize < 1 {
		return step, fmt.Errorf("fan out: chunks of %d users in batches of %d", users, batchSize)
	}
	err = s.DB.write(ctx, "fan out", func(c *conn) error {
		step = ledger.FanOutStep{}
		w, err := walkOf(ctx, c, eventID)
		switch {
		case err != nil:
			return err
		case w.walked || w.status.Terminal():
			step.Done = true
			return nil
		case w.status == schoolbell.EventScheduled && w.sendAt.Valid && w.sendAt.Int64 > w.now:
			return row.NotDue()
		}
		bound, err := w.pick(ctx, c, users, &step)
		if err != nil {
			return err
		}
		if step.Users > 0 {
			if err := w.store(ctx, c, eventID, bound, batchSize, &step); err != nil {
				return err
			}
		}
		_, err = c.exec(ctx, moveCursor, args{"event": w.seq, "cursor": bound, "walked": step.Done})
		return err
	})
	if err != nil {
		return ledger.FanOutStep{}, err
	}
	return step, nil
}

// moveCursor records how far the walk of an event has come. The event is processing from then on.
var moveCursor = row.SQL(`
UPDATE events
SET status = {event_processing},
	cursor = @cursor,
	walked = @walked
WHERE seq = @event`)

func walkOf(ctx context.Context, c *conn, id string) (*walk, error) {
	var w walk
	var audience, channels string
	err := c.get(ctx, findWalk, args{"id": id},
		&w.seq, &w.status, &w.walked, &w.expiresAt, &w.now, &w.category, &audience, &channels, &w.sendAt, &w.cursor)
	if err != nil {
		return nil, orNotFound(err, "event", id)
	}
	if err := errors.Join(json.Unmarshal([]byte(audience), &w.audience), json.Unmarshal([]byte(channels), &w.channels)); err != nil {
		return nil, fmt.Errorf("decode event %s: %w", id, err)
	}
	return &w, nil
}

// findWalk selects an event as a fan-out needs it, with the clock.
const findWalk = `
SELECT seq, status, walked, expires_at, ` + now + `,
	category, audience, channels, send_at, cursor
FROM events
WHERE id = @id`

// pick fills the table chunk with the next people of the audience, up to limit,
// and returns the last user that has been dealt with then.
//
// It looks at windows of user numbers, each wider than the one before, until it
// has enough people. So the cost of a chunk depends on the number of its people only,
// not on how many groups the audience names or how far apart its people are.
func (w *walk) pick(ctx context.Context, c *conn, limit int, step *ledger.FanOutStep) (bound int64, err error) {
	if err := emptyChunk(ctx, c); err != nil {
		return 0, err
	}
	p, err := newPicker(ctx, c, &w.audience, w.cursor)
	if err != nil {
		return 0, err
	}
	var top int64
	if err := c.get(ctx, "SELECT coalesce(max(seq), 0) FROM users", nil, &top); err != nil {
		return 0, err
	}
	low := w.cursor
	for width := int64(2 * limit); low < top && step.Users < limit; width *= 4 {
		high := min(low+width, top)
		n, err := p.pick(ctx, c, low, high, limit-step.Users)
		if err != nil {
			return 0, fmt.Errorf("pick people: %w", err)
		}
		step.Users += n
		low = high
	}
	bound = max(low, w.cursor)
	if step.Users == limit {
		if err := c.get(ctx, "SELECT max(user_seq) FROM temp.chunk", nil, &bound); err != nil {
			return 0, err
		}
	}
	step.Done = bound >= top
	return bound, nil
}

func emptyChunk(ctx context.Context, c *conn) error {
	if _, err := c.exec(ctx, createChunk, nil); err != nil {
		return err
	}
	_, err := c.exec(ctx, "DELETE FROM temp.chunk", nil)
	return err
}

// createChunk creates the table that holds the people of the chunk at work. Each connection has its own.
const createChunk = `
CREATE TEMP TABLE IF NOT EXISTS chunk (
	user_seq INTEGER PRIMARY KEY
) STRICT`

// store makes the rows of the people in chunk, the users in (w.cursor, bound].
func (w *walk) store(ctx context.Context, c *conn, eventID string, bound int64, batchSize int, step *ledger.FanOutStep) error {
	for _, channel := range w.channels {
		if err := w.insertDeliveries(ctx, c, row.ChannelNumber(channel)); err != nil {
			return fmt.Errorf("insert %s deliveries: %w", channel, err)
		}
		if w.expired() {
			continue
		}
		if channel == schoolbell.ChannelInApp {
			if err := w.fillInboxes(ctx, c, bound); err != nil {
				return fmt.Errorf("fill inboxes: %w", err)
			}
			continue
		}
		a := args{"event": w.seq, "channel": row.ChannelNumber(channel), "cursor": w.cursor, "bound": bound, "batch_size": batchSize}
		err := c.each(ctx, insertBatches, a, func(scan func(...any) error) error {
			b := ledger.Batch{EventID: eventID, Channel: channel}
			err := scan(&b.Seq, &b.Size)
			step.Batches = append(step.Batches, b)
			return err
		})
		if err != nil {
			return fmt.Errorf("insert %s batches: %w", channel, err)
		}
	}
	return nil
}

func (w *walk) insertDeliveries(ctx context.Context, c *conn, channel int) error {
	var err error
	switch {
	case w.expired():
		_, err = c.exec(ctx, insertPlain, args{"event": w.seq, "channel": channel, "status": row.Expired, "now": w.now})
	case channel == row.InApp:
		_, err = c.exec(ctx, insertPlain, args{"event": w.seq, "channel": channel, "status": row.Delivered, "now": w.now})
	default:
		_, err = c.exec(ctx, insertAddressed, args{"event": w.seq, "channel": channel, "category": optOutCategory(w.category), "now": w.now})
	}
	return err
}

// optOutCategory is the category whose opt-outs count for events of category c:
// none for a mandatory one.
func optOutCategory(c schoolbell.Category) string {
	if c.Mandatory() {
		return ""
	}
	return string(c)
}

// insertPlain inserts a delivery with one status for each person in chunk.
//
// Neither this statement nor insertAddressed has an ON CONFLICT. A row that exists
// already would mean that a person is dealt with twice, and then the chunk must fail.
const insertPlain = `
INSERT INTO deliveries (event_seq, channel, user_seq, status, updated_at)
SELECT @event, @channel, user_seq, @status, @now
FROM temp.chunk
ORDER BY user_seq`

// insertAddressed inserts a delivery of an outgoing channel for each person in chunk:
// pending, or suppressed if there is a reason.
var insertAddressed = row.SQL(`
INSERT INTO deliveries (event_seq, channel, user_seq, status, reason, updated_at)
SELECT @event, @channel, user_seq, CASE WHEN reason IS NULL THEN {pending} ELSE {suppressed} END, reason, @now
FROM (
	SELECT k.user_seq, ` + suppressReason + ` AS reason
	FROM temp.chunk k
	CROSS JOIN users u ON u.seq = k.user_seq
	ORDER BY k.user_seq
)`)

// suppressReason is why a delivery to user u on @channel must be suppressed, NULL if it
// must not. @category is the category whose opt-outs count. No user has a push address yet.
const suppressReason = `CASE
		WHEN CASE @channel WHEN {email} THEN u.email WHEN {sms} THEN u.phone ELSE '' END = '' THEN {no_address}
		WHEN EXISTS (
			SELECT 1
			FROM preferences p
			WHERE p.user_seq = u.seq
				AND p.category = @category
				AND p.channel = @channel
				AND p.opted_out
		) THEN {opted_out}
	END`

// insertBatches cuts the pending deliveries of the users in (cursor, bound] into batches.
// Their numbers go on from the event's last batch on the channel.
var insertBatches = row.SQL(`
INSERT INTO batches (event_seq, channel, seq, first_user, last_user, size)
SELECT @event, @channel,
	number + 1 + (SELECT coalesce(max(seq), 0) FROM batches WHERE event_seq = @event AND channel = @channel),
	min(user_seq), max(user_seq), count(*)
FROM (
	SELECT user_seq, (row_number() OVER (ORDER BY user_seq) - 1) / @batch_size AS number
	FROM deliveries
	WHERE event_seq = @event
		AND channel = @channel
		AND user_seq > @cursor
		AND user_seq <= @bound
		AND status = {pending}
)
GROUP BY number
ORDER BY number
RETURNING seq, size`)

func (w *walk) fillInboxes(ctx context.Context, c *conn, bound int64) error {
	position, err := c.insert(ctx, insertChunk, args{"event": w.seq, "first": w.cursor + 1, "last": bound, "now": w.now})
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, insertInboxItems, args{"position": position})
	return err
}

// insertChunk inserts the chunk of an event that inbox items belong to. Its rowid is their position.
const insertChunk = `
INSERT INTO chunks (event_seq, first_user, last_user, arrived_at)
VALUES (@event, @first, @last, @now)`

// insertInboxItems inserts an inbox item for each person in chunk.
const insertInboxItems = `
INSERT INTO inbox (user_seq, position)
SELECT user_seq, @position
FROM temp.chunk
ORDER BY user_seq`

// OpenBatches implements ledger.FanOuts.
func (s FanOuts) OpenBatches(ctx context.Context, eventID string, after *ledger.Batch, limit int) (batches []ledger.Batch, err error) {
	channel, seq := 0, 0
	if after != nil {
		channel, seq = row.ChannelNumber(after.Channel), after.Seq
	}
	err = s.DB.read(ctx, "list open batches", func(c *conn) error {
		e, err := eventStateOf(ctx, c, eventID)
		if err != nil {
			return err
		}
		a := args{"event": e.seq, "channel": channel, "batch": seq, "limit": limit}
		return c.each(ctx, openBatches, a, func(scan func(...any) error) error {
			b, n := ledger.Batch{EventID: eventID}, 0
			err := scan(&n, &b.Seq, &b.Size)
			b.Channel = row.Channel(n)
			batches = append(batches, b)
			return err
		})
	})
	return batches, err
}

// openBatches selects the event's unfinished batches after the given one, in the order of their key.
const openBatches = `
SELECT channel, seq, size
FROM batches
WHERE event_seq = @event
	AND (channel, seq) > (@channel, @batch)
	AND finished_at IS NULL
ORDER BY channel, seq
LIMIT @limit`
