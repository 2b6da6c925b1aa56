package bullmq

import (
	"fmt"
	"time"

	"schoolbell/bullmq/internal/repeat"
	"schoolbell/bullmq/internal/wire"
)

// RepeatFunc computes when a scheduler with a Pattern runs next, instead of the cron patterns
// of this package, as BullMQ's settings.repeatStrategy does. s.Pattern may be any text that
// the function understands. The function must also apply s.Start, s.End and s.Immediately.
// after is the current time, or the time of the previous run if that is later. name is the
// name of the jobs.
//
// A result before after counts as after. The zero time means that there is no further run.
// An error fails the call of [Queue.UpsertScheduler]. In a worker it is reported to OnError,
// and the schedule ends.
//
// All programs that set the scheduler or run its jobs must use the same function, in
// [QueueOptions] and [WorkerOptions]. It must be safe for concurrent use.
type RepeatFunc func(after time.Time, s Schedule, name string) (time.Time, error)

// next calls the function. The zero time means that there is no further run.
func (f RepeatFunc) next(after time.Time, s Schedule, name string) (time.Time, error) {
	at, err := f(after, s, name)
	switch {
	case err != nil:
		return at, fmt.Errorf("bullmq: next run of %q: %w", shortID(s.Pattern), err)
	case at.IsZero():
		return at, nil
	case at.After(lastTime):
		return at, invalid("next run of %q at %v: the year 9999 is the last", shortID(s.Pattern), at)
	case at.Before(after):
		return after, nil
	}
	return wire.FromMillis(wire.Millis(at)), nil
}

// strategy returns the worker's own strategy for a stored schedule, nil if it has none.
func (w *Worker) strategy(r *repeat.Repetition, name string) repeat.Strategy {
	if w.opts.Repeat == nil {
		return nil
	}
	s := Schedule{Pattern: r.Pattern, TZ: r.TZ, Limit: r.Limit, Start: wire.FromMillis(r.Start), End: wire.FromMillis(r.End)}
	return func(after time.Time) (time.Time, error) { return w.opts.Repeat.next(after, s, name) }
}
