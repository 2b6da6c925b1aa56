package api

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// readinessAge is how long an answer of /readyz is good. Asking is free for whoever
// can reach the page, and each check may connect and log in somewhere.
const readinessAge = 10 * time.Second

// ReadinessCheck answers whether everything a process needs is there. It asks the
// dependencies at most once in ten seconds, however many ask it, and one check at
// a time. It is safe for concurrent use.
type ReadinessCheck struct {
	ask func(ctx context.Context) Readiness
	age time.Duration
	now func() time.Time

	mu      sync.Mutex
	last    Readiness
	asked   time.Time     // when last was found out; zero before the first time
	running chan struct{} // closed when the check under way is done; nil if there is none
}

// NewReadinessCheck returns a check of the ledger, which alone is needed to accept
// events, and of the other dependencies. Causes of failures go to log.
func NewReadinessCheck(log *slog.Logger, ledger Dependency, others ...Dependency) *ReadinessCheck {
	return &ReadinessCheck{age: readinessAge, now: time.Now, ask: func(ctx context.Context) Readiness {
		return checkReadiness(ctx, log, ledger, others...)
	}}
}

// Readiness returns the latest answer, at most ten seconds old, or waits for the one
// being found out. If ctx ends first, the process counts as not ready.
func (c *ReadinessCheck) Readiness(ctx context.Context) Readiness {
	for {
		c.mu.Lock()
		now := c.now()
		if !c.asked.IsZero() && now.Sub(c.asked) < c.age {
			r := c.last
			r.AgeMS = now.Sub(c.asked).Milliseconds()
			c.mu.Unlock()
			return r
		}
		if c.running == nil {
			c.running = make(chan struct{})
			go c.run(context.WithoutCancel(ctx)) // others may wait for it
		}
		done := c.running
		c.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return NotStarted("the check was given up")
		}
	}
}

func (c *ReadinessCheck) run(ctx context.Context) {
	r := c.ask(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.asked = r, c.now()
	close(c.running)
	c.running = nil
}
