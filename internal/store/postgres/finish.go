package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/bullmq/combine"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// finishLimits are how many waves, and steps of them, one transaction finishes.
var finishLimits = combine.Limits{Items: 20, Size: 100}

// FinishWave implements ledger.Waves.
func (s Waves) FinishWave(ctx context.Context, wave ledger.WaveRef, steps ...ledger.Step) (ledger.Summary, error) {
	f := finish{WaveRef: wave, wanted: steps}
	if err := s.DB.finishes.Do(ctx, &f); err != nil {
		return ledger.Summary{}, wrap("finish wave", err) // f may be in use until its transaction ends
	}
	if f.err != nil {
		return ledger.Summary{}, f.err
	}
	return ledger.Summary{EventID: wave.EventID, Wave: wave.Wave, Status: f.status, Progress: f.progress, Grants: f.steps.grants(), Finished: f.finished}, nil
}

// finish is a call of FinishWave, and its result.
type finish struct {
	eventState
	ledger.WaveRef
	wanted []ledger.Step
	err    error

	steps      advances
	waveWalked bool
	finishedAt *time.Time
	progress   schoolbell.Progress
	open       map[int]int // deliveries by wave
	finished   bool
}

func (s Waves) newFinishes() *combine.Combiner[finish] {
	return combine.New(s.finishTogether, func(f *finish) int { return len(f.wanted) }, finishLimits)
}

// finishTogether carries out calls of FinishWave in one transaction. If it was refused, each is made alone.
func (s Waves) finishTogether(ctx context.Context, all []*finish) {
	err := s.finishAll(ctx, all)
	if len(all) > 1 && refused(err) {
		for _, f := range all {
			s.finishTogether(ctx, []*finish{f})
		}
		return
	}
	for _, f := range all {
		f.err = err
	}
}

// finishAll takes three round trips: they lock the events and the batches, do the steps and read what they lead to, and
// finish the waves. Events are locked in order, so that two transactions do not wait for each other.
func (s Waves) finishAll(ctx context.Context, all []*finish) error {
	all = slices.SortedFunc(slices.Values(all), func(a, b *finish) int { return cmp.Compare(a.EventID, b.EventID) })
	return s.DB.together(ctx, len(all), "finish wave", func(t *trips) error {
		var steps advances
		for _, f := range all {
			steps = append(steps, f.lock(&t.Batch)...)
		}
		if len(steps) > 0 {
			steps.lock(&t.Batch)
		}
		if err := t.send(); err != nil {
			return err
		}
		steps.work(&t.Batch)
		for _, f := range all {
			f.read(&t.Batch)
		}
		if err := t.send(); err != nil {
			return err
		}
		for _, f := range all {
			f.end(&t.Batch)
		}
		return nil
	})
}

// lock queues the statement that locks the event, and returns the steps.
func (f *finish) lock(b *pgx.Batch) advances {
	*f = finish{WaveRef: f.WaveRef, wanted: f.wanted, steps: make(advances, len(f.wanted))}
	for i, step := range f.wanted {
		f.steps[i] = &advance{Step: step}
	}
	b.Queue(lockEventState, f.EventID).QueryRow(func(r pgx.Row) error { return f.scan(r, f.EventID) })
	return f.steps
}

// read queues the statements that end the rows that may not be sent any more, and that read the state after it.
func (f *finish) read(b *pgx.Batch) {
	if closing := f.closing(); closing != row.Pending && f.status != schoolbell.EventCompleted {
		queueClosing(b, f.seq, closing)
	}
	b.Queue(selectWaveState, f.seq, f.Wave).QueryRow(func(r pgx.Row) error {
		return orNotFound(r.Scan(&f.waveWalked, &f.finishedAt), "event", f.EventID)
	})
	b.Queue(countDeliveries, f.seq).Query(func(rows pgx.Rows) (err error) {
		f.progress, f.open, err = f.count(rows)
		return err
	})
}

// end queues the statement that finishes the wave, and the event, if nothing is open.
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
