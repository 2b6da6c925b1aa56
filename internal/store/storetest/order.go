package storetest

import (
	"sync"
	"testing"

	"schoolbell"
	"schoolbell/internal/store"
)

// commitOrder has a reader follow the tail while writers race: whatever lies
// below a tail it has seen must have been there then.
func commitOrder(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	ids := a.people(40)
	var evs []string
	for range 8 {
		evs = append(evs, a.create(newEvent(toStudents(), schoolbell.ChannelInApp)))
	}
	var writers sync.WaitGroup
	for i, id := range evs {
		s := []*testStore{a, b}[i%2]
		writers.Go(func() {
			for {
				step, err := s.FanOuts.FanOut(t.Context(), zeroth(id), 10, 10)
				if err != nil {
					t.Error(err)
					return
				}
				if step.Done {
					return
				}
			}
		})
	}
	stopped := make(chan struct{})
	go func() { writers.Wait(); close(stopped) }()

	seen, at := 0, int64(0)
	for last := false; ; {
		tail, _, err := a.Inboxes.InboxTail(t.Context())
		a.must(err)
		if tail < at {
			t.Fatalf("the tail fell from %d to %d", at, tail)
		}
		got, err := a.Inboxes.InboxSince(t.Context(), a.refs(ids...), at, 1_000_000)
		a.must(err)
		for _, items := range got {
			for _, it := range items {
				if it.Position <= tail {
					seen++
				}
			}
		}
		at = tail
		if last {
			break
		}
		select {
		case <-stopped:
			last = true
		default:
		}
	}
	same(t, "items seen by following the tail", seen, len(ids)*len(evs))
}
