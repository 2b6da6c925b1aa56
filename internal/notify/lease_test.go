package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// clockedLeases are leases by the test's clock, over a connection that can be cut.
type clockedLeases struct {
	mu     sync.Mutex
	ends   map[int64]time.Time
	closed []int64
	cut    bool
}

var errCut = errors.New("connection is cut")

func (c *clockedLeases) OpenLease(_ context.Context, _ string, ttl time.Duration) (ledger.Lease, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return ledger.Lease{}, errCut
	}
	id := int64(len(c.ends) + 1)
	c.ends[id] = time.Now().Add(ttl)
	return ledger.Lease{ID: id}, nil
}

func (c *clockedLeases) RenewLease(_ context.Context, l ledger.Lease, ttl time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cut:
		return errCut
	case !time.Now().Before(c.ends[l.ID]):
		return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "lease has ended"}
	}
	c.ends[l.ID] = time.Now().Add(ttl)
	return nil
}

func (c *clockedLeases) CloseLease(_ context.Context, l ledger.Lease) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = append(c.closed, l.ID)
	return nil
}

func (c *clockedLeases) setCut(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
}

func (c *clockedLeases) live(id int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.ends[id])
}

// runKeeper runs a keeper for the length of body, on the test's clock.
func runKeeper(t *testing.T, body func(t *testing.T, k *leaseKeeper, l *clockedLeases)) *clockedLeases {
	t.Helper()
	store := &clockedLeases{ends: map[int64]time.Time{}}
	synctest.Test(t, func(t *testing.T) {
		k := newLeaseKeeper(store, "test", slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		body(t, k, store)
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return store
}

func mustLease(t *testing.T, k *leaseKeeper) *heldLease {
	t.Helper()
	held, err := k.Lease(t.Context())
	if err != nil {
		t.Fatalf("Lease: %v", err)
	}
	return held
}

func TestLease(t *testing.T) {
	t.Run("a held lease is renewed, then closed", testLeaseRenewed)
	t.Run("a lease ends for its holder before it ends in the ledger", testLeaseEndsEarlier)
	t.Run("a retired lease expires and is closed at shutdown", testLeaseRetired)
	t.Run("an abandoned lease is never closed", testLeaseAbandoned)
	t.Run("a lease ends on time even if its timer is late", testLeaseLateTimer)
}

func testLeaseRenewed(t *testing.T) {
	store := runKeeper(t, func(t *testing.T, k *leaseKeeper, l *clockedLeases) {
		held := mustLease(t, k)
		<-time.After(10 * leaseTTL)
		if held.ctx.Err() != nil || !l.live(held.ID) {
			t.Error("the lease ended although it was kept")
		}
		if again := mustLease(t, k); again != held {
			t.Error("a second lease was opened beside the first")
		}
	})
	if !slices.Equal(store.closed, []int64{1}) {
		t.Errorf("closed leases %v, want the one", store.closed)
	}
}

func testLeaseEndsEarlier(t *testing.T) {
	runKeeper(t, func(t *testing.T, k *leaseKeeper, l *clockedLeases) {
		held := mustLease(t, k)
		l.setCut(true)
		<-held.ctx.Done()
		if !l.live(held.ID) {
			t.Error("the ledger ended the lease before its holder stopped relying on it")
		}
		if !errors.Is(context.Cause(held.ctx), errLeaseEnded) {
			t.Errorf("cause is %v, want errLeaseEnded", context.Cause(held.ctx))
		}
		ctx, cancel := context.WithTimeout(t.Context(), leaseTTL)
		defer cancel()
		if _, err := k.Lease(ctx); err == nil {
			t.Error("a lease was handed out while the ledger was unavailable")
		}
		l.setCut(false)
		if fresh := mustLease(t, k); fresh.ID == held.ID || !l.live(fresh.ID) {
			t.Error("no new lease once the ledger was back")
		}
	})
}

func testLeaseRetired(t *testing.T) {
	store := runKeeper(t, func(t *testing.T, k *leaseKeeper, l *clockedLeases) {
		first := mustLease(t, k)
		k.retire(first)
		second := mustLease(t, k)
		if second.ID == first.ID {
			t.Fatal("the retired lease was handed out again")
		}
		<-time.After(leaseTTL + time.Second)
		if l.live(first.ID) || !l.live(second.ID) {
			t.Error("want the retired lease ended and its successor alive")
		}
	})
	if !slices.Equal(store.closed, []int64{1, 2}) {
		t.Errorf("closed leases %v, want both", store.closed)
	}
}

func testLeaseAbandoned(t *testing.T) {
	store := runKeeper(t, func(t *testing.T, k *leaseKeeper, _ *clockedLeases) {
		k.abandon(mustLease(t, k))
		mustLease(t, k)
	})
	if !slices.Equal(store.closed, []int64{2}) {
		t.Errorf("closed leases %v, want only the one nobody abandoned", store.closed)
	}
}

// A process that was frozen runs its goroutines in any order when it wakes up.
func testLeaseLateTimer(t *testing.T) {
	runKeeper(t, func(t *testing.T, k *leaseKeeper, _ *clockedLeases) {
		held := mustLease(t, k)
		ctx, stop := held.during(t.Context())
		defer stop()
		if ctx.Err() != nil {
			t.Fatal("it is over at once")
		}
		past := time.Now()
		held.until.Store(&past) // the timer is set for later
		if ctx.Err() == nil || !errors.Is(context.Cause(ctx), errLeaseEnded) {
			t.Errorf("error %v, cause %v, want errLeaseEnded", ctx.Err(), context.Cause(ctx))
		}
		select {
		case <-ctx.Done():
		default:
			t.Error("it has an error and is not done")
		}
		if fresh := mustLease(t, k); fresh == held {
			t.Error("the lease was handed out although it is over")
		}
	})
}
