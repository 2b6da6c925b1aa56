package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Waves implements ledger.Waves.
type Waves struct{ DB *DB }

// AddWave implements ledger.Waves.
func (s Waves) AddWave(ctx context.Context, eventID string, wave schoolbell.Wave) (added schoolbell.Wave, err error) {
	err = s.DB.write(ctx, "add wave", func(c *conn) error {
		e, err := eventStateOf(ctx, c, eventID)
		if err != nil {
			return err
		}
		if err := e.mayGoOn(); err != nil {
			return err
		}
		if err := s.DB.channels.check(ctx, c, wave.Channels); err != nil {
			return err
		}
		added, err = addFurtherWave(ctx, c, e, wave, 0)
		return err
	})
	if err != nil {
		return schoolbell.Wave{}, err
	}
	return added, nil
}

// addFurtherWave adds a further wave, which starts now if it says no other time.
func addFurtherWave(ctx context.Context, c *conn, e *eventState, w schoolbell.Wave, revision int) (schoolbell.Wave, error) {
	if err := c.get(ctx, "SELECT max(n) + 1 FROM waves WHERE event_seq = @event", args{"event": e.seq}, &w.Number); err != nil {
		return w, err
	}
	if w.Number >= schoolbell.MaxWaves {
		return w, row.TooManyWaves()
	}
	if w.StartsAt.IsZero() {
		w.StartsAt = timeOf(sql.NullInt64{Int64: e.now, Valid: true})
	}
	return w, addWave(ctx, c, e.seq, w, revision)
}

// addWave inserts a wave. revision is that of the event that its notice tells; 0 without a notice.
func addWave(ctx context.Context, c *conn, event int64, w schoolbell.Wave, revision int) error {
	channels, err := json.Marshal(w.Channels)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, insertWave, args{"event": event, "wave": w.Number, "channels": string(channels),
		"starts_at": millis(w.StartsAt), "only_if": string(w.OnlyIf), "notice": string(w.Notice), "revision": revision})
	return err
}

// insertWave inserts a wave. Its queued_at is null, so the relay will queue it.
const insertWave = `
INSERT INTO waves (event_seq, n, channels, starts_at, only_if, notice, revision)
VALUES (@event, @wave, @channels, @starts_at, @only_if, @notice, @revision)`

// Waves implements ledger.Waves.
func (s Waves) Waves(ctx context.Context, eventID string) (waves []schoolbell.Wave, err error) {
	err = s.DB.read(ctx, "list waves", func(c *conn) error {
		e, err := eventStateOf(ctx, c, eventID)
		if err != nil {
			return err
		}
		waves, err = furtherWaves(ctx, c, e.seq)
		return err
	})
	return waves, err
}

// furtherWaves returns the further waves of an event in order.
func furtherWaves(ctx context.Context, c *conn, event int64) (waves []schoolbell.Wave, err error) {
	err = c.each(ctx, listWaves, args{"event": event}, func(scan func(...any) error) error {
		var w schoolbell.Wave
		var channels string
		var startsAt sql.NullInt64
		if err := scan(&w.Number, &channels, &startsAt, &w.OnlyIf, &w.Notice); err != nil {
			return err
		}
		w.StartsAt = timeOf(startsAt)
		waves = append(waves, w)
		return json.Unmarshal([]byte(channels), &waves[len(waves)-1].Channels)
	})
	return waves, err
}

// listWaves selects the further waves of an event.
const listWaves = `
SELECT n, channels, starts_at, only_if, notice
FROM waves
WHERE event_seq = @event
	AND n > 0
ORDER BY n`

// UnqueuedWaves implements ledger.Waves.
func (s Waves) UnqueuedWaves(ctx context.Context, ahead time.Duration, limit int) ([]ledger.QueuedWave, error) {
	return s.queued(ctx, unqueuedWaves, args{"ahead": ahead.Milliseconds(), "limit": limit})
}

// unqueuedWaves selects the waves that the relay must queue: those that start within @ahead milliseconds. It reads
// only these from the index waves_unqueued.
var unqueuedWaves = row.SQL(selectQueued + `
WHERE w.queued_at IS NULL
	AND w.finished_at IS NULL
	AND e.status <> {event_held}
	AND coalesce(w.starts_at, 0) <= ` + now + ` + @ahead
ORDER BY coalesce(w.starts_at, 0), w.event_seq, w.n
LIMIT @limit`)

// selectQueued selects waves as the method queued reads them. The fifth column is in how
// many milliseconds the wave starts. A WHERE about w follows.
const selectQueued = `
SELECT e.id, e.job_id, e.lane, w.n, max(coalesce(w.starts_at, 0) - ` + now + `, 0), w.walked
FROM waves w
CROSS JOIN events e ON e.seq = w.event_seq`

// OpenWaves implements ledger.Waves.
func (s Waves) OpenWaves(ctx context.Context, after ledger.WaveRef, limit int) ([]ledger.QueuedWave, error) {
	return s.queued(ctx, openWaves, args{"after": after.EventID, "after_wave": after.Wave, "limit": limit})
}

// openWaves selects the queued waves that are not finished, after a wave. An event that
// does not exist is before all others.
var openWaves = row.SQL(selectQueued + `
WHERE w.queued_at IS NOT NULL
	AND w.finished_at IS NULL
	AND e.status <> {event_held}
	AND (w.event_seq, w.n) > (coalesce((SELECT seq FROM events WHERE id = @after), 0), @after_wave)
ORDER BY w.event_seq, w.n
LIMIT @limit`)

func (s Waves) queued(ctx context.Context, query string, a args) (waves []ledger.QueuedWave, err error) {
	err = s.DB.read(ctx, "list waves", func(c *conn) error {
		return c.each(ctx, query, a, func(scan func(...any) error) error {
			var w ledger.QueuedWave
			var in int64
			err := scan(&w.EventID, &w.JobID, &w.Lane, &w.Wave, &in, &w.Walked)
			w.StartIn = duration(in)
			waves = append(waves, w)
			return err
		})
	})
	return waves, err
}

// MarkQueued implements ledger.Waves.
func (s Waves) MarkQueued(ctx context.Context, waves []ledger.WaveRef) error {
	refs := make([][2]string, len(waves))
	for i, w := range waves {
		refs[i] = [2]string{w.EventID, strconv.Itoa(w.Wave)}
	}
	return s.DB.write(ctx, "mark waves queued", func(c *conn) error {
		_, err := c.exec(ctx, markQueued, args{"waves": jsonOf(refs)})
		return err
	})
}

// markQueued marks waves as queued: pairs of the id of an event and a number.
const markQueued = `
UPDATE waves
SET queued_at = ` + now + `
WHERE queued_at IS NULL
	AND (event_seq, n) IN (
		SELECT e.seq, CAST(value ->> 1 AS INTEGER)
		FROM json_each(@waves)
		CROSS JOIN events e ON e.id = value ->> 0
	)`

// waveState is where a wave stands, with its event.
type waveState struct {
	eventState
	wave     int
	walked   bool
	finished bool
	notice   schoolbell.Notice
}

// cancelled reports whether nothing more of the wave is sent because the event is cancelled.
func (w *waveState) cancelled() bool {
	return w.status == schoolbell.EventCancelled && w.notice != schoolbell.NoticeCancelled
}

// closing is that of the event, but a wave that tells of the cancellation goes on.
func (w *waveState) closing() int {
	if closing := w.eventState.closing(); closing != row.Cancelled || w.cancelled() {
		return closing
	}
	return 0
}

func waveStateOf(ctx context.Context, c *conn, ref ledger.WaveRef) (*waveState, error) {
	w := waveState{wave: ref.Wave}
	err := c.get(ctx, findWaveState, args{"event_id": ref.EventID, "wave": ref.Wave},
		&w.seq, &w.status, &w.expiresAt, &w.now, &w.walked, &w.finished, &w.notice)
	return &w, orNoWave(err, ref)
}

// orNoWave turns "no rows" into the not-found error of a wave.
func orNoWave(err error, ref ledger.WaveRef) error {
	if ref.Wave == 0 {
		return orNotFound(err, "event", ref.EventID)
	}
	return orNotFound(err, "wave", fmt.Sprintf("%s.%d", ref.EventID, ref.Wave))
}

// findWaveState selects the state of a wave and its event, with the clock.
const findWaveState = `
SELECT e.seq, e.status, e.expires_at, ` + now + `,
	w.walked, w.finished_at IS NOT NULL, w.notice
FROM events e
CROSS JOIN waves w ON w.event_seq = e.seq
WHERE e.id = @event_id
	AND w.n = @wave`

// FinishWave implements ledger.Waves.
func (s Waves) FinishWave(ctx context.Context, ref ledger.WaveRef, steps ...ledger.Step) (sum ledger.Summary, err error) {
	err = s.DB.write(ctx, "finish wave", func(c *conn) error {
		w, err := waveStateOf(ctx, c, ref)
		if err != nil {
			return err
		}
		grants, err := Deliveries(s).steps(ctx, c, steps)
		if err != nil {
			return err
		}
		if w.closing() != 0 && w.status != schoolbell.EventCompleted {
			if err := w.closeRows(ctx, c, waveRows, args{"wave": w.wave}); err != nil {
				return err
			}
		}
		counts, err := s.DB.totals(ctx, c, w.seq)
		if err != nil {
			return err
		}
		sum = ledger.Summary{EventID: ref.EventID, Wave: ref.Wave, Grants: grants, Finished: w.cancelled() || w.walked && row.Open(counts)[w.wave] == 0}
		if sum.Finished && !w.finished {
			if _, err := c.exec(ctx, finishWave, args{"event": w.seq, "wave": w.wave, "now": w.now}); err != nil {
				return err
			}
		}
		going, err := w.going(ctx, c)
		if err != nil {
			return err
		}
		if sum.Finished && !w.status.Terminal() && going.unfinished == 0 {
			w.status = schoolbell.EventCompleted
			if err := w.end(ctx, c, w.status); err != nil {
				return err
			}
		}
		sum.Status, sum.Progress = w.status, row.Progress(counts, w.status == schoolbell.EventCancelled || going.unwalked == 0)
		return nil
	})
	return sum, err
}

// finishWave marks a wave as finished.
const finishWave = `
UPDATE waves
SET finished_at = @now
WHERE event_seq = @event
	AND n = @wave
	AND finished_at IS NULL`

// going says how many of the started waves of an event are not at their end.
type going struct{ unwalked, unfinished int }

func (e *eventState) going(ctx context.Context, c *conn) (g going, err error) {
	err = c.get(ctx, countGoing, args{"event": e.seq, "now": e.now}, &g.unwalked, &g.unfinished)
	return g, err
}

// countGoing counts, of wave 0 and the further waves of an event that have started, those that are
// not walked and those that are not finished.
const countGoing = `
SELECT count(*) FILTER (WHERE NOT walked), count(*) FILTER (WHERE finished_at IS NULL)
FROM waves
WHERE event_seq = @event
	AND (n = 0 OR starts_at <= @now)`
