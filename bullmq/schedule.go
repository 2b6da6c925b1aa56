package bullmq

import (
	"fmt"
	"time"

	"schoolbell/bullmq/internal/wire"
)

// Schedule sets when a scheduler's jobs run. It has either Every or Pattern.
type Schedule struct {
	// Every is the time from one run to the next, stored in whole milliseconds. The first
	// run is at once, unless Start or Offset is set.
	Every time.Duration
	// Pattern is a cron pattern: minute, hour, day of the month, month, day of the
	// week, optionally with seconds before them. Fields accept *, ?, lists, ranges, steps
	// and English names of three letters. Days of the month also accept L (the last),
	// weekdays nL (the month's last) and n#k (its kth). If both kinds of days are given, a
	// day that matches either is enough. @yearly, @monthly, @weekly, @daily, @hourly,
	// @minutely, @secondly, @weekdays and @weekends are short for whole patterns.
	//
	// H, a random value in BullMQ 6, is refused: it is drawn again whenever a run is
	// computed, so "H H * * *" may run several times a day, and no two programs agree on
	// the next run. Workers continue such schedulers of Node programs as Node does.
	Pattern string
	// TZ names the time zone of Pattern, such as "Europe/Berlin". Empty means UTC for a new
	// scheduler. A scheduler that was read without a zone is Node's and means the zone of
	// the machine that computes the next run. With Every it is stored without effect and
	// may be any name.
	TZ string
	// Limit is how many jobs are made in total. 0 means no limit. Setting the scheduler
	// again restarts the count.
	Limit int
	// Start is the earliest time of a run. After End no further job is made; a Pattern's
	// jobs are also never due after End. Zero means no bound.
	Start, End time.Time
	// Offset aligns the runs of Every with the clock: they are at multiples of Every since
	// 1970, plus Offset. It must be less than Every. 0 does not align them.
	Offset time.Duration
	// Immediately makes the first run of a Pattern at once. It excludes Start.
	Immediately bool
}

// JobTemplate describes the jobs of a scheduler.
type JobTemplate struct {
	// Name is the name of the jobs. Empty means the scheduler's id.
	Name string
	// Data is any value that encodes to JSON, as for [Queue.Add]. Nil becomes {}.
	Data any
	// Options are the jobs' options, filled from the queue's defaults. ID, Delay,
	// Timestamp, Parent and Deduplication are refused.
	Options JobOptions
}

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
