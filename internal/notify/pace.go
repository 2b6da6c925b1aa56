package notify

import (
	"sync"
	"time"
)

const (
	firstRest = 5 * time.Second
	maxRest   = time.Minute // what an outage at the provider costs at most after its end
)

// pace lets all jobs of a channel in this process rest together when the
// provider asks for it, twice as long each time until a message goes through.
type pace struct {
	mu      sync.Mutex
	until   time.Time
	strikes int
}

// slowDown begins a rest of the length asked for (0: our own idea) unless one is going on, and returns what is left.
func (p *pace) slowDown(asked time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left := time.Until(p.until); left > 0 {
		return left
	}
	rest := min(firstRest<<min(p.strikes, 10), maxRest)
	if asked > 0 {
		rest = min(asked, time.Hour)
	}
	p.strikes++
	p.until = time.Now().Add(rest)
	return rest
}

// good notes that the provider takes messages.
func (p *pace) good() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().After(p.until) {
		p.strikes = 0
	}
}

// rest returns how long the channel is still to be left alone; 0 or less means not at all.
func (p *pace) rest() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until)
}
