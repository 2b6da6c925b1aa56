package email

import (
	"context"
	"sync"

	"schoolbell"
)

// batch is one call of Send.
type batch struct {
	msgs  []schoolbell.Message
	done  func(int, schoolbell.Result)
	empty chan struct{} // closed when no message is left to begin

	mu     sync.Mutex
	next   int
	stop   bool              // nothing more is begun
	halted bool              // because the server wants rest or cannot be used
	lack   schoolbell.Result // why some worker has no connection; no verdict while all have one
}

// take returns the next message to begin, or false.
func (b *batch) take(ctx context.Context) (i int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stop || b.next == len(b.msgs) || ctx.Err() != nil {
		if !b.stop {
			b.stop = true
			close(b.empty)
		}
		return 0, false
	}
	b.next++
	return b.next - 1, true
}

// halt leaves the messages not begun alone. It reports whether it is the first to do so.
func (b *batch) halt() (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first, b.halted = !b.halted, true
	if !b.stop {
		b.stop = true
		close(b.empty)
	}
	return first
}

// over reports whether nothing more may start.
func (b *batch) over(ctx context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stop || b.next == len(b.msgs) || ctx.Err() != nil
}

// quits reports whether even a message whose envelope was sent must not be sent.
func (b *batch) quits(ctx context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.halted || ctx.Err() != nil
}

// lacks notes why there was no connection.
func (b *batch) lacks(r schoolbell.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lack = r
}

// lacking reports whether some worker found no connection.
func (b *batch) lacking() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lack.Verdict != ""
}

// finish reports the messages that no worker began. If that is for lack of
// connections and no message was told so yet, the first is.
func (b *batch) finish(ctx context.Context) {
	r := b.lack
	if b.stop || ctx.Err() != nil {
		r.Verdict = ""
	}
	for ; b.next < len(b.msgs); b.next++ {
		if r.Verdict == "" {
			r.Verdict = schoolbell.VerdictUntried
		}
		b.done(b.next, r)
		r.Verdict = ""
	}
}
