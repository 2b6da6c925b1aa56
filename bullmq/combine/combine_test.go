package combine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"schoolbell/bullmq/testproc"
)

var testLimits = Limits{Items: 100, Size: 1 << 20}

// parcel is an item of the combiner under test.
type parcel struct{ n, size, answer int }

// gated is a combiner whose calls wait until they are let through.
type gated struct {
	Combiner[parcel]
	begun chan []int // the items of each call
	let   chan struct{}
}

func newGated() *gated {
	g := &gated{begun: make(chan []int), let: make(chan struct{})}
	g.limits = testLimits
	g.size = func(p *parcel) int { return p.size }
	g.flush = func(_ context.Context, items []*parcel) {
		var ns []int
		for _, p := range items {
			ns = append(ns, p.n)
			p.answer = p.n * 2
		}
		slices.Sort(ns)
		g.begun <- ns
		<-g.let
	}
	return g
}

// queued waits until so many callers wait.
func (g *gated) queued(t *testing.T, n int) {
	t.Helper()
	testproc.Eventually(t, 20*time.Second, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.waiting) == n
	}, "%d callers wait", n)
}

// atRest waits until nothing is in flight and nobody waits.
func atRest(t *testing.T, c *Combiner[parcel]) {
	t.Helper()
	testproc.Eventually(t, 20*time.Second, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.calls == 0 && c.inFlight == 0 && len(c.waiting) == 0
	}, "no call is in flight")
}

func TestCombiner(t *testing.T) {
	t.Parallel()
	t.Run("items that arrive during a call share the next", testCombinerSharedCall)
	t.Run("many callers are served by two parallel calls", testCombinerParallelCalls)
	t.Run("a cancelled caller does not affect the others", testCombinerCancelledCaller)
	t.Run("every caller gets its own answer under load", testCombinerLoad)
}

func testCombinerSharedCall(t *testing.T) {
	t.Parallel()
	g := newGated()
	var callers sync.WaitGroup
	call := func(ctx context.Context, p *parcel) {
		callers.Go(func() {
			if err := g.Do(ctx, p); err != nil || p.answer != 2*p.n {
				t.Errorf("%d was answered %d, %v", p.n, p.answer, err)
			}
		})
	}
	call(t.Context(), &parcel{n: 1})
	if got := <-g.begun; !slices.Equal(got, []int{1}) {
		t.Errorf("first call: %v", got)
	}
	call(context.Background(), &parcel{n: 2})
	g.queued(t, 1)
	call(t.Context(), &parcel{n: 3})
	g.queued(t, 2)
	call(t.Context(), &parcel{n: 4, size: testLimits.Size})
	g.queued(t, 3)
	call(t.Context(), &parcel{n: 5, size: 1})
	g.queued(t, 4)
	for _, want := range [][]int{{2, 3, 4}, {5}} {
		g.let <- struct{}{}
		if got := <-g.begun; !slices.Equal(got, want) {
			t.Errorf("next call: %v, want %v", got, want)
		}
	}
	g.let <- struct{}{}
	callers.Wait()
	atRest(t, &g.Combiner)
}

func testCombinerParallelCalls(t *testing.T) {
	t.Parallel()
	g := newGated()
	var callers sync.WaitGroup
	call := func(n int) {
		callers.Go(func() {
			if err := g.Do(context.Background(), &parcel{n: n}); err != nil {
				t.Error(err)
			}
		})
	}
	call(0)
	<-g.begun
	for n := range parallelThreshold - 1 {
		call(n)
	}
	g.queued(t, parallelThreshold-1) // too few
	call(0)
	if got := <-g.begun; len(got) != parallelThreshold {
		t.Errorf("the second call has %d items, want %d", len(got), parallelThreshold)
	}
	for range 2 * parallelThreshold {
		call(0)
	}
	g.queued(t, 2*parallelThreshold) // a third call must wait
	g.let <- struct{}{}
	if got := <-g.begun; len(got) != 2*parallelThreshold {
		t.Errorf("the third call has %d items, want %d", len(got), 2*parallelThreshold)
	}
	g.let <- struct{}{}
	g.let <- struct{}{}
	callers.Wait()
	atRest(t, &g.Combiner)
}

func testCombinerCancelledCaller(t *testing.T) {
	t.Parallel()
	g := newGated()
	var callers sync.WaitGroup
	defer callers.Wait()
	first, last := &parcel{n: 1}, &parcel{n: 3}
	callers.Go(func() { _ = g.Do(context.Background(), first) })
	<-g.begun
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	callers.Go(func() { gone <- g.Do(ctx, &parcel{n: 2}) })
	g.queued(t, 1)
	callers.Go(func() {
		if err := g.Do(context.Background(), last); err != nil || last.answer != 6 {
			t.Errorf("answered %d, %v", last.answer, err)
		}
	})
	g.queued(t, 2)
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	g.let <- struct{}{}
	if got := <-g.begun; !slices.Equal(got, []int{3}) {
		t.Errorf("next call: %v", got)
	}

	// One that gives up while its call is in flight gets no answer; the others do.
	ctx, cancel = context.WithCancel(context.Background())
	callers.Go(func() { gone <- g.Do(ctx, &parcel{n: 4}) })
	g.queued(t, 1)
	other := &parcel{n: 5}
	callers.Go(func() {
		if err := g.Do(context.Background(), other); err != nil || other.answer != 10 {
			t.Errorf("answered %d, %v", other.answer, err)
		}
	})
	g.queued(t, 2)
	g.let <- struct{}{}
	if got := <-g.begun; !slices.Equal(got, []int{4, 5}) {
		t.Errorf("last call: %v", got)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	g.let <- struct{}{}
}

func testCombinerLoad(t *testing.T) {
	t.Parallel()
	c := Combiner[parcel]{limits: testLimits, size: func(*parcel) int { return 1 }, flush: func(_ context.Context, items []*parcel) {
		if len(items) > testLimits.Items {
			t.Errorf("%d items in one call", len(items))
		}
		for _, p := range items {
			p.answer = p.n + 1
		}
	}}
	var callers sync.WaitGroup
	for i := range 300 {
		callers.Go(func() {
			for n := range 50 {
				ctx, cancel := context.WithCancel(context.Background())
				if (i+n)%7 == 0 {
					go cancel() // at any moment
				}
				p := &parcel{n: n}
				if err := c.Do(ctx, p); err == nil && p.answer != n+1 {
					t.Errorf("answered %d", p.answer)
				}
				cancel()
			}
		})
	}
	callers.Wait()
	atRest(t, &c) // a call whose callers have all given up may still be in flight
}
