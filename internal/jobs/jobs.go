// Package jobs is what the API and the panel do with the jobs of queues.
package jobs

import (
	"context"
	"errors"
	"fmt"

	"schoolbell"
	"schoolbell/bullmq"
)

// Retry runs a job again that has failed or is completed, with all its attempts.
func Retry(ctx context.Context, q *bullmq.Queue, id string) error {
	again := bullmq.RetryOptions{ResetAttemptsMade: true, ResetAttemptsStarted: true}
	err := q.Retry(ctx, id, again)
	if refused, ok := errors.AsType[*bullmq.ScriptError](err); ok && refused.Code == bullmq.CodeNotInState {
		again.From = bullmq.StateCompleted
		err = q.Retry(ctx, id, again)
	}
	return err
}

// Remove removes a job; [bullmq.ErrJobNotFound] if there is none.
func Remove(ctx context.Context, q *bullmq.Queue, id string) error {
	if _, err := q.Job(ctx, id); err != nil { // removing nothing is no error to BullMQ
		return err
	}
	return q.Remove(ctx, id, bullmq.RemoveOptions{})
}

// Error gives errors of a queue their code. job is the id of the job that was asked for, if there was one.
func Error(err error, job string) error {
	var refused *bullmq.ScriptError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bullmq.ErrJobNotFound):
		return schoolbell.NotFound("job", job)
	case errors.Is(err, bullmq.ErrJobLocked):
		return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "a worker is running the job", Err: err}
	case errors.Is(err, bullmq.ErrInvalid):
		return &schoolbell.Error{Code: schoolbell.CodeInvalid, Message: "the queue does not accept this", Err: err}
	case errors.As(err, &refused):
		return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "the state of the job does not allow this", Err: err}
	case errors.Is(err, bullmq.ErrServerFull), errors.Is(err, bullmq.ErrServerReadOnly), errors.Is(err, bullmq.ErrNoPermission):
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "Redis cannot do this at the moment", Err: err}
	case errors.Is(err, bullmq.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "Redis does not answer", Err: err}
	}
	return fmt.Errorf("ask the queue: %w", err)
}
