package bullmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"schoolbell/bullmq/internal/wire"
)

// JobFailedError reports that the job that [Queue.WaitUntilFinished] waited for has failed and
// has no attempt left.
type JobFailedError struct {
	JobID  string // the job that failed
	Reason string // the job's FailedReason
}

// Error returns a text with the job and the reason.
func (e *JobFailedError) Error() string {
	return fmt.Sprintf("bullmq: job %s failed: %s", shortID(e.JobID), e.Reason)
}

// finishCheckInterval is the time between two checks of a job, because some jobs end without an
// event: they were drained or cleaned, or their events were trimmed before they were read.
const finishCheckInterval = 5 * time.Second

// WaitUntilFinished waits until a job has completed and returns its result as JSON, nil if the
// result is not JSON. It returns at once if the job has already finished, and at the latest
// when ctx ends, with ctx's error. A job that fails without a further attempt is a
// [*JobFailedError]. A job that does not exist, or is removed before it has finished, is
// [ErrJobNotFound]. If the removal has no event, as with [Queue.Drain], that takes up to five
// seconds.
//
// All calls on one Queue share one further connection, which is open as long as any of them
// waits, so thousands may wait at a time. If it breaks, it is opened again.
func (q *Queue) WaitUntilFinished(ctx context.Context, id string) (json.RawMessage, error) {
	if err := checkTarget(id); err != nil {
		return nil, err
	}
	told, reading, leave := q.finishes.join(q, id)
	defer leave()
	select {
	case <-reading: // no later event is missed
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

// jobEnd is the outcome of a job, or the reason why it will not have one.
type jobEnd struct {
	value json.RawMessage
	err   error
}

// jobEnd reads a job's outcome, nil if it has not finished yet.
func (q *Queue) jobEnd(ctx context.Context, id string) (*jobEnd, error) {
	pipe := q.rdb.TxPipeline()
	exists := pipe.Exists(ctx, q.keys.Job(id))
	completed, failed := pipe.ZScore(ctx, q.keys.Completed(), id), pipe.ZScore(ctx, q.keys.Failed(), id)
	fields := pipe.HMGet(ctx, q.keys.Job(id), "returnvalue", "failedReason")
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
		return &jobEnd{value: wire.RawJSON(field(0))}, nil
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

// join sends a job's end on told: every end after reading is closed, or the error that ended
// the reading. The caller must call leave.
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

// drop ends a reader. Later callers get another one. The caller holds f.mu.
func (f *finishes) drop(r *finishReader) {
	r.stop()
	if f.reader == r {
		f.reader = nil
	}
}

// read passes the ends in the events to the callers. It ends if reading cannot begin, and at an
// error that does not pass with time.
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

// tell passes a job's end to the callers that wait for it, once.
func (f *finishes) tell(r *finishReader, id string, how jobEnd) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for end := range r.waiting[id] {
		select {
		case end <- how:
		default: // it already has one
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
