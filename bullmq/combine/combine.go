// Package combine lets concurrent callers share calls to a server.
package combine

import (
	"context"
	"runtime"
	"slices"
	"sync"
)

// Limits are how much one call carries. Other clients of the server wait that long. A single
// item is sent whatever its size.
type Limits struct {
	Items int // in one call
	Size  int // of all items, in the unit of the combiner's size, such as bytes
}

// parallelThreshold is how many callers must wait for a second call beside another.
const parallelThreshold = 5

// Fits reports whether an item of the size next fits into a call that has items of size in all.
func (l Limits) Fits(items, size, next int) bool {
	return items < l.Items && size+next <= l.Size
}

// Combiner sends items that arrive while a call is in flight together with the next call.
// An item that arrives when no call is in flight is sent at once, so nobody waits for
// others. When many callers wait, two calls are in flight at a time, so that the server
// works on one while the callers of the other get their results. It is safe for concurrent
// use and starts no goroutine of its own except for callers that may give up.
type Combiner[T any] struct {
	flush  func(ctx context.Context, items []*T)
	size   func(item *T) int
	limits Limits

	mu       sync.Mutex
	calls    int         // in flight
	inFlight int         // items in these calls
	waiting  []*entry[T] // empty when no call is in flight
}

// New returns a combiner. flush carries out a call and leaves each caller's result in its
// item; two goroutines at a time may call it. Its ctx is the caller's if the call has one item,
// and does not end otherwise. size returns what an item adds to the size of a call.
func New[T any](flush func(ctx context.Context, items []*T), size func(item *T) int, limits Limits) *Combiner[T] {
	return &Combiner[T]{flush: flush, size: size, limits: limits}
}

// entry is one caller's item.
type entry[T any] struct {
	item *T
	// turn gets done when the item was carried out, lead when its caller is to make the
	// next call.
	turn chan turn
}

type turn int

const (
	done turn = iota
	lead
)

// Do carries out an item. It returns the error of ctx if that ends before the item was sent
// or, if other items are sent with it, before the result has arrived.
func (c *Combiner[T]) Do(ctx context.Context, item *T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e := &entry[T]{item: item}
	if c.startAlone(e) {
		c.call(ctx, []*entry[T]{e})
		return nil
	}
	for {
		select {
		case t := <-e.turn:
			if t == done {
				return nil
			}
			c.lead(ctx, e)
		case <-ctx.Done():
			c.giveUp(e)
			return ctx.Err()
		}
	}
}

// startAlone reports whether an item is sent at once. If a call is in flight, the item waits.
func (c *Combiner[T]) startAlone(e *entry[T]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == 0 {
		c.calls, c.inFlight = 1, 1
		return true
	}
	e.turn = make(chan turn, 1)
	c.waiting = append(c.waiting, e)
	c.startNext()
	return false
}

// startNext makes the caller that has waited longest lead a call, if one should be sent
// now. A second call in flight pays only if it is no smaller than the first: each costs the
// server as much as several items do.
func (c *Combiner[T]) startNext() {
	n := len(c.waiting)
	if n == 0 || c.calls == 2 || c.calls == 1 && n < max(parallelThreshold, c.inFlight) {
		return
	}
	leader := c.waiting[0]
	c.waiting = append(c.waiting[:0], c.waiting[1:]...)
	c.calls++
	c.inFlight++
	leader.turn <- lead
}

// lead sends the caller's item and those that wait.
func (c *Combiner[T]) lead(ctx context.Context, own *entry[T]) {
	switch batch := c.takeBatch(own); {
	case len(batch) == 1, ctx.Done() == nil:
		c.call(ctx, batch)
	default: // the others get their results even if this caller gives up
		go c.call(context.WithoutCancel(ctx), batch)
	}
}

// takeBatch takes the items of one call.
func (c *Combiner[T]) takeBatch(own *entry[T]) []*entry[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, size := 0, c.size(own.item)
	for n < len(c.waiting) && c.limits.Fits(n+1, size, c.size(c.waiting[n].item)) {
		size += c.size(c.waiting[n].item)
		n++
	}
	batch := append([]*entry[T]{own}, c.waiting[:n]...)
	c.waiting = append(c.waiting[:0], c.waiting[n:]...)
	c.inFlight += n
	return batch
}

// call makes a call, tells its callers, and starts the next one.
func (c *Combiner[T]) call(ctx context.Context, batch []*entry[T]) {
	items := make([]*T, len(batch))
	for i, e := range batch {
		items[i] = e.item
	}
	c.flush(ctx, items)
	for _, e := range batch {
		if e.turn != nil {
			e.turn <- done
		}
	}
	if len(batch) > 1 || c.hasWaiting() {
		runtime.Gosched() // callers that have their results may be about to call again
	}
	c.ended(len(batch))
}

func (c *Combiner[T]) hasWaiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting) > 0
}

// ended notes the end of a call of n items.
func (c *Combiner[T]) ended(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls--
	c.inFlight -= n
	c.startNext()
}

// giveUp removes an item whose caller no longer waits, unless it is in flight. A caller
// that was to lead the next call leaves that to another.
func (c *Combiner[T]) giveUp(e *entry[T]) {
	c.mu.Lock()
	i := slices.Index(c.waiting, e)
	if i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	}
	c.mu.Unlock()
	if i >= 0 {
		return
	}
	select {
	case t := <-e.turn:
		if t == lead {
			c.ended(1)
		}
	default:
	}
}
