package bullmq

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that calls return, and causes of a handler's cancelled context.
var (
	// ErrJobNotFound reports that no job with that id exists.
	ErrJobNotFound = errors.New("bullmq: job not found")
	// ErrLockLost reports that the job's lock expired or was taken over: another worker
	// may be running the job. It is the cause of a handler's context when the lock could
	// not be renewed, and is returned by calls that need the lock.
	ErrLockLost = errors.New("bullmq: job lock lost")
	// ErrJobLocked reports that a job cannot be removed because a worker is running it or,
	// for a removal with children, one of its descendants.
	ErrJobLocked = errors.New("bullmq: job is locked by a worker")
	// ErrShutdown is the cause of a handler's context when the worker was stopped and its
	// grace time is over.
	ErrShutdown = errors.New("bullmq: worker is shutting down")
	// ErrCancelled is part of the cause of a handler's context that [Worker.Cancel] has
	// ended.
	ErrCancelled = errors.New("bullmq: job was cancelled")
	// ErrInvalid reports that an argument was refused before anything was sent. The text
	// names the argument.
	ErrInvalid = errors.New("bullmq: invalid argument")
	// ErrNotActive reports that a method that needs the worker's lock was called on a job
	// that no handler is running.
	ErrNotActive = errors.New("bullmq: job is not being run by a worker")
)

// Code is the number with which a script refuses an operation. BullMQ uses the same
// numbers.
type Code int

// The codes of BullMQ's scripts.
const (
	CodeJobNotFound         Code = -1  // the job's hash is missing
	CodeLockMissing         Code = -2  // the job's lock is missing
	CodeNotInState          Code = -3  // the job is not in the state that the operation needs
	CodePendingDependencies Code = -4  // children have not finished
	CodeParentNotFound      Code = -5  // the parent's hash is missing
	CodeLockMismatch        Code = -6  // another token holds the lock
	CodeParentConflict      Code = -7  // the job already has another existing parent
	CodeSchedulerJob        Code = -8  // the job is the pending iteration of a scheduler
	CodeFailedChildren      Code = -9  // children have failed with FailParent
	CodeSchedulerCollision  Code = -10 // the id of the next iteration is taken (pattern)
	CodeSchedulerBusy       Code = -11 // 32 slots in a row are taken (every)
)

// ScriptError is an operation that the state in Redis did not allow. Nothing was changed.
//
// errors.Is finds [ErrJobNotFound] in code -1 and [ErrLockLost] in codes -2 and -6.
type ScriptError struct {
	Code  Code   // the reason
	Op    string // the operation: "complete", "retry", "promote" …
	JobID string // the id of the job or scheduler
	Key   string // the parent's key, for codes -5 and -7
}

// Error describes the refusal with the job and the operation.
func (e *ScriptError) Error() string {
	return fmt.Sprintf("bullmq: %s job %s: %s", e.Op, shortID(e.JobID), e.reason())
}

// shortID cuts an id for texts that people read: ids of other programs have any length.
func shortID(id string) string {
	const limit = 200 // bytes
	if len(id) > limit {
		id = id[:limit] + "…"
	}
	return strings.ToValidUTF8(id, "\ufffd")
}

func (e *ScriptError) reason() string {
	switch e.Code {
	case CodeJobNotFound:
		return "job not found"
	case CodeLockMissing:
		return "lock is missing"
	case CodeNotInState:
		return "job is not in the state needed"
	case CodePendingDependencies:
		return "job has pending children"
	case CodeParentNotFound:
		return "parent " + shortID(e.Key) + " not found"
	case CodeLockMismatch:
		return "lock is held by another worker"
	case CodeParentConflict:
		return "job already has another parent, " + shortID(e.Key) + " cannot replace it"
	case CodeSchedulerJob:
		return "job belongs to a scheduler"
	case CodeFailedChildren:
		return "at least one child has failed"
	case CodeSchedulerCollision:
		return "the next iteration's id is taken"
	case CodeSchedulerBusy:
		return "too many following iterations are taken"
	default:
		return fmt.Sprintf("unknown code %d", int(e.Code))
	}
}

// Is reports whether the code is a case of target.
func (e *ScriptError) Is(target error) bool {
	switch target {
	case ErrJobNotFound:
		return e.Code == CodeJobNotFound
	case ErrLockLost:
		return e.Code == CodeLockMissing || e.Code == CodeLockMismatch
	}
	return false
}

// unrecoverable marks an error after which there is no further attempt.
type unrecoverable struct{ err error }

func (e *unrecoverable) Error() string { return e.err.Error() }
func (e *unrecoverable) Unwrap() error { return e.err }

// Unrecoverable wraps err so that a job whose handler returns it fails without a further
// attempt. It returns nil for nil.
func Unrecoverable(err error) error {
	if err == nil {
		return nil
	}
	return &unrecoverable{err}
}

// IsUnrecoverable reports whether [Unrecoverable] wraps an error in err's chain.
func IsUnrecoverable(err error) bool {
	var u *unrecoverable
	return errors.As(err, &u)
}

// refusal returns the error for a code that a script returned, nil if it is not negative.
func refusal(n int64, op, id, key string) error {
	if n < 0 {
		return &ScriptError{Code: Code(n), Op: op, JobID: id, Key: key}
	}
	return nil
}

// invalid returns an error for a refused argument.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
}
