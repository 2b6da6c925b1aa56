package row

import (
	"math/rand/v2"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

func TestQuota(t *testing.T) {
	t.Parallel()
	t.Run("no period has more messages than the rate allows", testQuotaRate)
	t.Run("urgent messages can use the whole rate, normal ones not", testQuotaLanes)
	t.Run("no 24 hours have more messages than the limit", testQuotaDay)
	t.Run("a wait that is over leads to a reservation", testQuotaWait)
	t.Run("a clock that was set back blocks nothing", testQuotaClock)
	t.Run("hours are stored and read again", testQuotaHours)
	t.Run("no month has more messages than the limit", testQuotaMonth)
	t.Run("the rate counts the units of messages", testQuotaUnits)
}

const (
	normal, urgent = schoolbell.LaneNormal, schoolbell.LaneUrgent
	second         = int64(1e6)
	hour           = 3600 * second
	start          = 490_000 * hour
)

// grant is what was used at a time.
type grant struct {
	at int64
	n  int
}

// most returns the largest number of messages in any period of that length.
func most(grants []grant, period int64) (most int) {
	sum, first := 0, 0
	for _, g := range grants {
		for sum += g.n; grants[first].at <= g.at-period; first++ {
			sum -= grants[first].n
		}
		most = max(most, sum)
	}
	return most
}

func testQuotaRate(t *testing.T) {
	for _, rate := range []float64{0.3, 1, 14, 333, 5000} {
		limits, q := ledger.Quota{Rate: rate, UrgentShare: 20}, &Quota{}
		capacity := max(rate/4, 2)
		var all, ofNormal []grant
		for now := start; now < start+200*second; now += rand.Int64N(second / 5) {
			lane := schoolbell.Lanes()[rand.IntN(2)]
			r := q.Reserve(limits, lane, 1+rand.IntN(60), now)
			used := rand.IntN(r.Messages + 1)
			q.Settle(limits, lane, r, used, now)
			all = append(all, grant{now, used})
			if lane == normal {
				ofNormal = append(ofNormal, grant{now, used})
			}
		}
		for _, s := range []int64{1, 2, 10, 60} {
			if n, want := most(all, s*second), capacity+rate*float64(s); float64(n) > want+1e-3 {
				t.Errorf("rate %v: %d messages in %d s, want at most %v", rate, n, s, want)
			}
			if n, want := most(ofNormal, s*second), capacity+0.8*rate*float64(s); float64(n) > want+1e-3 {
				t.Errorf("rate %v: %d normal messages in %d s, want at most %v", rate, n, s, want)
			}
		}
	}
}

// reserveAll reserves for the lanes in turn for some seconds, each as soon as it may, and returns how many messages each got.
func reserveAll(limits ledger.Quota, seconds int64, lanes ...schoolbell.Lane) map[schoolbell.Lane]int {
	q, got, next := &Quota{}, map[schoolbell.Lane]int{}, map[schoolbell.Lane]int64{}
	for now := start; now < start+seconds*second; now += 1000 {
		for _, lane := range lanes {
			if now < next[lane] {
				continue
			}
			r := q.Reserve(limits, lane, 50, now)
			got[lane] += r.Messages
			next[lane] = now + r.NextIn.Microseconds()
		}
	}
	return got
}

func testQuotaLanes(t *testing.T) {
	limits := ledger.Quota{Rate: 14, UrgentShare: 20}
	within := func(what string, n, least, most int) {
		t.Helper()
		if n < least || n > most {
			t.Errorf("%s: %d messages, want %d to %d", what, n, least, most)
		}
	}
	within("normal alone", reserveAll(limits, 100, normal)[normal], 1110, 1124)
	within("urgent alone", reserveAll(limits, 100, urgent)[urgent], 1390, 1404)
	both := reserveAll(limits, 100, normal, urgent)
	within("both", both[normal]+both[urgent], 1390, 1404)
	if both[urgent] < 280 {
		t.Errorf("urgent messages got %d beside normal ones, want at least their share", both[urgent])
	}
	limits.UrgentShare = 0
	within("normal without a share", reserveAll(limits, 100, normal)[normal], 1390, 1404)
}

func testQuotaDay(t *testing.T) {
	limits, q := ledger.Quota{Daily: 1000, UrgentShare: 20}, &Quota{}
	var all, ofNormal []grant
	for now := start + hour/3; now < start+100*hour; now += rand.Int64N(hour / 20) {
		lane := schoolbell.Lanes()[rand.IntN(2)]
		r := q.Reserve(limits, lane, rand.IntN(60), now)
		all = append(all, grant{now, r.Messages})
		if lane == normal {
			ofNormal = append(ofNormal, grant{now, r.Messages})
		}
	}
	if n := most(all, 24*hour); n > 1000 || n < 990 {
		t.Errorf("%d messages in 24 hours, want 1000", n)
	}
	if n := most(ofNormal, 24*hour); n > 800 {
		t.Errorf("%d normal messages in 24 hours, want at most 800", n)
	}
	if len(q.Hours) > 25 {
		t.Errorf("%d hours are kept", len(q.Hours))
	}
}

func testQuotaWait(t *testing.T) {
	for _, limits := range []ledger.Quota{{Rate: 14, UrgentShare: 20}, {Rate: 1, UrgentShare: 90}, {Rate: 700}, {Daily: 300, UrgentShare: 50}, {Rate: 2, Daily: 40}, {Rate: 2, Monthly: 100, PerMessage: 3, UrgentShare: 20}, {Daily: 50, PerMessage: 10}} {
		q, now := &Quota{}, start
		for range 2000 {
			lane := schoolbell.Lanes()[rand.IntN(2)]
			r := q.Reserve(limits, lane, 1+rand.IntN(50), now)
			if r.Messages > 0 {
				continue
			}
			now += r.NextIn.Microseconds()
			if again := q.Reserve(limits, lane, 1, now); again.Messages != 1 && again.Reached == r.Reached {
				t.Fatalf("%+v: after %v: %+v", limits, r.NextIn, again)
			}
		}
	}
}

func testQuotaClock(t *testing.T) {
	limits, q := ledger.Quota{Rate: 14, UrgentShare: 20}, &Quota{}
	q.Reserve(limits, normal, 50, start)
	for _, lane := range schoolbell.Lanes() {
		if r := q.Reserve(limits, lane, 1, start-5*hour); r.Messages != 1 {
			t.Errorf("%s messages wait: %+v", lane, r)
		}
	}
}

func testQuotaHours(t *testing.T) {
	limits, q, again := ledger.Quota{Daily: 10}, &Quota{}, &Quota{}
	if err := again.ReadHours(q.HoursText()); err != nil || len(again.Hours) != 0 {
		t.Errorf("no hours are read as %+v, %v", again.Hours, err)
	}
	q.Reserve(limits, normal, 3, start)
	q.Reserve(limits, urgent, 4, start+hour)
	if err := again.ReadHours(q.HoursText()); err != nil || len(again.Hours) != 2 || again.Hours[0] != q.Hours[0] || again.Hours[1] != q.Hours[1] {
		t.Errorf("%s is read as %+v, %v", q.HoursText(), again.Hours, err)
	}
	if err := again.ReadHours("{"); err == nil {
		t.Error("hours that are not JSON are read")
	}
}

func testQuotaMonth(t *testing.T) {
	limits, q := ledger.Quota{Monthly: 1000, UrgentShare: 20}, &Quota{}
	begin := time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)
	used := map[time.Month]map[schoolbell.Lane]int{}
	for at := begin; at.Before(begin.AddDate(0, 5, 0)); at = at.Add(time.Duration(rand.Int64N(int64(2 * time.Hour)))) {
		lane := schoolbell.Lanes()[rand.IntN(2)]
		r := q.Reserve(limits, lane, rand.IntN(10), at.UnixMicro())
		if used[at.Month()] == nil {
			used[at.Month()] = map[schoolbell.Lane]int{}
		}
		used[at.Month()][lane] += r.Messages
		if sum := used[at.Month()][normal] + used[at.Month()][urgent]; r.UsedMonth != sum || sum > 1000 || used[at.Month()][normal] > 800 {
			t.Fatalf("%v: %v messages, %d of them count", at, used[at.Month()], r.UsedMonth)
		}
		again := &Quota{}
		if err := again.ReadHours(q.HoursText()); err != nil || again.Month != q.Month || len(again.Hours) != 0 {
			t.Fatalf("%s is read as %+v, %v", q.HoursText(), again, err)
		}
	}
	if full := used[time.March][normal] + used[time.March][urgent]; full != 1000 {
		t.Errorf("%d messages in March, want all 1000", full)
	}
	end := time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC).UnixMicro()
	q.Reserve(limits, urgent, 2000, end)
	if r := q.Reserve(limits, urgent, 1, end); r.Messages != 0 || r.Reached != ledger.PeriodMonth || r.NextIn != time.Second {
		t.Errorf("a second before the year ends: %+v", r)
	}
	if r := q.Reserve(limits, urgent, 1, end+second); r.Messages != 1 {
		t.Errorf("in the new year: %+v", r)
	}
}

func testQuotaUnits(t *testing.T) {
	limits, q := ledger.Quota{Rate: 10, UrgentShare: 20, PerMessage: 3}, &Quota{}
	units, now := 0, start
	for ; now < start+300*second; now += rand.Int64N(second / 2) {
		lane := schoolbell.Lanes()[rand.IntN(2)]
		r := q.Reserve(limits, lane, 1+rand.IntN(20), now)
		used := 0
		for range r.Messages {
			used += 1 + rand.IntN(3)
		}
		q.Settle(limits, lane, r, used, now)
		units += used
	}
	if most := 10*int(now-start)/int(second) + 6; units > most || units < most/2 {
		t.Errorf("%d units in five minutes, want up to %d", units, most)
	}
}
