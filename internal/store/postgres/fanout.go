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

// walk is one event in the hands of FanOut.
type walk struct {
	eventState
	category schoolbell.Category
	channels []schoolbell.Channel
	audience schoolbell.Audience
	early    bool  // its send_at has not come
	cursor   int64 // the last user dealt with
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
		p, err := newPicker(ctx, tx, &w.audience, w.cursor)
		if err != nil {
			return err
		}
		bound, err := w.bound(ctx, tx, p, users, &step)
		if err != nil {
			return err
		}
		if err := w.store(ctx, tx, p, eventID, bound, batchSize, &step); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE events SET status = 'processing', cursor = $2, walked = $3 WHERE seq = $1", w.seq, bound, step.Done)
		return err
	})
	if err != nil {
		return ledger.FanOutStep{}, err
	}
	return step, nil
}

func walkOf(ctx context.Context, tx pgx.Tx, id string) (*walk, error) {
	var w walk
	var audience string
	var channels []string
	err := tx.QueryRow(ctx, `SELECT seq, status, walked, coalesce(expires_at <= clock_timestamp(), false), category, audience, channels,
			coalesce(send_at > clock_timestamp(), false), cursor FROM events WHERE id = $1 FOR UPDATE`, id).
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

// bound returns the last user that the next chunk deals with.
//
// It looks at windows of user numbers, each wider than the one before, until it
// has enough people: so a chunk costs as much as it has people, however many
// groups the audience names and however thinly its people are spread.
func (w *walk) bound(ctx context.Context, tx pgx.Tx, p *picker, limit int, step *ledger.FanOutStep) (int64, error) {
	var top int64
	if err := tx.QueryRow(ctx, "SELECT coalesce(max(seq), 0) FROM users").Scan(&top); err != nil {
		return 0, err
	}
	low, found := w.cursor, 0
	for width := int64(2 * limit); low < top && found < limit; width *= 4 {
		high := min(low+width, top)
		var n int
		var last int64
		if err := tx.QueryRow(ctx, p.count, append([]any{low, high}, append(p.args, limit-found)...)...).Scan(&n, &last); err != nil {
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

// store makes the rows of the people in (w.cursor, bound].
func (w *walk) store(ctx context.Context, tx pgx.Tx, p *picker, eventID string, bound int64, batchSize int, step *ledger.FanOutStep) error {
	numbers := make([]int16, len(w.channels))
	inApp := false
	for i, c := range w.channels {
		numbers[i] = int16(row.ChannelNumber(c))
		inApp = inApp || c == schoolbell.ChannelInApp
	}
	// One statement, so that all channels get the same people whatever changes meanwhile.
	args := append([]any{w.cursor, bound}, p.args...)
	err := tx.QueryRow(ctx, p.insert, append(args, w.seq, numbers, w.expired, optOutCategory(w.category))...).Scan(&step.Users)
	if err != nil {
		return fmt.Errorf("insert deliveries: %w", err)
	}
	if step.Users == 0 || w.expired {
		return nil
	}
	rows, err := tx.Query(ctx, insertBatches, w.seq, w.cursor, bound, batchSize)
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
		return w.fillInboxes(ctx, tx, bound)
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

const insertBatches = `WITH pending AS (
		SELECT channel, user_seq, (row_number() OVER (PARTITION BY channel ORDER BY user_seq) - 1) / $4 AS b FROM deliveries
		WHERE event_seq = $1 AND user_seq > $2 AND user_seq <= $3 AND channel IN (2, 3, 4) AND status = 0),
	made AS (
		INSERT INTO batches (event_seq, channel, seq, first_user, last_user, size)
		SELECT $1, p.channel, p.b + 1 + (SELECT coalesce(max(x.seq), 0) FROM batches x WHERE x.event_seq = $1 AND x.channel = p.channel),
			min(p.user_seq), max(p.user_seq), count(*)
		FROM pending p GROUP BY p.channel, p.b RETURNING channel, seq, size)
	SELECT channel, seq, size FROM made ORDER BY channel, seq`

// fillInboxes comes last in its transaction: from here to the commit, no other
// fan-out can fill inboxes.
func (w *walk) fillInboxes(ctx context.Context, tx pgx.Tx, bound int64) error {
	if err := lock(ctx, tx, lockPositions); err != nil {
		return err
	}
	var position int64
	if err := tx.QueryRow(ctx, "INSERT INTO chunks (event_seq, first_user, last_user, arrived_at) VALUES ($1, $2, $3, "+now+") RETURNING position",
		w.seq, w.cursor+1, bound).Scan(&position); err != nil {
		return fmt.Errorf("insert chunk: %w", err)
	}
	_, err := tx.Exec(ctx, `INSERT INTO inbox (user_seq, position) SELECT user_seq, $1 FROM deliveries
		WHERE event_seq = $2 AND channel = 1 AND user_seq > $3 AND user_seq <= $4 ORDER BY user_seq`, position, w.seq, w.cursor, bound)
	if err != nil {
		return fmt.Errorf("fill inboxes: %w", err)
	}
	return nil
}

// OpenBatches implements ledger.FanOuts.
func (s FanOuts) OpenBatches(ctx context.Context, eventID string, after *ledger.Batch, limit int) (batches []ledger.Batch, err error) {
	channel, seq := 0, 0
	if after != nil {
		channel, seq = row.ChannelNumber(after.Channel), after.Seq
	}
	err = s.DB.read(ctx, "list open batches", func(tx pgx.Tx) error {
		e, err := eventStateOf(ctx, tx, eventStateQuery, eventID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT channel, seq, size FROM batches
			WHERE event_seq = $1 AND (channel, seq) > ($2, $3) AND finished_at IS NULL ORDER BY channel, seq LIMIT $4`, e.seq, channel, seq, limit)
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
