package push

import (
	"sync"
	"time"

	"schoolbell"
)

const (
	shortRest = 30 * time.Second // of a push service that cannot be used and does not say for how long
	longRest  = 5 * time.Minute  // of one that refuses the program: somebody must fix the settings first
	working   = time.Hour        // how long a push service counts as working after it took a message
	maxKnown  = 1000             // push services that are remembered
)

// rests remembers which push services rest while others work. It is safe for concurrent use.
type rests struct {
	now func() time.Time

	mu    sync.Mutex
	until map[string]time.Time // by origin
	took  map[string]time.Time // when they last took a message, by origin
}

func newRests() *rests {
	return &rests{now: time.Now, until: map[string]time.Time{}, took: map[string]time.Time{}}
}

// good notes that a push service took a message.
func (r *rests) good(origin string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.took) >= maxKnown {
		clear(r.took)
	}
	r.took[origin] = r.now()
	delete(r.until, origin)
}

// resting reports whether nothing may be sent to a push service now.
func (r *rests) resting(origin string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, found := r.until[origin]
	if found && r.now().After(until) {
		delete(r.until, origin)
		return false
	}
	return found
}

// rest returns the result for a message that a push service did not take, and must not be offered for some time. If other
// push services work, only messages to this one wait. If none does, the whole channel rests. asked is how
// long the push service wants to be left alone; 0 if it does not say.
func (r *rests) rest(origin string, asked time.Duration, reason string) schoolbell.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	delete(r.took, origin)
	others := false
	for _, at := range r.took {
		others = others || now.Sub(at) < working
	}
	if !others {
		delete(r.until, origin) // the channel's rest is enough
		return schoolbell.Result{Verdict: schoolbell.VerdictSlowDown, Reason: reason, After: asked}
	}
	if asked <= 0 {
		asked = shortRest
	}
	if len(r.until) >= maxKnown {
		clear(r.until)
	}
	r.until[origin] = now.Add(asked)
	return schoolbell.Result{Verdict: schoolbell.VerdictDropped, Reason: reason}
}
