package bullmq

import (
	"context"
	"runtime"
	"slices"
	"sync"
)

// combiner lets concurrent callers share a call to Redis: what comes in while one
// is under way goes out together with the next. A caller that is alone goes out
// at once, so that nobody waits for company. A crowd is served by two calls at a
// time, so that Redis works at one while the callers of the other are told.
type combiner[T any] struct {
	// flush carries out what several callers want, and leaves each his answer in
	// his item. Two goroutines at a time may call it.
	flush func(ctx context.Context, items []*T)
	// size is how many bytes an item takes.
	size func(item *T) int

	mu      sync.Mutex
	flying  int           // calls under way
	aboard  int           // items in them
	waiting []*passage[T] // nobody, when no call is under way
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
	if c.alone(p) {
		c.fly(ctx, []*passage[T]{p})
		return nil
	}
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

// alone says that an item goes out at once. If a call is under way, it waits instead.
func (c *combiner[T]) alone(p *passage[T]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flying == 0 {
		c.flying, c.aboard = 1, 1
		return true
	}
	p.done = make(chan bool, 1)
	c.waiting = append(c.waiting, p)
	c.dispatch()
	return false
}

// dispatch makes the first who waits the leader of a call, if one is to go out now. A
// second call beside another pays only where it is no smaller: each costs Redis as much as
// several jobs do.
func (c *combiner[T]) dispatch() {
	n := len(c.waiting)
	if n == 0 || c.flying == 2 || c.flying == 1 && n < max(crowd, c.aboard) {
		return
	}
	leader := c.waiting[0]
	c.waiting = append(c.waiting[:0], c.waiting[1:]...)
	c.flying++
	c.aboard++
	leader.done <- false
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
	c.aboard += n
	return batch
}

// fly makes a call, tells its callers, and has the next one led.
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
	c.land(len(batch))
}

func (c *combiner[T]) hasWaiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting) > 0
}

// land ends a call of n items.
func (c *combiner[T]) land(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flying--
	c.aboard -= n
	c.dispatch()
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
			c.land(1)
		}
	default:
	}
}

// crowd is how many must wait for a second call beside another.
const crowd = 5

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
