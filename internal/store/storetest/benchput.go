package storetest

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
)

// putCrowd makes people with an email address and a phone.
func putCrowd() []*schoolbell.User {
	list := crowd(10_000)
	for i, u := range list {
		u.Phone = fmt.Sprintf("+4420794%05d", i)
	}
	return list
}

func benchPutNewUsers(b *testing.B, database Database) {
	list := putCrowd()
	m := newMeter(b)
	for b.Loop() {
		m.pause()
		s := newTestStore(b, database(b)())
		m.resume()
		m.put(s, list)
	}
	m.report(len(list))
}

func benchPutSameUsers(b *testing.B, database Database) {
	s, list := newTestStore(b, database(b)()), putCrowd()
	if _, err := s.People.PutUsers(b.Context(), list); err != nil {
		b.Fatal(err)
	}
	m := newMeter(b)
	for b.Loop() {
		m.put(s, list)
	}
	m.report(len(list))
}

// importBatch is the number of people that a transaction of an import stores.
const importBatch = 2_000

// meter measures the processor time of a benchmark, that of the database included.
type meter struct {
	b     *testing.B
	began time.Duration
	spent time.Duration
}

func newMeter(b *testing.B) *meter { return &meter{b: b, began: testenv.CPUTime(b, os.Getpid())} }

func (m *meter) pause() {
	m.spent += testenv.CPUTime(m.b, os.Getpid()) - m.began
	m.b.StopTimer()
}

func (m *meter) resume() {
	m.began = testenv.CPUTime(m.b, os.Getpid())
	m.b.StartTimer()
}

// put stores people as an import does.
func (m *meter) put(s *testStore, list []*schoolbell.User) {
	for batch := range slices.Chunk(list, importBatch) {
		if _, err := s.People.PutUsers(m.b.Context(), batch); err != nil {
			m.b.Fatal(err)
		}
	}
}

// report reports the figures per person, of whom each round puts n.
func (m *meter) report(n int) {
	m.spent += testenv.CPUTime(m.b, os.Getpid()) - m.began
	people := float64(n * m.b.N)
	m.b.ReportMetric(float64(m.spent.Microseconds())/people, "cpu-µs/user")
	m.b.ReportMetric(people/m.b.Elapsed().Seconds(), "users/s")
}
