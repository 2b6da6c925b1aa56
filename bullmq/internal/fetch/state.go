// Package fetch decides when a worker fetches its next job, and how many it runs at a time.
package fetch

import (
	"sync"
	"time"

	"schoolbell/bullmq/internal/wire"
)

// MinBlock is the shortest time that every supported Redis can block for.
const MinBlock = 2 * time.Millisecond

// MaxBlock is longer than a worker should wait without a fetch.
const MaxBlock = 24 * time.Hour

// drained is whether a fetch has found no job since the last one was started, and whether the
// hook was called.
type drained int

const (
	drainedNot drained = iota
	drainedUnreported
	drainedReported
)

// State is what a run knows about when to fetch the next job. All calls that may start a
// job update it; only the fetch loop waits according to it. It is safe for concurrent use.
type State struct {
	mu         sync.Mutex
	empty      bool      // the last fetch found nothing
	drained    drained   // for OnDrained
	blockUntil int64     // ms when the next delayed job is due, 0 if none is known
	limitUntil time.Time // when the rate limit ends
}

// NoJob notes that there was no job, why, and when there may be one.
func (f *State) NoJob(now time.Time, limited time.Duration, nextDelayed int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.empty = true
	f.blockUntil = nextDelayed
	if limited > 0 {
		f.limitUntil = now.Add(limited)
	}
}

// FoundJob notes that there was a job, and so perhaps more.
func (f *State) FoundJob() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.empty, f.drained = false, drainedNot
	f.blockUntil = 0
}

// NoteDrained notes that a fetch found no job.
func (f *State) NoteDrained() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.drained == drainedNot {
		f.drained = drainedUnreported
	}
}

// NewlyDrained reports, once after each job, that no job is left.
func (f *State) NewlyDrained() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	news := f.drained == drainedUnreported
	if news {
		f.drained = drainedReported
	}
	return news
}

// IsEmpty reports whether the last fetch found nothing.
func (f *State) IsEmpty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.empty
}

// FetchNow makes the next step a fetch.
func (f *State) FetchNow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.empty = false
}

// LimitRest is how long the rate limit still holds, at most longest.
func (f *State) LimitRest(now time.Time, longest time.Duration) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.limitUntil.IsZero() {
		return 0
	}
	return min(f.limitUntil.Sub(now), longest)
}

// LimitOver forgets the rate limit; the next fetch finds out whether it still holds.
func (f *State) LimitOver() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limitUntil = time.Time{}
	f.empty, f.drained = false, drainedNot // as in BullMQ
}

// WaitTime is how long to wait for a marker, at most longest; 0 means to fetch now.
// known is the due time that the wait is for.
func (f *State) WaitTime(now time.Time, longest time.Duration) (wait time.Duration, known int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, f.blockUntil = f.blockUntil, 0
	if known == 0 {
		return longest, 0
	}
	wait = time.Duration(known-wire.Millis(now)) * time.Millisecond
	if wait <= 0 {
		return 0, known
	}
	return min(max(wait, MinBlock), longest), known
}

// NoteMarker notes a marker's score: 0, or when the next delayed job is due. It
// leads to a fetch, or to another wait if that time is not there yet.
func (f *State) NoteMarker(now time.Time, known, score int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known > 0 && known < score {
		score = known
	}
	if score <= wire.Millis(now)+1 {
		f.empty = false
		return
	}
	f.blockUntil = score
}
