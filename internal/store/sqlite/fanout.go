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

// walk is one event in the hands of FanOut.
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
		_, err = c.exec(ctx, "UPDATE events SET status = 'processing', cursor = ?2, walked = ?3 WHERE seq = ?1", w.seq, bound, step.Done)
		return err
	})
	if err != nil {
		return ledger.FanOutStep{}, err
	}
	return step, nil
}

func walkOf(ctx context.Context, c *conn, id string) (*walk, error) {
	var w walk
	var audience, channels string
	err := c.get(ctx, "SELECT seq, status, walked, expires_at, "+now+", category, audience, channels, send_at, cursor FROM events WHERE id = ?1", []any{id},
		&w.seq, &w.status, &w.walked, &w.expiresAt, &w.now, &w.category, &audience, &channels, &w.sendAt, &w.cursor)
	if err != nil {
		return nil, orNotFound(err, "event", id)
	}
	if err := errors.Join(json.Unmarshal([]byte(audience), &w.audience), json.Unmarshal([]byte(channels), &w.channels)); err != nil {
		return nil, fmt.Errorf("decode event %s: %w", id, err)
	}
	return &w, nil
}

// pick fills the table chunk with the next people of the audience, up to limit,
// and returns the last user that is dealt with by that.
//
// It looks at windows of user numbers, each wider than the one before, until it
// has enough people: so a chunk costs as much as it has people, however many
// groups the audience names and however thinly its people are spread.
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
		n, err := c.exec(ctx, p.query, append([]any{low, high, limit - step.Users}, p.args...)...)
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
	if _, err := c.exec(ctx, "CREATE TEMP TABLE IF NOT EXISTS chunk (user_seq INTEGER PRIMARY KEY) STRICT"); err != nil {
		return err
	}
	_, err := c.exec(ctx, "DELETE FROM temp.chunk")
	return err
}

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
		err := c.each(ctx, insertBatches, []any{w.seq, row.ChannelNumber(channel), w.cursor, bound, batchSize}, func(scan func(...any) error) error {
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
		_, err = c.exec(ctx, insertPlain, w.seq, channel, row.Expired, w.now)
	case channel == row.InApp:
		_, err = c.exec(ctx, insertPlain, w.seq, channel, row.Delivered, w.now)
	default:
		_, err = c.exec(ctx, insertAddressed, w.seq, channel, optOutCategory(w.category), w.now)
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

// The inserts have no ON CONFLICT: a row that exists already would mean that a
// person is dealt with twice, and then nothing of the chunk may stand.
const (
	insertPlain = `INSERT INTO deliveries (event_seq, channel, user_seq, status, updated_at)
		SELECT ?1, ?2, user_seq, ?3, ?4 FROM temp.chunk ORDER BY user_seq`

	insertAddressed = `INSERT INTO deliveries (event_seq, channel, user_seq, status, reason, updated_at)
		SELECT ?1, ?2, user_seq, CASE WHEN reason IS NULL THEN 0 ELSE 5 END, reason, ?4 FROM (
			SELECT k.user_seq, CASE WHEN ` + noAddress + ` THEN 'no_address' WHEN ` + optedOut + ` THEN 'opted_out' END AS reason
			FROM temp.chunk k CROSS JOIN users u ON u.seq = k.user_seq ORDER BY k.user_seq)`

	// noAddress and optedOut look at user u, channel ?2 and category ?3. No user
	// has a push address yet.
	noAddress = `CASE ?2 WHEN 2 THEN u.email WHEN 3 THEN u.phone ELSE '' END = ''`
	optedOut  = `EXISTS (SELECT 1 FROM preferences p WHERE p.user_seq = u.seq AND p.category = ?3 AND p.channel = ?2 AND p.opted_out)`

	insertBatches = `INSERT INTO batches (event_seq, channel, seq, first_user, last_user, size)
		SELECT ?1, ?2, b + 1 + (SELECT coalesce(max(seq), 0) FROM batches WHERE event_seq = ?1 AND channel = ?2), min(user_seq), max(user_seq), count(*)
		FROM (SELECT user_seq, (row_number() OVER (ORDER BY user_seq) - 1) / ?5 AS b FROM deliveries
			WHERE event_seq = ?1 AND channel = ?2 AND user_seq > ?3 AND user_seq <= ?4 AND status = 0)
		GROUP BY b ORDER BY b RETURNING seq, size`
)

func (w *walk) fillInboxes(ctx context.Context, c *conn, bound int64) error {
	position, err := c.insert(ctx, "INSERT INTO chunks (event_seq, first_user, last_user, arrived_at) VALUES (?1, ?2, ?3, ?4)",
		w.seq, w.cursor+1, bound, w.now)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, "INSERT INTO inbox (user_seq, position) SELECT user_seq, ?1 FROM temp.chunk ORDER BY user_seq", position)
	return err
}

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
		return c.each(ctx, `SELECT channel, seq, size FROM batches
				WHERE event_seq = ?1 AND (channel, seq) > (?2, ?3) AND finished_at IS NULL ORDER BY channel, seq LIMIT ?4`,
			[]any{e.seq, channel, seq, limit}, func(scan func(...any) error) error {
				b, n := ledger.Batch{EventID: eventID}, 0
				err := scan(&n, &b.Seq, &b.Size)
				b.Channel = row.Channel(n)
				batches = append(batches, b)
				return err
			})
	})
	return batches, err
}
