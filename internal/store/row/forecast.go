package row

import (
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// MostWaiting is at how many open waves a count of waiting deliveries looks.
const MostWaiting = 10_000

// maxForecast is how far a forecast looks.
const maxForecast = 366 * 24 * time.Hour

// Forecast is ledger.Quotas.Forecast at the time now, in µs since 1970. It goes from hour to hour, because that is how the limits of
// days and months count. What the bucket of the rate has at this moment is left out: it is a quarter of a second.
func (q *Quota) Forecast(limits ledger.Quota, lane schoolbell.Lane, units int, now int64) ledger.Forecast {
	f := ledger.Forecast{Rate: limits.Rate}
	if lane != schoolbell.LaneUrgent {
		f.Rate = normalRate(limits)
	}
	for at := now; ; at = nextHour(at) {
		allowed, reached := q.allowed(limits, lane, units, at)
		if could := int(f.Rate * float64(nextHour(at)-at) / 1e6); limits.Rate > 0 && could < allowed {
			allowed, reached = could, ""
		}
		if reached == ledger.PeriodMonth || f.Reached == "" {
			f.Reached = reached
		}
		f.After = time.Duration(at-now) * time.Microsecond
		if limits.Rate > 0 {
			f.After += time.Duration(float64(allowed) / f.Rate * float64(time.Second))
		}
		if units -= allowed; units <= 0 || f.After >= maxForecast {
			f.After = min(f.After, maxForecast)
			return f
		}
		q.addToHour(lane, hourOf(at), allowed, at)
		q.addToMonth(lane, monthOf(at), allowed)
	}
}

// allowed returns how many of some units the limits of periods allow, and which of them allows no more.
func (q *Quota) allowed(limits ledger.Quota, lane schoolbell.Lane, units int, now int64) (n int, reached ledger.Period) {
	n = units
	if limits.Monthly > 0 {
		month := q.thisMonth(now)
		if left := leftOf(limits.Monthly, limits, lane, month.All, month.Normal); left < n {
			n, reached = left, ledger.PeriodMonth
		}
	}
	if limits.Daily > 0 {
		all, normal := q.today(now)
		if left := leftOf(limits.Daily, limits, lane, all, normal); left < n {
			n, reached = left, ledger.PeriodDay
		}
	}
	return n, reached
}

// nextHour returns when the next hour begins.
func nextHour(at int64) int64 { return (hourOf(at) + 1) * time.Hour.Microseconds() }
