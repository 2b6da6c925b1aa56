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
			"event": e.seq, "channels": channelNames(w.Channels), "starts_at": stored(w.StartsAt), "only_if": w.OnlyIf,
			"notice": "", "revision": 0, "most": schoolbell.MaxWaves,
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
	INSERT INTO waves (event_seq, n, channels, starts_at, only_if, notice, revision)
	SELECT @event, count(*), @channels, coalesce(@starts_at::timestamptz, ` + now + `), @only_if, @notice, @revision
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
		waves, err = list(rows, err, scanWave)
		return err
	})
	return waves, err
}

// scanWave reads a row of listWaves.
func scanWave(r pgx.CollectableRow) (w schoolbell.Wave, err error) {
	var channels []string
	err = r.Scan(&w.Number, &channels, &w.StartsAt, &w.OnlyIf, &w.Notice)
	w.Channels, w.StartsAt = channelsOf(channels), w.StartsAt.UTC()
	return w, err
}

// listWaves selects the further waves of an event.
const listWaves = "SELECT n, channels, starts_at, only_if, notice FROM waves WHERE event_seq = $1 AND n > 0 ORDER BY n"

// UnqueuedWaves implements ledger.Waves.
func (s Waves) UnqueuedWaves(ctx context.Context, ahead time.Duration, limit int) ([]ledger.QueuedWave, error) {
	return s.queuedWaves(ctx, listUnqueuedWaves, ahead.Milliseconds(), limit)
}

// OpenWaves implements ledger.Waves.
func (s Waves) OpenWaves(ctx context.Context, after ledger.WaveRef, limit int) ([]ledger.QueuedWave, error) {
	return s.queuedWaves(ctx, listOpenWaves, after.EventID, after.Wave, limit)
}

// selectQueuedWaves selects the columns that queuedWaves reads: the event's id, job id and lane, the number, the
// milliseconds until the wave starts, and whether its audience has been walked.
var selectQueuedWaves = "SELECT e.id, e.job_id, e.lane, w.n, " + milliseconds("w.starts_at - clock_timestamp()") + `, w.walked
	FROM waves w
	JOIN events e ON e.seq = w.event_seq`

// listUnqueuedWaves selects the waves that start within $1 milliseconds and whose jobs were not added yet. It reads
// only these from the index waves_unqueued: now() can be compared with an index, clock_timestamp() cannot.
var listUnqueuedWaves = row.SQL(selectQueuedWaves + `
	WHERE w.queued_at IS NULL AND w.finished_at IS NULL AND e.status <> {event_held}
		AND coalesce(w.starts_at, '-infinity') <= now() + $1::bigint * interval '1 ms'
	ORDER BY coalesce(w.starts_at, '-infinity'), w.event_seq, w.n
	LIMIT $2`)

// listOpenWaves selects the waves after a given one whose jobs were added and that are not finished.
var listOpenWaves = row.SQL(selectQueuedWaves + `
	WHERE w.queued_at IS NOT NULL AND w.finished_at IS NULL AND e.status <> {event_held}
		AND (w.event_seq, w.n) > (coalesce((SELECT seq FROM events WHERE id = $1), 0), $2::smallint)
	ORDER BY w.event_seq, w.n
	LIMIT $3`)

func (s Waves) queuedWaves(ctx context.Context, query string, args ...any) (waves []ledger.QueuedWave, err error) {
	err = s.DB.again("list waves", func() error {
		rows, err := s.DB.pool.Query(ctx, query, args...)
		waves, err = list(rows, err, func(r pgx.CollectableRow) (w ledger.QueuedWave, err error) {
			var in int64
			err = r.Scan(&w.EventID, &w.JobID, &w.Lane, &w.Wave, &in, &w.Walked)
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

// markQueued stores that the jobs of waves were added. It leaves out the waves that another transaction has locked:
// their jobs are running already, and the first chunk stores the same.
const markQueued = `
	UPDATE waves w
	SET queued_at = ` + now + `
	FROM (
		SELECT u.event_seq, u.n
		FROM unnest($1::text[], $2::smallint[]) q(event_id, n)
		JOIN events e ON e.id = q.event_id
		JOIN waves u ON u.event_seq = e.seq AND u.n = q.n
		WHERE u.queued_at IS NULL
		FOR UPDATE OF u SKIP LOCKED) q
	WHERE w.event_seq = q.event_seq AND w.n = q.n`

// FinishWave implements ledger.Waves. It takes three round trips: they lock the event and the batches, do the steps and
// read what they lead to, and finish the wave.
func (s Waves) FinishWave(ctx context.Context, wave ledger.WaveRef, steps ...ledger.Step) (sum ledger.Summary, err error) {
	var f finish
	err = s.DB.trips(ctx, "finish wave", func(t *trips) error {
		f = finish{WaveRef: wave, steps: make(advances, len(steps))}
		for i, step := range steps {
			f.steps[i] = &advance{Step: step}
		}
		if err := f.lock(t); err != nil {
			return err
		}
		if err := f.work(t); err != nil {
			return err
		}
		f.end(&t.Batch)
		return nil
	})
	if err != nil {
		return ledger.Summary{}, err
	}
	return ledger.Summary{EventID: wave.EventID, Wave: wave.Wave, Status: f.status, Progress: f.progress, Grants: f.steps.grants(), Finished: f.finished}, nil
}

// finish is a call of FinishWave.
type finish struct {
	eventState
	ledger.WaveRef
	steps advances

	waveWalked bool
	finishedAt *time.Time
	progress   schoolbell.Progress
	open       map[int]int // deliveries by wave
	finished   bool
}

func (f *finish) lock(t *trips) error {
	t.Queue(lockEventState, f.EventID).QueryRow(func(r pgx.Row) error { return f.scan(r, f.EventID) })
	if len(f.steps) > 0 {
		f.steps.lock(&t.Batch)
	}
	return t.send()
}

// work does the steps, ends the rows that may not be sent any more, and reads the result.
func (f *finish) work(t *trips) error {
	f.steps.work(&t.Batch)
	if closing := f.closing(); closing != row.Pending && f.status != schoolbell.EventCompleted {
		queueClosing(&t.Batch, f.seq, closing)
	}
	t.Queue(selectWaveState, f.seq, f.Wave).QueryRow(func(r pgx.Row) error {
		return orNotFound(r.Scan(&f.waveWalked, &f.finishedAt), "event", f.EventID)
	})
	t.Queue(countDeliveries, f.seq).Query(func(rows pgx.Rows) (err error) {
		f.progress, f.open, err = f.count(rows)
		return err
	})
	return t.send()
}

// end queues the statements that finish the wave, and the event, if nothing is open.
func (f *finish) end(b *pgx.Batch) {
	f.finished = f.finishedAt != nil || f.waveWalked && f.open[f.Wave] == 0
	if f.finished {
		b.Queue(finishWave, named{"event": f.seq, "wave": f.Wave}).QueryRow(func(r pgx.Row) error { return r.Scan(&f.status) })
	}
}

// selectWaveState selects whether a wave is walked, and when it was finished.
const selectWaveState = "SELECT walked, finished_at FROM waves WHERE event_seq = $1 AND n = $2"

// startedWaves is the condition that a wave w has started. Wave 0 counts as started, so that no later
// wave completes a scheduled event.
const startedWaves = "(w.n = 0 OR w.starts_at <= clock_timestamp())"

// finishWave marks a wave finished. It completes the event if each of its started waves is finished, and returns its
// status.
var finishWave = row.SQL(`
	WITH finished AS (
		UPDATE waves
		SET finished_at = ` + now + `
		WHERE event_seq = @event AND n = @wave AND finished_at IS NULL),
	completed AS (
		UPDATE events
		SET status = {event_completed}, completed_at = ` + now + `
		WHERE seq = @event
			AND status NOT IN ({event_completed}, {event_cancelled})
			AND NOT EXISTS (
				SELECT 1 FROM waves w
				WHERE w.event_seq = @event AND w.n <> @wave AND w.finished_at IS NULL AND ` + startedWaves + `)
		RETURNING status)
	SELECT coalesce((SELECT status FROM completed), (SELECT status FROM events WHERE seq = @event))`)
