package bullmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// JobFailedError says that the job that [Queue.WaitUntilFinished] waited for has failed
// for good.
type JobFailedError struct {
	JobID  string // the job that failed
	Reason string // the job's FailedReason
}

// Error names the job and the reason.
func (e *JobFailedError) Error() string {
	return fmt.Sprintf("bullmq: job %s failed: %s", shortID(e.JobID), e.Reason)
}

// finishCheckInterval is the time between two looks at a job whose end no event may have
// told: one that was drained or cleaned, or whose events were trimmed unread.
const finishCheckInterval = 5 * time.Second

// WaitUntilFinished waits until a job has completed and returns its result as JSON, nil if
// it is none. It returns at once if the job has finished already, and at the latest when
// ctx ends, with ctx's error. A job that fails for good is a [*JobFailedError]. One that
// does not exist, or is removed before it has finished, is [ErrJobNotFound]; where no event
// tells of the removal, as with [Queue.Drain], that takes up to five seconds.
//
// All calls on one Queue share one more connection, which is open as long as any of them
// waits, so thousands may wait at a time. A connection that breaks meanwhile is made again.
func (q *Queue) WaitUntilFinished(ctx context.Context, id string) (json.RawMessage, error) {
	if err := checkTarget(id); err != nil {
		return nil, err
	}
	told, reading, leave := q.finishes.join(q, id)
	defer leave()
	select {
	case <-reading: // what happens from now on is told
	case end := <-told:
		return end.value, end.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	check := time.NewTicker(finishCheckInterval)
	defer check.Stop()
	for first := true; ; first = false {
		end, err := q.jobEnd(ctx, id)
		if err != nil && (first || !errors.Is(err, ErrUnavailable)) {
			return nil, err
		}
		if end != nil {
			return end.value, end.err
		}
		select {
		case end := <-told:
			return end.value, end.err
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-check.C:
		}
	}
}

// jobEnd is how a job has finished, or why it never will.
type jobEnd struct {
	value json.RawMessage
	err   error
}

// jobEnd reads how a job has finished, nil if it has not yet.
func (q *Queue) jobEnd(ctx context.Context, id string) (*jobEnd, error) {
	pipe := q.rdb.TxPipeline()
	exists := pipe.Exists(ctx, q.keys.job(id))
	completed, failed := pipe.ZScore(ctx, q.keys.completed(), id), pipe.ZScore(ctx, q.keys.failed(), id)
	fields := pipe.HMGet(ctx, q.keys.job(id), "returnvalue", "failedReason")
	if err := exec(ctx, pipe); err != nil {
		return nil, wrapRead(ctx, "the end of job "+shortID(id), err)
	}
	field := func(i int) string {
		text, _ := fields.Val()[i].(string)
		return text
	}
	switch {
	case exists.Val() == 0:
		return &jobEnd{err: fmt.Errorf("%w: %s in queue %s", ErrJobNotFound, shortID(id), q.name)}, nil
	case completed.Err() == nil:
		return &jobEnd{value: rawJSON(field(0))}, nil
	case failed.Err() == nil:
		return &jobEnd{err: &JobFailedError{JobID: id, Reason: field(1)}}, nil
	}
	return nil, nil
}

// finishes lets the callers of one Queue wait for jobs with one reader of its events.
type finishes struct {
	mu     sync.Mutex
	reader *finishReader // nil while nobody waits
}

// finishReader reads a queue's events until the last caller has left. Its mutex is that of
// finishes.
type finishReader struct {
	reading chan struct{} // closed once no event is missed
	stop    context.CancelFunc
	waiting map[string]map[chan jobEnd]bool // by job; each channel has room for one
}

// join makes a job's end known on told: of every end that comes after reading is closed, or
// the error that ended the reading. The caller must leave.
func (f *finishes) join(q *Queue, id string) (told <-chan jobEnd, reading <-chan struct{}, leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reader == nil {
		ctx, stop := context.WithCancel(context.Background())
		f.reader = &finishReader{reading: make(chan struct{}), stop: stop, waiting: map[string]map[chan jobEnd]bool{}}
		go f.read(ctx, q, f.reader)
	}
	r, end := f.reader, make(chan jobEnd, 1)
	if r.waiting[id] == nil {
		r.waiting[id] = map[chan jobEnd]bool{}
	}
	r.waiting[id][end] = true
	return end, r.reading, func() { f.leave(r, id, end) }
}

func (f *finishes) leave(r *finishReader, id string, end chan jobEnd) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(r.waiting[id], end)
	if len(r.waiting[id]) == 0 {
		delete(r.waiting, id)
	}
	if len(r.waiting) == 0 {
		f.drop(r)
	}
}

// drop ends a reader. Those who wait from now on get another. f.mu is held.
func (f *finishes) drop(r *finishReader) {
	r.stop()
	if f.reader == r {
		f.reader = nil
	}
}

// read tells the callers what the events say. It gives up where reading cannot begin, and
// at errors that do not pass with time.
func (f *finishes) read(ctx context.Context, q *Queue, r *finishReader) {
	began := false
	ready := func() { began = true; close(r.reading) }
	for event, err := range q.Events(ctx, EventsOptions{Ready: ready}) {
		if err != nil && (!began || !errors.Is(err, ErrUnavailable)) {
			f.fail(r, err)
			return
		}
		switch event.Name {
		case EventCompleted:
			f.tell(r, event.JobID, jobEnd{value: event.ReturnValue()})
		case EventFailed:
			f.tell(r, event.JobID, jobEnd{err: &JobFailedError{JobID: event.JobID, Reason: event.FailedReason()}})
		case EventRemoved:
			f.tell(r, event.JobID, jobEnd{err: fmt.Errorf("%w: %s in queue %s was removed", ErrJobNotFound, shortID(event.JobID), q.name)})
		}
	}
}

// tell passes a job's end to those who wait for it, once.
func (f *finishes) tell(r *finishReader, id string, how jobEnd) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for end := range r.waiting[id] {
		select {
		case end <- how:
		default: // told already
		}
	}
}

// fail passes an error to all callers and ends the reader.
func (f *finishes) fail(r *finishReader, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(r)
	for _, ends := range r.waiting {
		for end := range ends {
			select {
			case end <- jobEnd{err: err}:
			default:
			}
		}
	}
}
