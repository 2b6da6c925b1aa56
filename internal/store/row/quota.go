package row

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Quota is the row of a quota: how many units were reserved of it. The rate is a token bucket for each lane's limit: one
// for all messages and one for normal ones. A bucket is stored as the time at which it will be full again,
// so a change of the rate needs no change of the row.
type Quota struct {
	Full, NormalFull int64       // µs since 1970
	Hours            []QuotaHour // of the last day, oldest first; only of quotas with a daily limit
	Month            QuotaHour   // what was reserved in the latest month; only of quotas with a monthly limit
}

// QuotaHour is what was reserved in an hour, or in a month.
type QuotaHour struct {
	Hour   int64 `json:"hour,omitempty"`  // since 1970
	Month  int64 `json:"month,omitempty"` // since year 0
	All    int   `json:"all"`
	Normal int   `json:"normal"`
}

const (
	bucketTime = 250 * time.Millisecond // that a full bucket lasts for; it holds two messages at least
	maxDebt    = 100                    // messages and a minute by which a bucket can be overdrawn: more means that the clock was set back
	dayHours   = 25                     // hours that may have a part in the last 24
)

// ReadHours sets the hours and the month to those of a stored text.
func (q *Quota) ReadHours(text string) error {
	if err := json.Unmarshal([]byte(text), &q.Hours); err != nil {
		return fmt.Errorf("hours of a quota: %w", err)
	}
	if n := len(q.Hours) - 1; n >= 0 && q.Hours[n].Month > 0 {
		q.Month, q.Hours = q.Hours[n], q.Hours[:n]
	}
	return nil
}

// HoursText returns the hours, and after them the month, as they are stored.
func (q *Quota) HoursText() string {
	all := q.Hours
	if q.Month.Month > 0 {
		all = append(slices.Clip(all), q.Month)
	}
	if len(all) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(all) // numbers always encode
	return string(text)
}

// Reserve is ledger.Quotas.Reserve at the time now, in µs since 1970. If messages were reserved, the row has changed.
func (q *Quota) Reserve(limits ledger.Quota, lane schoolbell.Lane, most int, now int64) ledger.Reservation {
	left, _, _ := q.left(limits, lane, now)
	r := ledger.Reservation{Messages: max(min(left/limits.Units(1), most), 0), Hour: hourOf(now)}
	q.add(limits, lane, r.Hour, limits.Units(r.Messages), now)
	if r.Messages < most {
		_, r.NextIn, r.Reached = q.left(limits, lane, now)
	}
	if limits.Daily > 0 {
		r.Used, _ = q.today(now)
	}
	if limits.Monthly > 0 {
		r.UsedMonth = q.thisMonth(now).All
	}
	return r
}

// left returns how many units of a lane may be used now, and, if there are not those of a message, how long it takes until
// there are and which limit is the reason.
func (q *Quota) left(limits ledger.Quota, lane schoolbell.Lane, now int64) (n int, wait time.Duration, reached ledger.Period) {
	n = math.MaxInt
	if limits.Monthly > 0 {
		month := q.thisMonth(now)
		if n = leftOf(limits.Monthly, limits, lane, month.All, month.Normal); n < limits.Units(1) {
			return n, untilMonth(month.Month+1, now), ledger.PeriodMonth
		}
	}
	if limits.Daily > 0 {
		today, wait := q.leftToday(limits, lane, now)
		if n = min(n, today); today < limits.Units(1) {
			return n, wait, ledger.PeriodDay
		}
	}
	if limits.Rate > 0 {
		atRate, next := q.leftNow(limits, lane, now)
		n, wait = min(n, atRate), next
	}
	return n, wait, ""
}

// Settle is ledger.Quotas.Settle at the time now.
func (q *Quota) Settle(limits ledger.Quota, lane schoolbell.Lane, r ledger.Reservation, used int, now int64) {
	q.add(limits, lane, r.Hour, used-limits.Units(r.Messages), now)
}

// today returns how many units count for the daily limit.
func (q *Quota) today(now int64) (all, normal int) {
	q.forget(now)
	for _, h := range q.Hours {
		all, normal = all+h.All, normal+h.Normal
	}
	return all, normal
}

// add counts n units, which may be less than none.
func (q *Quota) add(limits ledger.Quota, lane schoolbell.Lane, hour int64, n int, now int64) {
	if n == 0 {
		return
	}
	if limits.Rate > 0 {
		q.Full = filled(q.Full, n, limits.Rate, now)
		if lane != schoolbell.LaneUrgent {
			q.NormalFull = filled(q.NormalFull, n, normalRate(limits), now)
		}
	}
	if limits.Monthly > 0 {
		q.addToMonth(lane, monthOf(hour*time.Hour.Microseconds()), n)
	}
	if limits.Daily > 0 {
		q.addToHour(lane, hour, n, now)
	}
}

func (q *Quota) addToHour(lane schoolbell.Lane, hour int64, n int, now int64) {
	q.forget(now)
	for i := range q.Hours {
		if q.Hours[i].Hour == hour {
			q.Hours[i].add(lane, n)
			return
		}
	}
	if n > 0 { // else they are no longer counted
		h := QuotaHour{Hour: hour}
		h.add(lane, n)
		q.Hours = append(q.Hours, h)
	}
}

func (h *QuotaHour) add(lane schoolbell.Lane, n int) {
	h.All = max(h.All+n, 0)
	if lane != schoolbell.LaneUrgent {
		h.Normal = max(h.Normal+n, 0)
	}
}

// filled is when a bucket will be full after n units were taken. It is rounded so that the rate is not exceeded.
func filled(full int64, n int, rate float64, now int64) int64 {
	return max(full, now) + int64(math.Ceil(float64(n)*1e6/rate))
}

// forget removes the hours that are older than a day.
func (q *Quota) forget(now int64) {
	old := 0
	for old < len(q.Hours) && q.Hours[old].Hour <= hourOf(now)-dayHours {
		old++
	}
	q.Hours = q.Hours[old:]
}

func hourOf(now int64) int64 { return now / time.Hour.Microseconds() }

// leftToday returns how many units of a lane the daily limit allows, and how long it takes until there are those of a
// message if there are not.
func (q *Quota) leftToday(limits ledger.Quota, lane schoolbell.Lane, now int64) (left int, wait time.Duration) {
	all, normal := q.today(now)
	left = leftOf(limits.Daily, limits, lane, all, normal)
	if left >= limits.Units(1) {
		return left, 0
	}
	for _, h := range q.Hours {
		all, normal = all-h.All, normal-h.Normal
		if leftOf(limits.Daily, limits, lane, all, normal) >= limits.Units(1) {
			return left, atLeastMoment((h.Hour+dayHours)*time.Hour.Microseconds() - now)
		}
	}
	return left, time.Hour // a limit that allows no message at all is not possible
}

// leftOf returns how many units of a lane a limit of a period allows after so many were used.
func leftOf(limit int, limits ledger.Quota, lane schoolbell.Lane, all, normal int) int {
	left := limit - all
	if lane != schoolbell.LaneUrgent {
		left = min(left, schoolbell.NormalSlots(limit, limits.UrgentShare)-normal)
	}
	return max(left, 0)
}

// leftNow returns how many units of a lane the rate allows, and how long it takes until there are those of a message if there
// are not.
func (q *Quota) leftNow(limits ledger.Quota, lane schoolbell.Lane, now int64) (left int, wait time.Duration) {
	one := float64(limits.Units(1)) // message
	capacity := max(limits.Rate*bucketTime.Seconds(), 2*one)
	reserve := 0.0 // what normal messages leave of a bucket
	if share := float64(limits.UrgentShare) / 100; share > 0 && lane != schoolbell.LaneUrgent {
		reserve = min(max(capacity*share, one), capacity-one)
	}
	// To wait for half a bucket instead of one message lets fewer jobs start in vain.
	enough := max((capacity-reserve)/2, one)
	q.Full = sane(q.Full, capacity+maxDebt*one, limits.Rate, now)
	level := levelOf(q.Full, capacity, limits.Rate, now) - reserve
	wait = until(level, enough, limits.Rate)
	if lane != schoolbell.LaneUrgent {
		rate := normalRate(limits)
		q.NormalFull = sane(q.NormalFull, capacity-reserve+maxDebt*one, rate, now)
		normal := levelOf(q.NormalFull, capacity-reserve, rate, now)
		level, wait = min(level, normal), max(wait, until(normal, enough, rate))
	}
	return max(int(level+1e-6), 0), wait
}

// normalRate is the rate of normal messages.
func normalRate(limits ledger.Quota) float64 {
	return limits.Rate * float64(100-limits.UrgentShare) / 100
}

// levelOf returns how many units a bucket has, less than none if it is overdrawn.
func levelOf(full int64, capacity, rate float64, now int64) float64 {
	return capacity - float64(max(full-now, 0))*rate/1e6
}

// until returns how long a bucket takes to get from a level to another.
func until(level, want, rate float64) time.Duration {
	return atLeastMoment(int64(math.Ceil((want - level) / rate * 1e6)))
}

// sane is when a bucket is full. One that lacks more than can be counts as full now.
func sane(full int64, lacking, rate float64, now int64) int64 {
	if full > now+int64(lacking/rate*1e6)+time.Minute.Microseconds() {
		return now
	}
	return full
}

// atLeastMoment is a time in µs, at least a millisecond.
func atLeastMoment(us int64) time.Duration {
	return max(time.Duration(us)*time.Microsecond, time.Millisecond)
}
