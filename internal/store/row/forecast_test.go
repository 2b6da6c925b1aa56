package row

import (
	"math/rand/v2"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// A forecast agrees with reservations that are made as soon as they may be.
func TestForecast(t *testing.T) {
	t.Parallel()
	for _, limits := range []ledger.Quota{{Rate: 14, UrgentShare: 20}, {Rate: 0.5}, {Daily: 300, UrgentShare: 50}, {Rate: 2, Daily: 4000}, {Rate: 50, Daily: 500, Monthly: 2000, UrgentShare: 20}, {Monthly: 700}} {
		for range 20 {
			lane, units := schoolbell.Lanes()[rand.IntN(2)], 1+rand.IntN(3000)
			q, now := &Quota{}, start+rand.Int64N(800*hour)
			for range rand.IntN(5) { // of others, before
				q.Reserve(limits, schoolbell.Lanes()[rand.IntN(2)], rand.IntN(100), now)
				now += rand.Int64N(10 * hour)
			}
			copied := *q
			copied.Hours = append([]QuotaHour{}, q.Hours...)
			f := copied.Forecast(limits, lane, units, now)
			after, reached := sendAll(q, limits, lane, units, now)
			// The bucket lasts a quarter of a second or two messages; a wait for a bucket costs as much.
			slack := time.Second
			if f.Rate > 0 {
				slack += time.Duration(4 / f.Rate * float64(time.Second))
			}
			if d := f.After - after; d > slack || d < -slack || f.Reached != reached {
				t.Errorf("%+v: %d units of %s take %v because of %q, want %v and %q", limits, units, lane, f.After, f.Reached, after, reached)
			}
		}
	}
	if f := (&Quota{}).Forecast(ledger.Quota{Daily: 1}, normal, 1_000_000, start); f.After != maxForecast || f.Reached != ledger.PeriodDay {
		t.Errorf("a forecast without an end is %+v", f)
	}
	if f := (&Quota{}).Forecast(ledger.Quota{Rate: 10, UrgentShare: 20}, normal, 80, start); f != (ledger.Forecast{After: 10 * time.Second, Rate: 8}) {
		t.Errorf("80 normal messages are %+v", f)
	}
}

// sendAll reserves units one after the other, and returns how long it took and the limit of which period made them wait.
func sendAll(q *Quota, limits ledger.Quota, lane schoolbell.Lane, units int, now int64) (after time.Duration, reached ledger.Period) {
	began := now
	for {
		r := q.Reserve(limits, lane, units, now)
		if units -= r.Messages; units == 0 {
			return time.Duration(now-began) * time.Microsecond, reached
		}
		if r.Reached == ledger.PeriodMonth || reached == "" {
			reached = r.Reached
		}
		now += r.NextIn.Microseconds()
	}
}
