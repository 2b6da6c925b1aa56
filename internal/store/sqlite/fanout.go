package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// walk is the wave that FanOut works on.
type walk struct {
	waveState
	category schoolbell.Category
	channels []schoolbell.Channel
	audience schoolbell.Audience
	onlyIf   schoolbell.OnlyIf
	forEach  schoolbell.ForEach
	startsAt sql.NullInt64
	cursor   int64 // the last user dealt with
	told     int   // revision of the event that the notice tells
	busy     bool  // workers are sending an earlier revision
	digest   bool  // it goes to those who have items of it
}

// FanOuts implements ledger.FanOuts.
type FanOuts struct{ DB *DB }

// FanOut implements ledger.FanOuts.
func (s FanOuts) FanOut(ctx context.Context, wave ledger.WaveRef, users, batchSize int) (ledger.FanOutStep, error) {
	return s.fanOut(ctx, wave, users, batchSize, nil)
}

// FanOutSmall implements ledger.FanOuts.
func (s FanOuts) FanOutSmall(ctx context.Context, wave ledger.WaveRef, users, batchSize int, claim ledger.SmallClaim) (ledger.FanOutStep, error) {
	return s.fanOut(ctx, wave, users, batchSize, &claim)
}

func (s FanOuts) fanOut(ctx context.Context, wave ledger.WaveRef, users, batchSize int, claim *ledger.SmallClaim) (step ledger.FanOutStep, err error) {
	if err := checkSizes(users, batchSize); err != nil {
		return step, err
	}
	err = s.DB.write(ctx, "fan out", func(c *conn) error {
		step = ledger.FanOutStep{}
		w, err := walkOf(ctx, c, wave)
		switch {
		case err != nil:
			return err
		case w.walked || w.cancelled():
			step.Done = true
			return nil
		case w.status == schoolbell.EventHeld:
			return row.Held()
		case w.startsAt.Valid && w.startsAt.Int64 > w.now:
			return row.NotDue()
		case w.busy:
			return row.Busy()
		}
		bound, err := s.pick(ctx, c, w, users, &step)
		if err != nil {
			return err
		}
		if step.Users > 0 {
			if err := noteStudents(ctx, c, w); err != nil {
				return err
			}
			if err := s.store(ctx, c, w, wave, bound, batchSize, &step); err != nil {
				return err
			}
		}
		if _, err = c.exec(ctx, moveCursor, args{"event": w.seq, "wave": w.wave, "cursor": bound, "walked": step.Done}); err != nil {
			return err
		}
		if w.status != schoolbell.EventProcessing && w.status != schoolbell.EventCancelled {
			if _, err = c.exec(ctx, processEvent, args{"event": w.seq}); err != nil {
				return err
			}
		}
		if claim != nil && step.Done && wave.Wave == 0 && w.cursor == 0 {
			step.Grants, err = Deliveries(s).claimSmall(ctx, c, step.Batches, claim)
		}
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

// claimSmall claims the deliveries of all batches of an event, unless they are too many.
func (s Deliveries) claimSmall(ctx context.Context, c *conn, batches []ledger.Batch, claim *ledger.SmallClaim) ([]ledger.Grant, error) {
	if slices.ContainsFunc(batches, func(b ledger.Batch) bool { return b.Seq > 1 || b.Size > claim.Most }) {
		return nil, nil
	}
	grants := make([]ledger.Grant, len(batches))
	for i, b := range batches {
		if !slices.Contains(claim.Channels, b.Channel) {
			continue
		}
		var err error
		if grants[i], err = s.step(ctx, c, ledger.Step{Lease: claim.Lease, Batch: b, Claim: b.Size, Revision: claim.Revision, Shared: claim.Shared}); err != nil {
			return nil, err
		}
	}
	return grants, nil
}

// moveCursor records how far the walk of a wave has come, and that the wave has a job: the one that walks it.
const moveCursor = `
UPDATE waves
SET cursor = @cursor,
	walked = @walked,
	queued_at = coalesce(queued_at, ` + now + `)
WHERE event_seq = @event
	AND n = @wave`

// processEvent makes an event processing, from which a walk has begun.
var processEvent = row.SQL(`
UPDATE events
SET status = {event_processing},
	completed_at = NULL
WHERE seq = @event`)

func walkOf(ctx context.Context, c *conn, ref ledger.WaveRef) (*walk, error) {
	w := walk{waveState: waveState{wave: ref.Wave}}
	var audience, channels string
	err := c.get(ctx, findWalk, args{"event_id": ref.EventID, "wave": ref.Wave},
		&w.seq, &w.status, &w.walked, &w.expiresAt, &w.now, &w.category, &audience, &channels, &w.onlyIf, &w.startsAt, &w.cursor,
		&w.notice, &w.told, &w.busy, &w.digest, &w.forEach)
	if err != nil {
		return nil, orNoWave(err, ref)
	}
	if err := errors.Join(json.Unmarshal([]byte(audience), &w.audience), json.Unmarshal([]byte(channels), &w.channels)); err != nil {
		return nil, fmt.Errorf("decode event %s: %w", ref.EventID, err)
	}
	return &w, nil
}

// findWalk selects a wave as a fan-out needs it, with the clock.
const findWalk = `
SELECT e.seq, e.status, w.walked, e.expires_at, ` + now + `,
	e.category, e.audience, w.channels, w.only_if, w.starts_at, w.cursor,
	w.notice, w.revision, w.notice <> '' AND EXISTS (SELECT 1 FROM claims k WHERE k.event_seq = e.seq AND k.revision < w.revision),
	e.digest, e.for_each
FROM events e
CROSS JOIN waves w ON w.event_seq = e.seq
WHERE e.id = @event_id
	AND w.n = @wave`

// pick fills the table chunk with the next people of the wave, up to limit, and returns the
// last user that has been dealt with then.
func (s FanOuts) pick(ctx context.Context, c *conn, w *walk, limit int, step *ledger.FanOutStep) (bound int64, err error) {
	if err := emptyChunk(ctx, c); err != nil {
		return 0, err
	}
	switch {
	case w.wave == 0 && w.digest:
		return w.pickDigest(ctx, c, limit, step)
	case w.wave == 0:
		return w.pick(ctx, c, limit, step)
	}
	var walked bool
	var channels []schoolbell.Channel
	var list string
	if err := c.get(ctx, "SELECT walked, channels FROM waves WHERE event_seq = @event AND n = 0", args{"event": w.seq}, &walked, &list); err != nil {
		return 0, err
	}
	if !walked && w.status != schoolbell.EventCancelled {
		return 0, row.Conflict("the event's audience is still being walked")
	}
	if err := json.Unmarshal([]byte(list), &channels); err != nil {
		return 0, fmt.Errorf("decode channels: %w", err)
	}
	if w.notice != "" {
		return pickTold(ctx, c, w, limit, step)
	}
	channel, err := s.DB.channels.asked(ctx, c, "channels[0]", channels[0])
	if err != nil {
		return 0, err
	}
	return pickAgain(ctx, c, w, channel, limit, step)
}

// pick picks the people of the audience, for wave 0.
//
// It looks at windows of user numbers, each wider than the one before, until it
// has enough people. So the cost of a chunk depends on the number of its people only,
// not on how many groups the audience names or how far apart its people are.
func (w *walk) pick(ctx context.Context, c *conn, limit int, step *ledger.FanOutStep) (bound int64, err error) {
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
func (s FanOuts) store(ctx context.Context, c *conn, w *walk, wave ledger.WaveRef, bound int64, batchSize int, step *ledger.FanOutStep) error {
	for i, name := range w.channels {
		channel, err := s.DB.channels.asked(ctx, c, fmt.Sprintf("channels[%d]", i), name)
		if err != nil {
			return err
		}
		if err := w.insertDeliveries(ctx, c, channel); err != nil {
			return fmt.Errorf("insert %s deliveries: %w", name, err)
		}
		if w.expired() {
			if err := w.count(ctx, c, channel, map[kind]int{{status: row.Expired}: step.Users}); err != nil {
				return err
			}
			continue
		}
		if channel == row.InApp {
			if err := w.fillInboxes(ctx, c, bound, step.Users); err != nil {
				return fmt.Errorf("fill inboxes: %w", err)
			}
			step.InApp = step.Users
			continue
		}
		made, pending, err := w.insertBatches(ctx, c, ledger.Batch{EventID: wave.EventID, Wave: wave.Wave, Channel: name}, channel, bound, batchSize)
		if err != nil {
			return fmt.Errorf("insert %s batches: %w", name, err)
		}
		step.Batches = append(step.Batches, made...)
		if pending < step.Users { // some may want it in a digest
			if _, err := c.exec(ctx, addItems, args{"event": w.seq, "wave": w.wave, "channel": channel, "now": w.now}); err != nil {
				return fmt.Errorf("add to digests: %w", err)
			}
		}
		if err := w.count(ctx, c, channel, map[kind]int{{status: row.Pending}: pending, {status: row.Suppressed}: step.Users - pending}); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) insertDeliveries(ctx context.Context, c *conn, channel int) (err error) {
	a := args{"event": w.seq, "wave": w.wave, "channel": channel, "now": w.now}
	if status, ok := w.plain(channel); ok {
		a["status"] = status
		_, err = c.exec(ctx, insertPlain, a)
		return err
	}
	a["category"] = string(w.category)
	_, err = c.exec(ctx, insertReachable, a)
	return err
}

// plain returns the status with which all deliveries of the wave begin on a channel; ok is false if it depends on the person.
func (w *walk) plain(channel int) (status int, ok bool) {
	switch {
	case w.expired():
		return row.Expired, true
	case channel == row.InApp:
		return row.Sent, true
	}
	return 0, false
}

// insertPlain inserts a delivery with one status for each person in chunk.
//
// Neither this statement nor insertReachable has an ON CONFLICT. A row that exists
// already would mean that a person is dealt with twice, and then the chunk must fail.
const insertPlain = `
INSERT INTO deliveries (event_seq, wave, channel, user_seq, status, updated_at)
SELECT @event, @wave, @channel, user_seq, @status, @now
FROM temp.chunk
ORDER BY user_seq`

// insertReachable inserts a delivery of an outgoing channel for each person in chunk.
var insertReachable = row.SQL(reachable + `
INSERT INTO deliveries (event_seq, wave, channel, user_seq, status, reason, updated_at)
SELECT @event, @wave, @channel, user_seq, ` + reachableStatus + `, reason, @now
FROM people`)

// reachable begins a statement about the people in chunk with the reason why each is not reached on @channel, NULL if they are.
// Previews use it too.
var reachable = `
WITH people(user_seq, reason) AS MATERIALIZED (
	SELECT k.user_seq, ` + unreachable("k.user_seq") + `
	FROM temp.chunk k
	ORDER BY k.user_seq
)`

// reachableStatus is the status of a new delivery to one of these people.
const reachableStatus = "CASE WHEN reason IS NULL THEN {pending} ELSE {suppressed} END"

// count adds new deliveries of a channel to the totals.
func (w *walk) count(ctx context.Context, c *conn, channel int, counts map[kind]int) error {
	if err := addTotals(ctx, c, w.seq, w.wave, channel, counts); err != nil {
		return fmt.Errorf("add to totals: %w", err)
	}
	return nil
}

// fillInboxes puts the event into the inboxes of the people in chunk. A further wave leaves that to the event itself.
func (w *walk) fillInboxes(ctx context.Context, c *conn, bound int64, people int) error {
	if err := w.count(ctx, c, row.InApp, map[kind]int{{status: row.Sent}: people}); err != nil || w.wave > 0 {
		return err
	}
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
