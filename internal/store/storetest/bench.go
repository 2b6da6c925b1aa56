package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

const benchUsers = 100_000

// Benchmark measures the hot paths at the size of a large school. rows/s counts delivery rows, users/s
// people.
func Benchmark(b *testing.B, database Database) { BenchmarkWithServer(b, database, nil) }

// BenchmarkWithServer is Benchmark for an engine with a server of its own. server returns the processor
// time that the server has used so far.
func BenchmarkWithServer(b *testing.B, database Database, server func() time.Duration) {
	b.Run("PutUsers of 10000 new people", func(b *testing.B) { benchPutNewUsers(b, database) })
	b.Run("PutUsers of 10000 people who stay as they are", func(b *testing.B) { benchPutSameUsers(b, database) })
	b.Run("FanOut to 100000 in-app and by email in chunks of 5000", func(b *testing.B) { benchFanOut(b, database, server) })
	b.Run("Preview of 100000 in-app and by email in chunks of 2000", func(b *testing.B) { benchPreview(b, database, server) })
	b.Run("Advance by 5 workers in groups of 25", func(b *testing.B) { benchAdvance(b, database, server, 5, benchBatches) })
	b.Run("Advance by 2 workers in groups of 4 times 25", func(b *testing.B) { benchAdvance(b, database, server, 2, benchTogether) })
	b.Run("A digest of 3 events for 100000 people", func(b *testing.B) { benchDigest(b, database) })
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("Progress of %d deliveries", n), func(b *testing.B) { benchProgress(b, database, n) })
	}
}

// serverTime reports the processor time of the server for each row since the call.
func serverTime(b *testing.B, server func() time.Duration) (report func(rows int)) {
	if server == nil {
		return func(int) {}
	}
	began := server()
	return func(rows int) {
		b.ReportMetric(float64((server()-began).Nanoseconds())/1_000/float64(rows), "server-µs/row")
	}
}

func crowd(n int) []*schoolbell.User {
	list := make([]*schoolbell.User, n)
	for i := range list {
		list[i] = person(userID(i))
		list[i].Groups = []string{fmt.Sprintf("class%d", i/30)}
		if i%20 > 16 {
			list[i].Roles = []schoolbell.Role{schoolbell.RoleParent}
			list[i].GuardianOf = []string{userID(i / 20 * 20), userID(i/20*20 + 1)}
		}
	}
	return list
}

var everybody = schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}

// large makes a ledger of benchUsers people.
func large(b *testing.B, database Database) *testStore {
	s := newTestStore(b, database(b)())
	s.shared = true
	if _, err := s.People.PutUsers(b.Context(), crowd(benchUsers)); err != nil {
		b.Fatal(err)
	}
	return s
}

func benchFanOut(b *testing.B, database Database, server func() time.Duration) {
	s := large(b, database)
	rows, report := 0, serverTime(b, server)
	for b.Loop() {
		_, n := s.walk(s.create(newEvent(everybody)), 5_000, 100)
		rows += 2 * n
	}
	report(rows)
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// nobody is a visitor that does nothing.
type nobody struct{}

func (nobody) Begin(*schoolbell.Event) error   { return nil }
func (nobody) Visit(ledger.PreviewChunk) error { return nil }

func benchPreview(b *testing.B, database Database, server func() time.Duration) {
	s := large(b, database)
	rows, report := 0, serverTime(b, server)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Previews.Preview(b.Context(), newEvent(everybody), nil, 2_000, nobody{}); err != nil {
			b.Fatal(err)
		}
		rows += 2 * benchUsers
	}
	report(rows)
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

func benchAdvance(b *testing.B, database Database, server func() time.Duration, workers int,
	advance func(*testing.B, *testStore, ledger.Lease, <-chan ledger.Batch) error) {
	s := large(b, database)
	rows, used := 0, time.Duration(0)
	for b.Loop() {
		b.StopTimer()
		batches, n := s.walk(s.create(newEvent(everybody, schoolbell.ChannelEmail)), 5_000, 100)
		rows += n
		work := make(chan ledger.Batch, len(batches))
		for _, batch := range batches {
			work <- batch
		}
		close(work)
		l := s.lease()
		if server != nil {
			used -= server()
		}
		b.StartTimer()
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				if err := advance(b, s, l, work); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		if server != nil {
			used += server()
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	if server != nil {
		b.ReportMetric(float64(used.Nanoseconds())/1_000/float64(rows), "server-µs/row")
	}
}

// benchProgress counts an event of n deliveries by email of which one batch is being delivered.
func benchProgress(b *testing.B, database Database, n int) {
	s := newTestStore(b, database(b)())
	if _, err := s.People.PutUsers(b.Context(), crowd(n)); err != nil {
		b.Fatal(err)
	}
	id := s.create(newEvent(everybody, schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 5_000, 100)
	s.advance(s.lease(), batches[0], nil, 25)
	for b.Loop() {
		if p, err := s.Events.Progress(b.Context(), id); err != nil || p.Total != n {
			b.Fatalf("progress %+v, %v", p, err)
		}
	}
}

func benchBatches(b *testing.B, s *testStore, l ledger.Lease, work <-chan ledger.Batch) error {
	for batch := range work {
		if err := benchBatch(b, s, l, batch); err != nil {
			return err
		}
	}
	return nil
}

func benchBatch(b *testing.B, s *testStore, l ledger.Lease, batch ledger.Batch) error {
	var done []ledger.Attempt
	for {
		g, err := s.tryAdvance(b.Context(), l, batch, done, 25)
		if err != nil {
			return err
		}
		if len(g.Recipients) == 0 {
			if !g.Finished {
				return fmt.Errorf("batch %d is not finished: %+v", batch.Seq, g)
			}
			return nil
		}
		done = benchAttempts(g.Recipients)
	}
}
