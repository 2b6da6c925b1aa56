package staff

import (
	"sync"
	"time"
)

// Failed attempts to sign in that are allowed in a period. Somebody who guesses at an account from one address soon has to
// wait, but its owner at another address does not. The limit of the account itself counts only for browsers in which
// the owner has never signed in, so strangers cannot lock the owner out.
const (
	failuresPerPair    = 5 // of an account from an address
	failuresPerAddress = 30
	failuresPerAccount = 100 // from strange browsers
	failurePeriod      = 15 * time.Minute

	resetsPerAccount = 3 // links by email, for known and unknown addresses
	resetsPerAddress = 10

	maxCounted = 20_000 // entries; attackers with more addresses make others be forgotten
)

// throttle counts failed attempts to sign in. It is safe for concurrent use.
type throttle struct {
	now func() time.Time

	mu     sync.Mutex
	counts map[string]*failures
}

// failures are those of a period.
type failures struct {
	n     int
	until time.Time
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, counts: map[string]*failures{}}
}

// attempt is somebody who tries to sign in.
type attempt struct {
	email   string
	address string // of the client; empty if it is not known
	known   bool   // the browser's owner has signed in to this account before
	reset   bool   // it asks for a link by email instead

	external bool // it comes back from the identity provider
}

// keys are what the attempt counts against, each with its limit.
func (a attempt) keys() map[string]int {
	if a.external {
		return map[string]int{"external from " + a.address: failuresPerAddress}
	}
	if a.reset {
		return map[string]int{"reset " + a.email: resetsPerAccount, "reset from " + a.address: resetsPerAddress}
	}
	keys := map[string]int{"pair " + a.email + " " + a.address: failuresPerPair, "address " + a.address: failuresPerAddress}
	if !a.known {
		keys["account "+a.email] = failuresPerAccount
	}
	return keys
}

// begin counts an attempt as failed, before its password is looked at: so many attempts at once are not more than one
// after the other. It returns how long the attempt has to wait; 0 if it may be made.
func (t *throttle) begin(a attempt) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for key, limit := range a.keys() {
		if f := t.counts[key]; f != nil && f.n >= limit {
			wait = max(wait, f.until.Sub(now))
		}
	}
	if wait > 0 {
		return wait
	}
	for key := range a.keys() {
		f := t.counts[key]
		if f == nil || !now.Before(f.until) {
			t.makeRoom(now)
			f = &failures{until: now.Add(failurePeriod)}
			t.counts[key] = f
		}
		f.n++
	}
	return 0
}

// undo takes back what begin has counted, of an attempt that did not fail.
func (t *throttle) undo(a attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range a.keys() {
		if f := t.counts[key]; f != nil && f.n > 0 {
			f.n--
		}
	}
}

// makeRoom forgets periods that are over, and if there are none, a tenth of all: so that each attempt of an attacker with
// many addresses does not look at all entries.
func (t *throttle) makeRoom(now time.Time) {
	if len(t.counts) < maxCounted {
		return
	}
	for key, f := range t.counts {
		if !now.Before(f.until) {
			delete(t.counts, key)
		}
	}
	for key := range t.counts {
		if len(t.counts) <= maxCounted*9/10 {
			return
		}
		delete(t.counts, key)
	}
}
