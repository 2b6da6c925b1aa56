package cron

import (
	"math/bits"
	"time"
)

// maxYears is how far ahead Next searches. The rarest matches, such as a fifth Sunday in
// February, can be forty years apart.
const maxYears = 50

// Next returns the first match after a time in a zone, zero if there is none.
//
// Where clocks are put forward, a skipped time of day matches that much later, by the offset
// before the change. Where clocks are put back, a pattern that runs every hour matches in
// both passes of an hour. A pattern that names hours matches only in the first pass, unless
// after is in the second.
func (c *Pattern) Next(after time.Time, zone *time.Location) time.Time {
	base := after.Unix()
	local := after.In(zone)
	// A skipped time of the day before may still be ahead.
	day := time.Date(local.Year(), local.Month(), local.Day()-1, 0, 0, 0, 0, time.UTC)
	for end := day.AddDate(maxYears, 0, 0); day.Before(end); {
		if c.month&(1<<day.Month()) == 0 {
			day = time.Date(day.Year(), day.Month()+1, 1, 0, 0, 0, 0, time.UTC)
			continue
		}
		if c.matchesDay(day) {
			if at, ok := c.nextOfDay(day.Unix(), base, zone); ok {
				return time.Unix(at, 0).UTC()
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return time.Time{}
}

// matchesDay reports whether days of the month and of the week allow a day. If both
// are given, either is enough.
func (c *Pattern) matchesDay(day time.Time) bool {
	n, length := day.Day(), time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	byDay := c.day&(1<<n) != 0 || (c.lastDay && n == length)
	weekday := uint64(1) << day.Weekday()
	byWeekday := (c.weekday&weekday != 0 && (c.nth == 0 || (n-1)/7+1 == c.nth)) ||
		(c.lastWeekdays&weekday != 0 && n+7 > length)
	switch {
	case c.anyDay && c.anyWeekday:
		return true
	case c.anyDay:
		return byWeekday
	case c.anyWeekday:
		return byDay
	}
	return byDay || byWeekday
}

const (
	secondsOfDay  = 24 * 60 * 60
	farthestZone  = 16 * 60 * 60 // more than any zone is away from UTC
	everyHour     = 1<<24 - 1
	secondsOfHour = 60 * 60
)

// nextOfDay returns the first match after base on the day that begins at midnight by the
// wall clock. Wall clock times are seconds as if the zone were UTC.
func (c *Pattern) nextOfDay(midnight, base int64, zone *time.Location) (at int64, found bool) {
	look := func(from, to, offset int64) {
		from = max(from, midnight, base+offset+1)
		to = min(to, midnight+secondsOfDay)
		if from >= to {
			return
		}
		if second, ok := c.nextSecond(from - midnight); ok && midnight+second < to {
			if t := midnight + second - offset; !found || t < at {
				at, found = t, true
			}
		}
	}
	// The day is cut where the zone's offset changes.
	seen := midnight // the wall clock is searched up to here
	last := int64(0)
	for t, first := midnight-farthestZone, true; ; first = false {
		moment := time.Unix(t, 0).In(zone)
		_, offset := moment.Zone()
		_, until := moment.ZoneBounds()
		from, to := t+int64(offset), midnight+secondsOfDay
		if !until.IsZero() {
			to = min(to, until.Unix()+int64(offset))
		}
		switch {
		case c.hour == everyHour:
			look(from, to, int64(offset))
		case !first && from > seen && base < t: // skipped by the clocks
			look(seen, from, last)
			look(from, to, int64(offset))
		case base >= t: // also if these hours occur a second time
			look(from, to, int64(offset))
		default:
			look(max(from, seen), to, int64(offset))
		}
		seen, last = max(seen, to), int64(offset)
		if until.IsZero() || until.Unix() >= midnight+secondsOfDay+farthestZone {
			return at, found
		}
		t = until.Unix()
	}
}

// nextSecond returns the first second of a day, from a given one on, whose hour, minute and
// second match.
func (c *Pattern) nextSecond(from int64) (int64, bool) {
	hour, minute, second := int(from/secondsOfHour), int(from/60%60), int(from%60)
	for h, ok := firstBit(c.hour, hour); ok; h, ok = firstBit(c.hour, h+1) {
		if h > hour {
			minute, second = 0, 0
		}
		for m, ok := firstBit(c.minute, minute); ok; m, ok = firstBit(c.minute, m+1) {
			if m > minute {
				second = 0
			}
			if s, ok := firstBit(c.second, second); ok {
				return int64(h*secondsOfHour + m*60 + s), true
			}
			second = 0
		}
		minute, second = 0, 0
	}
	return 0, false
}

// firstBit returns the lowest bit of a set from a given one on.
func firstBit(set uint64, from int) (int, bool) {
	set &= ^uint64(0) << from
	return bits.TrailingZeros64(set), set != 0
}
