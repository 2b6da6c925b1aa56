package bullmq

import "context"

// Pause stops the worker from starting jobs, and from checking for jobs of lost workers, until
// [Worker.Resume]. It waits until the running jobs have ended. If ctx ends first, it returns
// the cause of that, and the worker stays paused. A job that is fetched while the pause begins
// goes back to the front of the queue. A worker may be paused before it runs. Other workers of
// the queue continue; [Queue.Pause] stops all of them.
//
// In a handler, Pause would wait for the handler itself, so pass a context that has ended.
func (w *Worker) Pause(ctx context.Context) error {
	w.slots.SetPaused(true)
	if !w.slots.Idle(ctx) {
		return context.Cause(ctx)
	}
	return nil
}

// Resume ends the pause of [Worker.Pause].
func (w *Worker) Resume() { w.slots.SetPaused(false) }

// IsPaused reports whether the worker was paused by [Worker.Pause].
func (w *Worker) IsPaused() bool { return w.slots.IsPaused() }

// SetConcurrency changes how many jobs the worker runs at a time, at least one; less is
// [ErrInvalid]. If more jobs are running, they end first.
func (w *Worker) SetConcurrency(n int) error {
	if n < 1 {
		return invalid("concurrency %d: at least 1", n)
	}
	w.slots.SetLimit(n)
	return nil
}
