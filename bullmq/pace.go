package bullmq

import (
	"sync"
	"time"
)

// minBlock is the shortest time that every supported Redis can block for.
const minBlock = 2 * time.Millisecond

// maxBlock is longer than any worker should go without a look.
const maxBlock = 24 * time.Hour

// drained says whether a look for jobs has found none since the last job was started, and
// whether the hook was told.
type drained int

const (
	drainedNot drained = iota
	drainedUntold
	drainedTold
)

// pace is what a worker knows about when the next job can be had. Whoever asks
// for a job writes it down; only the fetch loop waits by it.
type pace struct {
	mu         sync.Mutex
	empty      bool      // the last fetch found nothing
	drained    drained   // what OnDrained is told
	blockUntil int64     // ms when the next delayed job is due, 0 if none is known
	limitUntil time.Time // when the rate limit ends
}

// learn takes in that there was no job, why, and when there may be one.
func (p *pace) learn(now time.Time, limited time.Duration, nextDelayed int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.empty = true
	p.blockUntil = nextDelayed
	if limited > 0 {
		p.limitUntil = now.Add(limited)
	}
}

// busy takes in that there was a job, and so perhaps more.
func (p *pace) busy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.empty, p.drained = false, drainedNot
	p.blockUntil = 0
}

// noneLeft takes in that a look for jobs found none.
func (p *pace) noneLeft() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drained == drainedNot {
		p.drained = drainedUntold
	}
}

// newlyDrained reports whether there are no jobs and nobody was told: once after each job.
func (p *pace) newlyDrained() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	news := p.drained == drainedUntold
	if news {
		p.drained = drainedTold
	}
	return news
}

func (p *pace) isEmpty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.empty
}

// look makes the next step a fetch.
func (p *pace) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.empty = false
}

// rest is how long the rate limit still holds, at most longest.
func (p *pace) rest(now time.Time, longest time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limitUntil.IsZero() {
		return 0
	}
	return min(p.limitUntil.Sub(now), longest)
}

// rested forgets the rate limit; the next fetch tells whether it still holds.
func (p *pace) rested() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limitUntil = time.Time{}
	p.empty, p.drained = false, drainedNot // as in BullMQ
}

// block is how long to wait for a marker, at most longest; 0 says to look now.
// known is the due time that the wait is for.
func (p *pace) block(now time.Time, longest time.Duration) (wait time.Duration, known int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, p.blockUntil = p.blockUntil, 0
	if known == 0 {
		return longest, 0
	}
	wait = time.Duration(known-millis(now)) * time.Millisecond
	if wait <= 0 {
		return 0, known
	}
	return min(max(wait, minBlock), longest), known
}

// woken takes in a marker's score: 0, or when the next delayed job is due. It
// leads to a fetch, or to another wait if that time is not there yet.
func (p *pace) woken(now time.Time, known, score int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known > 0 && known < score {
		score = known
	}
	if score <= millis(now)+1 {
		p.empty = false
		return
	}
	p.blockUntil = score
}
