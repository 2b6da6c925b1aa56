package row

import (
	"time"

	"schoolbell"
)

// This file counts what was reserved of a quota in a calendar month. Months are those of UTC, so that all programs and databases
// mean the same.

// thisMonth returns what was reserved in the month of now.
func (q *Quota) thisMonth(now int64) QuotaHour {
	if month := monthOf(now); q.Month.Month < month {
		return QuotaHour{Month: month}
	}
	return q.Month // perhaps of a later month, if the clock was set back
}

// addToMonth counts n units in a month. Those of a month that is over are no longer counted.
func (q *Quota) addToMonth(lane schoolbell.Lane, month int64, n int) {
	if month > q.Month.Month {
		q.Month = QuotaHour{Month: month}
	}
	if month == q.Month.Month {
		q.Month.add(lane, n)
	}
}

// monthOf returns the month of a time in µs since 1970, counted from year 0.
func monthOf(now int64) int64 {
	at := time.UnixMicro(now).UTC()
	return int64(at.Year())*12 + int64(at.Month()) - 1
}

// untilMonth returns how long it takes until a month begins.
func untilMonth(month, now int64) time.Duration {
	begins := time.Date(int(month/12), time.Month(month%12+1), 1, 0, 0, 0, 0, time.UTC)
	return atLeastMoment(begins.UnixMicro() - now)
}
