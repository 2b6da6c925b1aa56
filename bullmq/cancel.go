package bullmq

import (
	"context"
	"errors"
	"fmt"
)

// Cancel ends the context of the handler that runs the job, if this worker runs it, and
// reports whether it does. The context's cause is then both [ErrCancelled] and cause,
// which may be nil. What the handler returns decides as ever: a result completes the
// job, an error fails the attempt. For an error that is only the context's,
// context.Canceled, the cause stands in; if that is [Unrecoverable], the job is not
// tried again.
func (w *Worker) Cancel(id string, cause error) bool {
	return w.hand.cancel(cancellation(cause), func(j *Job) bool { return j.ID == id }) > 0
}

// CancelAll does as [Worker.Cancel] to all jobs that this worker runs and returns
// how many there are. Jobs that are started afterwards run.
func (w *Worker) CancelAll(cause error) int {
	return w.hand.cancel(cancellation(cause), func(*Job) bool { return true })
}

func cancellation(cause error) error {
	if cause == nil {
		return ErrCancelled
	}
	return fmt.Errorf("%w: %w", ErrCancelled, cause)
}

// cancel ends the contexts of the running handlers that are meant.
func (h *hand) cancel(cause error, meant func(*Job) bool) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.running {
		if !r.settled && meant(r.job) {
			r.cancel(cause)
			n++
		}
	}
	return n
}

// whyCancelled replaces a handler's error that says no more than that its context has
// ended by the reason that Cancel was given.
func whyCancelled(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err != nil && errors.Is(err, context.Canceled) && errors.Is(cause, ErrCancelled) && !errors.Is(err, ErrCancelled) {
		return cause
	}
	return err
}
