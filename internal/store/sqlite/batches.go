package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// insertBatches cuts the pending deliveries of the users in (w.cursor, bound] into batches, which have next's
// event, wave and channel, and returns them and the sum of their sizes.
func (w *walk) insertBatches(ctx context.Context, c *conn, next ledger.Batch, channel int, bound int64, size int) (made []ledger.Batch, pending int, err error) {
	a := args{"event": w.seq, "wave": w.wave, "channel": channel}
	if err := c.get(ctx, lastBatch, a, &next.Seq); err != nil {
		return nil, 0, err
	}
	a["bound"], a["batch_size"] = bound, size
	for last := w.cursor; last < bound; {
		next.Seq++
		a["batch"], a["after"] = next.Seq, last
		err := c.get(ctx, insertBatch, a, &next.Size, &last)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		made, pending = append(made, next), pending+next.Size
	}
	return made, pending, nil
}

// lastBatch selects the number of a wave's last batch on a channel.
const lastBatch = `
SELECT coalesce(max(seq), 0)
FROM batches
WHERE event_seq = @event
	AND wave = @wave
	AND channel = @channel`

// insertBatch makes a batch of the first pending deliveries of the users in (after, bound]. One for each batch
// is cheaper than a window over all deliveries.
var insertBatch = row.SQL(`
INSERT INTO batches (event_seq, wave, channel, seq, first_user, last_user, size)
SELECT @event, @wave, @channel, @batch, min(user_seq), max(user_seq), count(*)
FROM (
	SELECT user_seq
	FROM deliveries
	WHERE event_seq = @event
		AND wave = @wave
		AND channel = @channel
		AND user_seq > @after
		AND user_seq <= @bound
		AND status = {pending}
	ORDER BY user_seq
	LIMIT @batch_size
)
HAVING count(*) > 0
RETURNING size, last_user`)

// OpenBatches implements ledger.FanOuts.
func (s FanOuts) OpenBatches(ctx context.Context, wave ledger.WaveRef, after *ledger.Batch, limit int) (batches []ledger.Batch, err error) {
	err = s.DB.read(ctx, "list open batches", func(c *conn) error {
		w, err := waveStateOf(ctx, c, wave)
		if err != nil {
			return err
		}
		a := args{"event": w.seq, "wave": w.wave, "channel": 0, "batch": 0, "limit": limit}
		if after != nil {
			a["batch"] = after.Seq
			if a["channel"], err = s.DB.channels.asked(ctx, c, "after", after.Channel); err != nil {
				return err
			}
		}
		return c.each(ctx, openBatches, a, func(scan func(...any) error) error {
			b, n := ledger.Batch{EventID: wave.EventID, Wave: wave.Wave}, 0
			if err := scan(&n, &b.Seq, &b.Size); err != nil {
				return err
			}
			b.Channel, err = s.DB.channels.name(ctx, c, n)
			batches = append(batches, b)
			return err
		})
	})
	return batches, err
}

// openBatches selects the wave's unfinished batches after the given one, in the order of their key.
const openBatches = `
SELECT channel, seq, size
FROM batches
WHERE event_seq = @event
	AND wave = @wave
	AND (channel, seq) > (@channel, @batch)
	AND finished_at IS NULL
ORDER BY channel, seq
LIMIT @limit`
