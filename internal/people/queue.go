package people

import (
	"sync"

	"schoolbell"
)

// Rows of an import that are stored in one transaction. Larger batches cost less for each row, smaller ones show
// earlier what a slow client has sent.
const (
	minBatch = 500   // but for the last batch
	maxBatch = 2_000 // how many are read while others are stored
)

// batch is some accepted rows.
type batch struct {
	lines []int
	users []*schoolbell.User
	late  []lateStudent // whom the rows name before their own row
}

// lateStudent is a student who is named before their own row.
type lateStudent struct {
	id string
	at reference
}

// reference is the place that names a student.
type reference struct{ line, index int32 }

// rowQueue holds the rows that one goroutine has read and another one stores.
type rowQueue struct {
	mu      sync.Mutex
	changed sync.Cond
	batch   *batch
	closed  bool // no row will come
	stopped bool // no row will be stored
}

func newRowQueue() *rowQueue {
	q := &rowQueue{batch: &batch{}}
	q.changed.L = &q.mu
	return q
}

// put adds a row and waits while the queue is full. It returns false after stop.
func (q *rowQueue) put(line int, u *schoolbell.User, late []lateStudent) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.batch.users) == maxBatch && !q.stopped {
		q.changed.Wait()
	}
	if q.stopped {
		return false
	}
	b := q.batch
	b.lines, b.users, b.late = append(b.lines, line), append(b.users, u), append(b.late, late...)
	if len(b.users) == minBatch {
		q.changed.Signal()
	}
	return true
}

// take waits for the next batch. It returns nil if there is none after close, or after stop.
func (q *rowQueue) take() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.batch.users) < minBatch && !q.closed && !q.stopped {
		q.changed.Wait()
	}
	if len(q.batch.users) == 0 || q.stopped {
		return nil
	}
	b := q.batch
	q.batch = &batch{lines: make([]int, 0, maxBatch), users: make([]*schoolbell.User, 0, maxBatch)}
	q.changed.Signal()
	return b
}

// close says that no row will come.
func (q *rowQueue) close() { q.end(&q.closed) }

// stop gives up the rows in the queue.
func (q *rowQueue) stop() { q.end(&q.stopped) }

func (q *rowQueue) end(how *bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*how = true
	q.changed.Broadcast()
}
