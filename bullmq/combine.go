package bullmq

import (
	"context"
	"runtime"
	"slices"
	"sync"
)

// combiner lets concurrent callers share a call to Redis: what comes in while one
// is under way goes out together with the next. A caller that is alone goes out
// at once, so that nobody waits for company.
type combiner[T any] struct {
	// flush carries out what several callers want, and leaves each his answer in
	// his item. One goroutine at a time calls it.
	flush func(ctx context.Context, items []*T)
	// size is how many bytes an item takes.
	size func(item *T) int

	mu      sync.Mutex
	flying  bool // a call is under way; a second one beside it would only make both smaller
	waiting []*passage[T]
}

// passage is one caller's item on its way.
type passage[T any] struct {
	item *T
	done chan bool // true when the item is done, false when its caller is to lead the next call
}

// do has the item carried out. The error is the context's, when that ends before the
// item was sent or, if others are sent with it, before the answer is there.
func (c *combiner[T]) do(ctx context.Context, item *T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := &passage[T]{item: item}
	c.mu.Lock()
	if !c.flying {
		c.flying = true
		c.mu.Unlock()
		c.fly(ctx, []*passage[T]{p})
		return nil
	}
	p.done = make(chan bool, 1)
	c.waiting = append(c.waiting, p)
	c.mu.Unlock()
	for {
		select {
		case done := <-p.done:
			if done {
				return nil
			}
			c.lead(ctx, p)
		case <-ctx.Done():
			c.leave(p)
			return ctx.Err()
		}
	}
}

// lead sends the caller's item and what has come in meanwhile.
func (c *combiner[T]) lead(ctx context.Context, own *passage[T]) {
	switch batch := c.board(own); {
	case len(batch) == 1:
		c.fly(ctx, batch)
	case ctx.Done() == nil:
		c.fly(ctx, batch)
	default: // the others get their answers even if this caller gives up
		go c.fly(context.WithoutCancel(ctx), batch)
	}
}

// board takes the items that go out in one call.
func (c *combiner[T]) board(own *passage[T]) []*passage[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, bytes := 0, c.size(own.item)
	for n < len(c.waiting) && fitsCall(n+1, bytes, c.size(c.waiting[n].item)) {
		bytes += c.size(c.waiting[n].item)
		n++
	}
	batch := append([]*passage[T]{own}, c.waiting[:n]...)
	c.waiting = append(c.waiting[:0], c.waiting[n:]...)
	return batch
}

// fly makes a call, has the next one led, and tells the callers of this one.
func (c *combiner[T]) fly(ctx context.Context, batch []*passage[T]) {
	items := make([]*T, len(batch))
	for i, p := range batch {
		items[i] = p.item
	}
	c.flush(ctx, items)
	for _, p := range batch {
		if p.done != nil {
			p.done <- true
		}
	}
	if len(batch) > 1 || c.hasWaiting() {
		runtime.Gosched() // those who have their answers may be about to ask again
	}
	c.land()
}

func (c *combiner[T]) hasWaiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting) > 0
}

// land ends a call and makes the first who waits the leader of the next.
func (c *combiner[T]) land() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.flying = false
		return
	}
	next := c.waiting[0]
	c.waiting = append(c.waiting[:0], c.waiting[1:]...)
	next.done <- false
}

// leave takes back an item whose caller does not wait any longer, unless it is on
// its way. A caller who was to lead the next call leaves that to another.
func (c *combiner[T]) leave(p *passage[T]) {
	c.mu.Lock()
	i := slices.Index(c.waiting, p)
	if i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	}
	c.mu.Unlock()
	if i >= 0 {
		return
	}
	select {
	case done := <-p.done:
		if !done {
			c.land()
		}
	default:
	}
}

// One call carries at most so many jobs, and no further one past so many bytes: other
// clients of the Redis wait that long.
const (
	callJobs  = 100
	callBytes = 1 << 20
)

// fitsCall says whether a job of so many bytes goes into a call with others.
func fitsCall(jobs, bytes, next int) bool {
	return jobs < callJobs && bytes+next <= callBytes
}
