package bullmq

import (
	"context"
	"errors"
	"fmt"
)

// Cancel ends the context of the job's handler and reports whether this worker was
// running the job. The context's cause then wraps both [ErrCancelled] and cause, which may
// be nil. The handler's return values decide the outcome as usual: a result completes the
// job, an error fails the attempt. An error that is only context.Canceled is replaced by
// the cause. If the cause is [Unrecoverable], the job is not retried.
func (w *Worker) Cancel(id string, cause error) bool {
	return w.cancel(cause, func(j *Job) bool { return j.ID == id }) > 0
}

// CancelAll cancels all jobs that this worker is running, as [Worker.Cancel] does, and
// returns how many there were. Jobs that start afterwards are not affected.
func (w *Worker) CancelAll(cause error) int {
	return w.cancel(cause, func(*Job) bool { return true })
}

func (w *Worker) cancel(cause error, meant func(*Job) bool) int {
	s := w.current.Load()
	if s == nil {
		return 0
	}
	return s.inFlight.cancel(cancellation(cause), meant)
}

func cancellation(cause error) error {
	if cause == nil {
		return ErrCancelled
	}
	return fmt.Errorf("%w: %w", ErrCancelled, cause)
}

// cancel ends the contexts of the handlers whose jobs are meant.
func (f *inFlight) cancel(cause error, meant func(*Job) bool) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.jobs {
		if !r.settled && meant(r.job) {
			r.cancel(cause)
			n++
		}
	}
	return n
}

// whyCancelled replaces a handler's error that is only context.Canceled by the reason that
// Cancel was given.
func whyCancelled(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err != nil && errors.Is(err, context.Canceled) && errors.Is(cause, ErrCancelled) && !errors.Is(err, ErrCancelled) {
		return cause
	}
	return err
}
