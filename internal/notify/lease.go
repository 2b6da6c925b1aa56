package notify

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/outage"
)

// leaseMargin is how long before a lease's end its holder stops relying on it.
const leaseMargin = leaseTTL / 5

// heldLease is a lease and the time during which this process may rely on it.
type heldLease struct {
	ledger.Lease
	ctx   context.Context // ends, with errLeaseEnded, when the lease may be about to
	end   context.CancelCauseFunc
	timer *time.Timer
	until atomic.Pointer[time.Time]
}

// over reports whether the lease cannot be relied on any more. It looks at the
// clock itself: in a process that was frozen, a caller may be quicker than the timer.
func (h *heldLease) over() bool {
	return h.ctx.Err() != nil || !time.Now().Before(*h.until.Load())
}

// extend makes the lease good until then.
func (h *heldLease) extend(until time.Time) {
	h.until.Store(&until)
	h.timer.Reset(time.Until(until))
}

// during is ctx for as long as the lease can be relied on.
func (h *heldLease) during(ctx context.Context) (context.Context, context.CancelFunc) {
	inner, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.ctx, func() { cancel(errLeaseEnded) })
	return leaseContext{inner, h, cancel}, func() { stop(); cancel(nil) }
}

// leaseContext ends, at the latest, when somebody asks whether it has.
type leaseContext struct {
	context.Context
	lease *heldLease
	end   context.CancelCauseFunc
}

func (c leaseContext) Err() error {
	if c.lease.over() {
		c.end(errLeaseEnded)
	}
	return c.Context.Err()
}

var errLeaseEnded = errors.New("the lease in the ledger was not renewed in time")

// leaseKeeper holds this process's lease in the ledger for as long as it runs.
// When the ledger could not be reached in time it takes a new lease, under which
// the rows of the old one are nobody's.
type leaseKeeper struct {
	ledger ledger.Leases
	holder string
	log    *slog.Logger

	mu      sync.Mutex
	held    *heldLease    // nil before the first
	opened  []*heldLease  // those to be closed at the end
	changed chan struct{} // closed and replaced when held changes
	beatNow chan struct{}
}

func newLeaseKeeper(store ledger.Leases, holder string, log *slog.Logger) *leaseKeeper {
	return &leaseKeeper{ledger: store, holder: holder, log: log,
		changed: make(chan struct{}), beatNow: make(chan struct{}, 1)}
}

// Run opens and renews the lease until ctx ends, then closes it: call it so
// that its context ends after everybody who uses the lease has stopped.
func (k *leaseKeeper) Run(ctx context.Context) error {
	var down outage.Log
	for {
		err := k.beat(ctx)
		down.Note(ctx, k.log, slog.LevelError, "renew the lease in the ledger", err)
		wait := leaseTTL / 5
		if err != nil {
			wait = leaseTTL / 20
		}
		select {
		case <-ctx.Done():
			return k.close()
		case <-k.beatNow:
		case <-time.After(wait):
		}
	}
}

// beat renews the lease, or opens one if there is none that can be relied on.
func (k *leaseKeeper) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseTTL/2)
	defer cancel()
	asked := time.Now() // before the ledger starts counting: the local end is never the later one
	if held := k.current(); held != nil {
		err := k.ledger.RenewLease(ctx, held.Lease, leaseTTL)
		switch {
		case err == nil && held.timer.Stop():
			held.extend(asked.Add(leaseTTL - leaseMargin))
			return nil
		case err != nil && schoolbell.CodeOf(err) != schoolbell.CodeConflict:
			return err
		}
		held.end(errLeaseEnded)
		k.log.Warn("lease expired before it was renewed; taking a new one")
	}
	lease, err := k.ledger.OpenLease(ctx, k.holder, leaseTTL)
	if err != nil {
		return err
	}
	k.hold(lease, asked.Add(leaseTTL-leaseMargin))
	return nil
}

func (k *leaseKeeper) hold(lease ledger.Lease, until time.Time) {
	ctx, end := context.WithCancelCause(context.Background())
	held := &heldLease{Lease: lease, ctx: ctx, end: end}
	held.until.Store(&until)
	held.timer = time.AfterFunc(time.Until(until), func() { end(errLeaseEnded) })
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = held
	k.opened = append(k.opened, held)
	close(k.changed)
	k.changed = make(chan struct{})
}

// current returns the lease if it can be relied on, else nil.
func (k *leaseKeeper) current() *heldLease {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held == nil || k.held.over() {
		return nil
	}
	return k.held
}

// Lease returns a lease that can be relied on, and waits for one if necessary.
// It fails only when ctx ends first.
func (k *leaseKeeper) Lease(ctx context.Context) (*heldLease, error) {
	for {
		k.mu.Lock()
		changed := k.changed
		k.mu.Unlock()
		if held := k.current(); held != nil {
			return held, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}

// retire lets a lease run out because the ledger may hold claims under it that
// nobody here knows of: a transaction whose reply was lost. The next caller of Lease gets a new one.
func (k *leaseKeeper) retire(held *heldLease) {
	held.timer.Stop()
	held.end(errLeaseEnded)
	select {
	case k.beatNow <- struct{}{}:
	default:
	}
}

// abandon makes sure that a lease is never closed: rows under it were offered
// to a provider and could not be recorded, so they must not look untried.
func (k *leaseKeeper) abandon(held *heldLease) {
	k.retire(held)
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, h := range k.opened {
		if h == held {
			k.opened = append(k.opened[:i], k.opened[i+1:]...)
			return
		}
	}
}

// close gives every lease of this process back.
func (k *leaseKeeper) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaseTTL/2)
	defer cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, held := range k.opened {
		held.timer.Stop()
		held.end(errLeaseEnded)
		errs = append(errs, k.closeLease(ctx, held.Lease))
	}
	return errors.Join(errs...)
}

// closeAttempts is how often closing a lease is tried: once for each connection that a ledger which was restarted may
// have broken.
const closeAttempts = 20

// closeLease gives a lease back. Closing one that is closed already changes nothing, so it can be tried again.
func (k *leaseKeeper) closeLease(ctx context.Context, lease ledger.Lease) (err error) {
	for range closeAttempts {
		if err = k.ledger.CloseLease(ctx, lease); schoolbell.CodeOf(err) != schoolbell.CodeUnavailable || ctx.Err() != nil {
			return err
		}
	}
	return err
}
