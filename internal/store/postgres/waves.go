package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Waves implements ledger.Waves.
type Waves struct{ DB *DB }

// AddWave implements ledger.Waves.
func (s Waves) AddWave(ctx context.Context, eventID string, w schoolbell.Wave) (schoolbell.Wave, error) {
	err := s.DB.write(ctx, "add wave", func(tx pgx.Tx) error {
		e, err := lockEvent(ctx, tx, eventID)
		if err != nil {
			return err
		}
		if err := e.mayGoOn(); err != nil {
			return err
		}
		if err := checkChannels(ctx, tx, w.Channels); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, insertWave, named{
			"event": e.seq, "channels": channelNames(w.Channels), "starts_at": stored(w.StartsAt), "only_if": w.OnlyIf, "most": schoolbell.MaxWaves,
		}).Scan(&w.Number, &w.StartsAt)
		w.StartsAt = w.StartsAt.UTC()
		if noRows(err) {
			return row.TooManyWaves()
		}
		return err
	})
	if err != nil {
		return schoolbell.Wave{}, err
	}
	return w, nil
}

// insertWave adds a wave to an event that has fewer than @most. Without a start, it starts now.
const insertWave = `
	INSERT INTO waves (event_seq, n, channels, starts_at, only_if)
	SELECT @event, count(*), @channels, coalesce(@starts_at::timestamptz, ` + now + `), @only_if
	FROM waves
	WHERE event_seq = @event
	HAVING count(*) < @most
	RETURNING n, starts_at`

// Waves implements ledger.Waves.
func (s Waves) Waves(ctx context.Context, eventID string) (waves []schoolbell.Wave, err error) {
	err = s.DB.read(ctx, "list waves", func(tx pgx.Tx) error {
		e, err := eventStateOf(ctx, tx, selectEventState, eventID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listWaves, e.seq)
		waves, err = list(rows, err, func(r pgx.CollectableRow) (w schoolbell.Wave, err error) {
			var channels []string
			err = r.Scan(&w.Number, &channels, &w.StartsAt, &w.OnlyIf)
			w.Channels, w.StartsAt = channelsOf(channels), w.StartsAt.UTC()
			return w, err
		})
		return err
	})
	return waves, err
}

// listWaves selects the further waves of an event.
const listWaves = "SELECT n, channels, starts_at, only_if FROM waves WHERE event_seq = $1 AND n > 0 ORDER BY n"

// UnqueuedWaves implements ledger.Waves.
func (s Waves) UnqueuedWaves(ctx context.Context, limit int) ([]ledger.QueuedWave, error) {
	return s.queuedWaves(ctx, listUnqueuedWaves, limit)
}

// OpenWaves implements ledger.Waves.
func (s Waves) OpenWaves(ctx context.Context, after ledger.WaveRef, limit int) ([]ledger.QueuedWave, error) {
	return s.queuedWaves(ctx, listOpenWaves, after.EventID, after.Wave, limit)
}

// selectQueuedWaves selects the columns that queuedWaves reads: the event's id and lane, the number, the
// milliseconds until the wave starts, and whether its audience has been walked.
var selectQueuedWaves = "SELECT e.id, e.lane, w.n, " + milliseconds("w.starts_at - clock_timestamp()") + `, w.walked
	FROM waves w
	JOIN events e ON e.seq = w.event_seq`

// listUnqueuedWaves selects the waves whose jobs were not added yet, oldest event first.
var listUnqueuedWaves = selectQueuedWaves + `
	WHERE w.queued_at IS NULL AND w.finished_at IS NULL
	ORDER BY w.event_seq, w.n
	LIMIT $1`

// listOpenWaves selects the waves after a given one whose jobs were added and that are not finished.
var listOpenWaves = selectQueuedWaves + `
	WHERE w.queued_at IS NOT NULL AND w.finished_at IS NULL
		AND (w.event_seq, w.n) > (coalesce((SELECT seq FROM events WHERE id = $1), 0), $2::smallint)
	ORDER BY w.event_seq, w.n
	LIMIT $3`

func (s Waves) queuedWaves(ctx context.Context, query string, args ...any) (waves []ledger.QueuedWave, err error) {
	err = s.DB.again("list waves", func() error {
		rows, err := s.DB.pool.Query(ctx, query, args...)
		waves, err = list(rows, err, func(r pgx.CollectableRow) (w ledger.QueuedWave, err error) {
			var in int64
			err = r.Scan(&w.EventID, &w.Lane, &w.Wave, &in, &w.Walked)
			w.StartIn = duration(in)
			return w, err
		})
		return err
	})
	return waves, err
}

// MarkQueued implements ledger.Waves.
func (s Waves) MarkQueued(ctx context.Context, waves []ledger.WaveRef) error {
	ids, numbers := make([]string, len(waves)), make([]int16, len(waves))
	for i, w := range waves {
		ids[i], numbers[i] = w.EventID, int16(w.Wave)
	}
	return s.DB.again("mark waves queued", func() error {
		_, err := s.DB.pool.Exec(ctx, markQueued, ids, numbers)
		return err
	})
}

// markQueued stores that the jobs of waves were added.
const markQueued = `
	UPDATE waves w
	SET queued_at = ` + now + `
	FROM unnest($1::text[], $2::smallint[]) q(event_id, n)
	JOIN events e ON e.id = q.event_id
	WHERE w.event_seq = e.seq AND w.n = q.n AND w.queued_at IS NULL`

// FinishWave implements ledger.Waves.
func (s Waves) FinishWave(ctx context.Context, wave ledger.WaveRef, steps ...ledger.Step) (sum ledger.Summary, err error) {
	err = s.DB.write(ctx, "finish wave", func(tx pgx.Tx) error {
		e, err := lockEvent(ctx, tx, wave.EventID)
		if err != nil {
			return err
		}
		group := make(advances, len(steps))
		for i, step := range steps {
			group[i] = &advance{Step: step}
		}
		if err := group.within(ctx, tx); err != nil {
			return err
		}
		if closing := e.closing(); closing != row.Pending && e.status != schoolbell.EventCompleted {
			if err := closeEventRows(ctx, tx, e.seq, closing); err != nil {
				return err
			}
		}
		var walked bool
		var finishedAt *time.Time
		if err := tx.QueryRow(ctx, selectWaveState, e.seq, wave.Wave).Scan(&walked, &finishedAt); err != nil {
			return orNotFound(err, "event", wave.EventID)
		}
		p, open, err := progress(ctx, tx, e)
		if err != nil {
			return err
		}
		finished := finishedAt != nil || walked && open[wave.Wave] == 0
		if finished && finishedAt == nil {
			if _, err := tx.Exec(ctx, finishWave, e.seq, wave.Wave); err != nil {
				return err
			}
		}
		if finished && !e.status.Terminal() {
			if err := tx.QueryRow(ctx, completeEvent, e.seq).Scan(&e.status); err != nil {
				return err
			}
		}
		sum = ledger.Summary{EventID: wave.EventID, Wave: wave.Wave, Status: e.status, Progress: p, Grants: group.grants(), Finished: finished}
		return nil
	})
	return sum, err
}

// selectWaveState selects whether a wave is walked, and when it was finished.
const selectWaveState = "SELECT walked, finished_at FROM waves WHERE event_seq = $1 AND n = $2"

// finishWave marks a wave finished.
const finishWave = "UPDATE waves SET finished_at = " + now + " WHERE event_seq = $1 AND n = $2"

// startedWaves is the condition that a wave w has started. Wave 0 counts as started, so that no later
// wave completes a scheduled event.
const startedWaves = "(w.n = 0 OR w.starts_at <= clock_timestamp())"

// completeEvent completes an event if each of its started waves is finished, and returns its status.
var completeEvent = row.SQL(`
	WITH completed AS (
		UPDATE events
		SET status = {event_completed}, completed_at = ` + now + `
		WHERE seq = $1
			AND NOT EXISTS (SELECT 1 FROM waves w WHERE w.event_seq = $1 AND w.finished_at IS NULL AND ` + startedWaves + `)
		RETURNING status)
	SELECT coalesce((SELECT status FROM completed), (SELECT status FROM events WHERE seq = $1))`)
