package notify

import (
	"sync"
	"time"
)

const (
	firstRest = 5 * time.Second
	maxRest   = time.Minute // what an outage at the provider costs at most after its end
)

// throttle lets all jobs of a channel in this process rest together when the
// provider asks for it, twice as long each time until a message goes through.
type throttle struct {
	mu      sync.Mutex
	until   time.Time
	strikes int
}

// slowDown begins a rest of the length asked for (0: our own idea) unless one is going on, and returns what is left.
func (t *throttle) slowDown(asked time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if left := time.Until(t.until); left > 0 {
		return left
	}
	rest := min(firstRest<<min(t.strikes, 10), maxRest)
	if asked > 0 {
		rest = min(asked, time.Hour)
	}
	t.strikes++
	t.until = time.Now().Add(rest)
	return rest
}

// good notes that the provider takes messages.
func (t *throttle) good() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().After(t.until) {
		t.strikes = 0
	}
}

// rest returns how long the channel is still to be left alone; 0 or less means not at all.
func (t *throttle) rest() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.until)
}
