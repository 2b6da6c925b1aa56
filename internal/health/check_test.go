package health_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"schoolbell/internal/health"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	t.Run("dependencies are checked at most once in ten seconds", testReadinessCache)
	t.Run("pages do not wait for a check", testLatest)
	t.Run("a dependency is down since it was found so", testSince)
}

// A caller of /readyz must not be able to make the server connect and log in
// somewhere as often as they like.
func testReadinessCache(t *testing.T) {
	t.Parallel()
	var asked, atOnce, most atomic.Int64
	gate := make(chan struct{})
	check := health.NewCheck(func(context.Context, string, error) {}, health.Dependency{Name: "ledger", Check: func(context.Context) error { return nil }},
		health.Dependency{Name: "email", Check: func(context.Context) error {
			asked.Add(1)
			most.Store(max(most.Load(), atOnce.Add(1)))
			defer atOnce.Add(-1)
			<-gate
			return nil
		}})
	clock := &clock{now: time.Unix(1_700_000_000, 0)}
	check.SetClock(clock.read)
	var asking sync.WaitGroup
	for range 50 {
		asking.Go(func() {
			if r := check.Readiness(context.Background()); r.Status != "ok" {
				t.Errorf("%+v", r)
			}
		})
	}
	close(gate)
	asking.Wait()
	clock.add(9 * time.Second)
	if r := check.Readiness(context.Background()); asked.Load() != 1 || r.AgeMS != 9_000 {
		t.Errorf("asked %d times in nine seconds, the answer is %d ms old", asked.Load(), r.AgeMS)
	}
	clock.add(2 * time.Second)
	if r := check.Readiness(context.Background()); asked.Load() != 2 || r.AgeMS != 0 || most.Load() != 1 {
		t.Errorf("asked %d times in eleven seconds, %d at once, the answer is %d ms old", asked.Load(), most.Load(), r.AgeMS)
	}
}

// A page must not wait for a dependency that hangs.
func testLatest(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	gate := make(chan struct{}, 1)
	gate <- struct{}{}
	check := health.NewCheck(func(context.Context, string, error) {}, health.Dependency{Name: "ledger", Check: func(context.Context) error {
		asked.Add(1)
		<-gate
		return nil
	}})
	clock := &clock{now: time.Unix(1_700_000_000, 0)}
	check.SetClock(clock.read)
	if r := check.Latest(context.Background()); r.Status != "ok" || r.AgeMS != 0 {
		t.Errorf("the first answer is %+v", r)
	}
	clock.add(11 * time.Second)
	for range 3 {
		if r := check.Latest(context.Background()); r.Status != "ok" || r.AgeMS != 11_000 {
			t.Errorf("the answer is %+v", r)
		}
	}
	gate <- struct{}{}
	if r := check.Readiness(context.Background()); r.AgeMS != 0 || asked.Load() != 2 {
		t.Errorf("asked %d times, the answer is %d ms old", asked.Load(), r.AgeMS)
	}
	clock.add(2 * time.Minute)
	gate <- struct{}{}
	if r := check.Latest(context.Background()); r.AgeMS != 0 || asked.Load() != 3 {
		t.Errorf("after two minutes: asked %d times, the answer is %d ms old", asked.Load(), r.AgeMS)
	}
}

func testSince(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	works := func(context.Context) error { return nil }
	check := health.NewCheck(func(context.Context, string, error) {}, health.Dependency{Name: "ledger", Check: works}, health.Dependency{Name: "redis", Check: func(context.Context) error {
		if down.Load() {
			return errors.New("no answer")
		}
		return nil
	}})
	clock := &clock{now: time.Unix(1_700_000_000, 0)}
	check.SetClock(clock.read)
	since := func(want time.Time) {
		t.Helper()
		clock.add(11 * time.Second)
		r := check.Readiness(context.Background())
		if got := r.Dependencies[1].Since; !got.Equal(want) || !r.Dependencies[0].Since.IsZero() {
			t.Errorf("down since %v, want %v", got, want)
		}
	}
	since(time.Time{}) // it may have been down for long
	since(time.Time{})
	down.Store(false)
	since(time.Time{})
	down.Store(true)
	first := clock.read().Add(11 * time.Second)
	since(first)
	since(first)
	down.Store(false)
	since(time.Time{})
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
