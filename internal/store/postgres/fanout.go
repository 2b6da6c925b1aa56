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

// walk is a wave while FanOut walks its audience.
type walk struct {
	eventState
	ledger.WaveRef
	category    schoolbell.Category
	mandatory   bool
	audience    schoolbell.Audience
	channels    []string
	onlyIf      schoolbell.OnlyIf
	forEach     schoolbell.ForEach
	early       bool  // it has not started
	firstWalked bool  // wave 0 is walked
	cursor      int64 // the number of the last user walked
	restored    bool  // each of its deliveries may have been sent before
	digest      bool  // it goes to those who have items of it
	revision    int   // of the event

	notice schoolbell.Notice
	told   int  // revision of the event that the notice tells
	busy   bool // workers are sending an earlier revision
}

// FanOuts implements ledger.FanOuts.
type FanOuts struct{ DB *DB }

// FanOut implements ledger.FanOuts.
func (s FanOuts) FanOut(ctx context.Context, wave ledger.WaveRef, users, batchSize int) (step ledger.FanOutStep, err error) {
	if err := checkSizes(users, batchSize); err != nil {
		return step, err
	}
	err = s.DB.write(ctx, "fan out", func(tx pgx.Tx) error {
		step = ledger.FanOutStep{}
		w := &walk{WaveRef: wave}
		if err := w.scan(tx.QueryRow(ctx, lockWalk, wave.EventID, wave.Wave)); err != nil {
			return err
		}
		if step.Done, err = w.ended(); step.Done || err != nil {
			return err
		}
		people, bound, err := w.chunk(ctx, tx, users, &step)
		if err != nil {
			return err
		}
		c := chunk{wave: w, people: people, bound: bound, done: step.Done}
		step.Batches, step.InApp, err = c.store(ctx, tx, batchSize)
		return err
	})
	if err != nil {
		return ledger.FanOutStep{}, err
	}
	return step, nil
}

// checkSizes returns an error for chunks or batches of nobody.
func checkSizes(users, batchSize int) error {
	if users < 1 || batchSize < 1 {
		return fmt.Errorf("fan out: chunks of %d users in batches of %d", users, batchSize)
	}
	return nil
}

// scan reads a row of lockWalk.
func (w *walk) scan(r pgx.Row) error {
	var audience string
	err := r.Scan(&w.seq, &w.status, &w.expired, &w.category, &w.mandatory, &audience, &w.channels, &w.onlyIf, &w.walked, &w.early, &w.cursor, &w.restored, &w.digest, &w.revision, &w.notice, &w.told, &w.busy, &w.firstWalked, &w.forEach)
	if err != nil {
		return orNotFound(err, "event", w.EventID)
	}
	if err := json.Unmarshal([]byte(audience), &w.audience); err != nil {
		return fmt.Errorf("decode event %s: %w", w.EventID, err)
	}
	return nil
}

// ended reports whether nobody is left to be walked. An error says that the walk may not begin yet.
func (w *walk) ended() (bool, error) {
	switch {
	case w.walked || w.status == schoolbell.EventCancelled && w.notice != schoolbell.NoticeCancelled:
		return true, nil
	case w.status == schoolbell.EventHeld:
		return false, row.Held()
	case w.early:
		return false, row.NotDue()
	case w.busy:
		return false, row.Busy()
	case w.Wave > 0 && !w.firstWalked && w.status != schoolbell.EventCancelled:
		return false, row.Conflict("the event itself is still being walked")
	}
	return false, nil
}

// lockWalk selects a wave for its fan-out, which others wait for until the transaction ends.
const lockWalk = `
	SELECT e.seq, e.status, coalesce(e.expires_at <= clock_timestamp(), false), e.category, g.mandatory, e.audience,
		w.channels, w.only_if, w.walked, coalesce(w.starts_at > clock_timestamp(), false), w.cursor, w.restored,
		e.digest, e.revision, w.notice, w.revision,
		w.notice <> '' AND EXISTS (SELECT 1 FROM claims k WHERE k.event_seq = e.seq AND k.revision < w.revision),
		(SELECT f.walked FROM waves f WHERE f.event_seq = e.seq AND f.n = 0), e.for_each
	FROM events e
	JOIN categories g ON g.id = e.category
	JOIN waves w ON w.event_seq = e.seq
	WHERE e.id = $1 AND w.n = $2
	FOR UPDATE OF e, w`

// chunk returns the people of the next chunk in order, and the last user number that it has looked at.
func (w *walk) chunk(ctx context.Context, tx pgx.Tx, limit int, step *ledger.FanOutStep) (people []int64, bound int64, err error) {
	if w.digest && w.Wave == 0 {
		return w.pickDigest(ctx, tx, limit, step)
	}
	if w.namesUsers() {
		return w.pickNamed(ctx, tx, limit, step)
	}
	p, err := w.picker(ctx, tx)
	if err != nil {
		return nil, 0, err
	}
	return w.pick(ctx, tx, p, limit, step)
}

// pick is chunk with a picker. It looks for people in windows of user numbers, each wider than the one before, until it has enough:
// so the cost of a chunk depends on its number of people, not on the number of groups in the audience
// or on how its people are spread.
func (w *walk) pick(ctx context.Context, tx pgx.Tx, p picker, limit int, step *ledger.FanOutStep) (people []int64, bound int64, err error) {
	var top int64
	if err := tx.QueryRow(ctx, "SELECT coalesce(max(seq), 0) FROM users").Scan(&top); err != nil {
		return nil, 0, err
	}
	low := w.cursor
	for width := int64(limit); low < top && len(people) < limit; width *= 4 {
		found, high, err := p(ctx, tx, low, min(low+width, top), limit)
		if err != nil {
			return nil, 0, fmt.Errorf("pick people: %w", err)
		}
		if people = append(people, found...); len(people) >= limit {
			people = people[:limit]
			high = people[limit-1]
		}
		low = high
	}
	step.Users, step.Done = len(people), low >= top
	return people, max(low, w.cursor), nil
}

// scanBatch reads a batch of the wave: channel, seq and size.
func (w *walk) scanBatch(r pgx.CollectableRow) (ledger.Batch, error) {
	b := ledger.Batch{EventID: w.EventID, Wave: w.Wave}
	err := r.Scan(&b.Channel, &b.Seq, &b.Size)
	return b, err
}

// OpenBatches implements ledger.FanOuts.
func (s FanOuts) OpenBatches(ctx context.Context, wave ledger.WaveRef, after *ledger.Batch, limit int) (batches []ledger.Batch, err error) {
	page := named{"wave": wave.Wave, "after_channel": "", "after_seq": 0, "limit": limit}
	if after != nil {
		page["after_channel"], page["after_seq"] = after.Channel, after.Seq
	}
	err = s.DB.read(ctx, "list open batches", func(tx pgx.Tx) error {
		e, err := eventStateOf(ctx, tx, selectEventState, wave.EventID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listOpenBatches, page.with(named{"event": e.seq}))
		batches, err = list(rows, err, (&walk{WaveRef: wave}).scanBatch)
		return err
	})
	return batches, err
}

// listOpenBatches selects the batches of a wave that are not finished, after the given one.
const listOpenBatches = `
	SELECT c.name, b.seq, b.size
	FROM batches b
	JOIN channels c ON c.id = b.channel
	WHERE b.event_seq = @event AND b.wave = @wave
		AND (b.channel, b.seq) > (coalesce((SELECT id FROM channels WHERE name = @after_channel), 0), @after_seq)
		AND b.finished_at IS NULL
	ORDER BY b.channel, b.seq
	LIMIT @limit`
