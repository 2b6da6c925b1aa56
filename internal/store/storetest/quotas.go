package storetest

import (
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var quotas = []promise{
	{"Concurrent reservations never exceed the rate", quotaRate},
	{"Concurrent reservations use a daily limit up exactly", quotaDaily},
	{"Normal messages leave the urgent share of a quota", quotaShare},
	{"Unused messages of a reservation can be reserved again", quotaSettled},
	{"A refused reservation says when to ask again", quotaRefused},
	{"Quotas of different names do not share anything", quotaNames},
	{"A monthly limit is used up exactly", quotaMonthly},
	{"Units that messages do not take are returned", quotaUnits},
	{"Forecast tells how long messages take and reserves none", quotaForecast},
}

func quotaForecast(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	forecast := func(q ledger.Quota, lane schoolbell.Lane, units int) ledger.Forecast {
		f, err := s.Quotas.Forecast(s.ctx(), q, lane, units)
		s.must(err)
		return f
	}
	rate := ledger.Quota{Name: "email", Rate: 10, UrgentShare: 20}
	same(t, "80 normal messages", forecast(rate, normal, 80), ledger.Forecast{After: 10 * time.Second, Rate: 8})
	same(t, "80 urgent messages", forecast(rate, urgent, 80), ledger.Forecast{After: 8 * time.Second, Rate: 10})
	day := ledger.Quota{Name: "sms", Daily: 100}
	for range 2 { // the first reserves nothing
		same(t, "what a day allows", forecast(day, normal, 100), ledger.Forecast{})
	}
	same(t, "messages of the day", s.reserve(day, normal, 60).Messages, 60)
	same(t, "what is left of it", forecast(day, normal, 40), ledger.Forecast{})
	if f := forecast(day, normal, 41); f.Reached != ledger.PeriodDay || f.After < 23*time.Hour || f.After > 26*time.Hour {
		t.Errorf("one message more is %+v", f)
	}
}

const normal, urgent = schoolbell.LaneNormal, schoolbell.LaneUrgent

func (s *testStore) reserve(q ledger.Quota, lane schoolbell.Lane, most int) ledger.Reservation {
	s.t.Helper()
	r, err := s.Quotas.Reserve(s.ctx(), q, lane, most)
	s.must(err)
	return r
}

// reserveAtOnce lets the lanes of two processes reserve until enough messages are given, or until nothing is
// left today. It returns how many were given to each lane.
func reserveAtOnce(t *testing.T, open func() *store.Ledger, q ledger.Quota, enough int) map[schoolbell.Lane]int {
	t.Helper()
	given := map[schoolbell.Lane]int{}
	var mu sync.Mutex
	var reserving sync.WaitGroup
	for i := range 8 {
		s := newTestStore(t, open())
		lane := schoolbell.Lanes()[i%2]
		reserving.Go(func() {
			for total := 0; total < enough; {
				r, err := s.Quotas.Reserve(t.Context(), q, lane, 3)
				if err != nil || r.Messages < 0 || r.Messages > 3 || (r.Messages < 3) != (r.NextIn > 0) {
					t.Errorf("reservation %+v, %v", r, err)
					return
				}
				mu.Lock()
				given[lane] += r.Messages
				total = given[normal] + given[urgent]
				mu.Unlock()
				if r.Reached != "" {
					return
				}
			}
		})
	}
	reserving.Wait()
	return given
}

func quotaRate(t *testing.T, open func() *store.Ledger) {
	q := ledger.Quota{Name: "email", Rate: 400, UrgentShare: 20}
	start := time.Now()
	given := reserveAtOnce(t, open, q, 300)
	elapsed := time.Since(start).Seconds() + 0.001 // a clock of the ledger may have full milliseconds only
	if most := 100 + 400*elapsed; float64(given[normal]+given[urgent]) > most {
		t.Errorf("%v messages in %f s, want at most %f", given, elapsed, most)
	}
	if most := 80 + 320*elapsed; float64(given[normal]) > most {
		t.Errorf("%d normal messages in %f s, want at most %f", given[normal], elapsed, most)
	}
}

func quotaDaily(t *testing.T, open func() *store.Ledger) {
	q := ledger.Quota{Name: "email", Daily: 200, UrgentShare: 20}
	given := reserveAtOnce(t, open, q, 1000)
	if given[normal]+given[urgent] != 200 || given[normal] > 160 {
		t.Errorf("%v messages were given, want 200, at most 160 of them normal", given)
	}
	same(t, "messages that count", newTestStore(t, open()).reserve(q, normal, 0).Used, 200)
}

func quotaShare(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	daily := ledger.Quota{Name: "daily", Daily: 100, UrgentShare: 20}
	same(t, "normal messages", s.reserve(daily, normal, 1000).Messages, 80)
	same(t, "further normal messages", s.reserve(daily, normal, 1000).Messages, 0)
	same(t, "urgent messages", s.reserve(daily, urgent, 1000).Messages, 20)
	fresh := ledger.Quota{Name: "fresh", Daily: 100, UrgentShare: 20}
	same(t, "urgent messages before others", s.reserve(fresh, urgent, 1000).Messages, 100)
	rate := ledger.Quota{Name: "rate", Rate: 0.001, UrgentShare: 20}
	same(t, "normal messages at once", s.reserve(rate, normal, 1000).Messages, 1)
	same(t, "urgent messages at once", s.reserve(rate, urgent, 1000).Messages, 1)
	least := ledger.Quota{Name: "least", Rate: 0.001, Daily: 1, UrgentShare: 90}
	same(t, "normal messages of one", s.reserve(least, normal, 1000).Messages, 1)
}

func quotaSettled(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	q := ledger.Quota{Name: "email", Rate: 0.001, Daily: 10}
	first := s.reserve(q, normal, 10)
	same(t, "messages", first.Messages, 2)
	s.must(s.Quotas.Settle(s.ctx(), q, normal, first, 1))
	again := s.reserve(q, normal, 10)
	same(t, "messages that were not used", again.Messages, 1)
	same(t, "messages that count", again.Used, 2)
	s.must(s.Quotas.Settle(s.ctx(), q, normal, again, 0))
	s.must(s.Quotas.Settle(s.ctx(), q, normal, s.reserve(q, urgent, 10), 3))
	same(t, "messages after too many", s.reserve(q, urgent, 10).Messages, 0)
}

func quotaRefused(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	rate := ledger.Quota{Name: "rate", Rate: 0.5}
	s.reserve(rate, normal, 10)
	if r := s.reserve(rate, normal, 10); r.Messages != 0 || r.Reached != "" || r.NextIn <= 0 || r.NextIn > 2*time.Second {
		t.Errorf("%+v, want none for up to two seconds", r)
	}
	daily := ledger.Quota{Name: "daily", Rate: 1000, Daily: 1}
	s.reserve(daily, normal, 10)
	if r := s.reserve(daily, normal, 10); r.Messages != 0 || r.Reached != ledger.PeriodDay || r.NextIn < 24*time.Hour || r.NextIn > 25*time.Hour {
		t.Errorf("%+v, want none for a day", r)
	}
}

func quotaNames(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for _, name := range []string{"email", "sms"} {
		q := ledger.Quota{Name: name, Daily: 5}
		same(t, "messages of "+name, s.reserve(q, normal, 10).Messages, 5)
		same(t, "further messages of "+name, s.reserve(q, normal, 10).Messages, 0)
	}
}

func quotaMonthly(t *testing.T, open func() *store.Ledger) {
	q := ledger.Quota{Name: "sms", Monthly: 200, UrgentShare: 20}
	given := reserveAtOnce(t, open, q, 1000)
	if given[normal]+given[urgent] != 200 || given[normal] > 160 {
		t.Errorf("%v messages were given, want 200, at most 160 of them normal", given)
	}
	s := newTestStore(t, open())
	r := s.reserve(q, urgent, 1)
	if r.Messages != 0 || r.Reached != ledger.PeriodMonth || r.UsedMonth != 200 || r.NextIn <= 0 || r.NextIn > 31*24*time.Hour {
		t.Errorf("%+v, want none for the rest of the month", r)
	}
	s.must(s.Quotas.Settle(s.ctx(), q, urgent, ledger.Reservation{Messages: 5, Hour: time.Now().Unix() / 3600}, 0))
	same(t, "messages that were not used", s.reserve(q, urgent, 10).Messages, 5)
}

func quotaUnits(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	q := ledger.Quota{Name: "sms", Monthly: 100, PerMessage: 3}
	r := s.reserve(q, normal, 10)
	same(t, "messages", r.Messages, 10)
	same(t, "units of ten messages", r.UsedMonth, 30)
	s.must(s.Quotas.Settle(s.ctx(), q, normal, r, 12))
	rest := s.reserve(q, normal, 1000)
	same(t, "messages for the other 88 units", rest.Messages, 29)
	same(t, "units that count", rest.UsedMonth, 99)
	again := s.reserve(q, normal, 1)
	same(t, "messages for one unit", again.Messages, 0)
	same(t, "the reason", again.Reached, ledger.PeriodMonth)
}
