package health

import (
	"context"
	"sync"
	"time"
)

// maxAge is how old an answer of /readyz may be. Anybody who can reach the page may
// ask, and each check may connect and log in somewhere.
const maxAge = 10 * time.Second

// maxLatestAge is how old an answer may be that nobody has waited for.
const maxLatestAge = time.Minute

// Check answers whether everything a process needs is there. It asks the
// dependencies at most once in ten seconds, however many ask it, and one check at
// a time. It is safe for concurrent use.
type Check struct {
	ask func(ctx context.Context) Readiness
	age time.Duration
	now func() time.Time

	mu      sync.Mutex
	last    Readiness
	asked   time.Time     // when last was found out; zero before the first time
	running chan struct{} // closed when the check under way is done; nil if there is none
}

// NewCheck returns a check of the ledger, which alone is needed to accept
// events, and of the other dependencies. Causes of failures go to report.
func NewCheck(report Report, ledger Dependency, others ...Dependency) *Check {
	return &Check{age: maxAge, now: time.Now, ask: func(ctx context.Context) Readiness {
		return checkReadiness(ctx, report, ledger, others...)
	}}
}

// Readiness returns the latest answer, at most ten seconds old, or waits for the one
// being found out. If ctx ends first, the process counts as not ready.
func (c *Check) Readiness(ctx context.Context) Readiness {
	for {
		c.mu.Lock()
		now := c.now()
		if !c.asked.IsZero() && now.Sub(c.asked) < c.age {
			r := c.last
			r.AgeMS = now.Sub(c.asked).Milliseconds()
			c.mu.Unlock()
			return r
		}
		c.begin(ctx)
		done := c.running
		c.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return NotStarted("the check was cancelled")
		}
	}
}

// Latest is Readiness for callers that should not wait until every dependency has answered, such as pages: it returns the latest
// answer, at most a minute old. If that is older than ten seconds, a check begins for those who ask next. It waits only if nobody
// has asked for a minute.
func (c *Check) Latest(ctx context.Context) Readiness {
	c.mu.Lock()
	age := c.now().Sub(c.asked)
	if c.asked.IsZero() || age >= maxLatestAge {
		c.mu.Unlock()
		return c.Readiness(ctx)
	}
	defer c.mu.Unlock()
	if age >= c.age {
		c.begin(ctx)
	}
	r := c.last
	r.AgeMS = age.Milliseconds()
	return r
}

// begin begins a check unless one is running. The caller holds the mutex.
func (c *Check) begin(ctx context.Context) {
	if c.running == nil {
		c.running = make(chan struct{})
		go c.run(context.WithoutCancel(ctx)) // others may wait for it
	}
}

func (c *Check) run(ctx context.Context) {
	r := c.ask(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.noteSince(r, now)
	c.last, c.asked = r, now
	close(c.running)
	c.running = nil
}

// noteSince says of each dependency that is down since when. Before the first answer nothing is known of it.
func (c *Check) noteSince(r Readiness, now time.Time) {
	for i, d := range r.Dependencies {
		if i >= len(c.last.Dependencies) || d.Status == statusOK {
			continue
		}
		r.Dependencies[i].Since = now
		if before := c.last.Dependencies[i]; before.Status != statusOK {
			r.Dependencies[i].Since = before.Since
		}
	}
}
