package storetest

import (
	"sync"
	"testing"
	"time"

	"schoolbell/internal/ledger"
)

// benchDigest measures a digest with three items for each of benchUsers people: the search for open windows, the transaction
// that makes the digest, and its walk and claims.
func benchDigest(b *testing.B, database Database) {
	s := large(b, database)
	everyoneWantsDigests(s)
	for b.Loop() {
		b.StopTimer()
		for range 3 {
			s.walk(s.create(newEvent(everybody)), 5_000, 100)
		}
		b.StartTimer()
		began := time.Now()
		open, err := s.Digests.OpenDigests(b.Context())
		if err != nil || len(open) != 1 {
			b.Fatalf("open digests: %+v, %v", open, err)
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "search-ms")
		at := later()
		ev := digestEvent(at)
		began = time.Now()
		items, err := s.Digests.CloseDigests(b.Context(), ev, []ledger.DigestClosing{{Timezone: open[0].Timezone, Window: open[0].Window, At: at}})
		if err != nil || items != 3*benchUsers {
			b.Fatalf("%d items, %v", items, err)
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "close-ms")
		began = time.Now()
		batches, people := s.walk(ev.ID, 2_000, 100)
		work := make(chan ledger.Batch, len(batches))
		for _, batch := range batches {
			work <- batch
		}
		close(work)
		if err := benchBatches(b, s, s.lease(), work); err != nil || people != benchUsers {
			b.Fatalf("%d people, %v", people, err)
		}
		b.ReportMetric(float64(people)/time.Since(began).Seconds(), "people/s")
	}
}

// everyoneWantsDigests lets all people of a large ledger get announcements in a digest.
func everyoneWantsDigests(s *testStore) {
	users := make(chan string)
	var writing sync.WaitGroup
	for range 8 {
		writing.Go(func() {
			for user := range users {
				s.wantDigest(user)
			}
		})
	}
	for i := range benchUsers {
		users <- userID(i)
	}
	close(users)
	writing.Wait()
}
