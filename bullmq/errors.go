package bullmq

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that calls return, and causes of a handler's cancelled context.
var (
	// ErrJobNotFound says that no job of that id exists.
	ErrJobNotFound = errors.New("bullmq: job not found")
	// ErrLockLost says that the job's lock expired or was taken over: another
	// worker may be running the job. It is the cause of a handler's context
	// when the lock could not be kept, and is returned by calls that need it.
	ErrLockLost = errors.New("bullmq: job lock lost")
	// ErrJobLocked says that a worker is running the job (or, for a removal with
	// children, one of its children), so that it cannot be removed.
	ErrJobLocked = errors.New("bullmq: job is locked by a worker")
	// ErrShutdown is the cause of a handler's context when the worker stopped
	// and its grace time is over.
	ErrShutdown = errors.New("bullmq: worker is shutting down")
	// ErrCancelled is part of the cause of a handler's context that
	// [Worker.Cancel] has ended.
	ErrCancelled = errors.New("bullmq: job was cancelled")
	// ErrInvalid says that an argument is refused before anything is written: it was
	// never sent. The text names it.
	ErrInvalid = errors.New("bullmq: invalid argument")
	// ErrNotActive says that a method which needs the worker's lock was called on a
	// job that no handler is running.
	ErrNotActive = errors.New("bullmq: job is not being run by a worker")
)

// Code is the number by which a script refuses an operation; BullMQ uses the
// same numbers.
type Code int

// The codes of BullMQ's scripts.
const (
	CodeJobNotFound         Code = -1  // the job's hash is missing
	CodeLockMissing         Code = -2  // the job's lock is missing
	CodeNotInState          Code = -3  // the job is not in the state that the operation needs
	CodePendingDependencies Code = -4  // children have not finished
	CodeParentNotFound      Code = -5  // the parent's hash is missing
	CodeLockMismatch        Code = -6  // the lock is held by another
	CodeParentConflict      Code = -7  // the job already has another living parent
	CodeSchedulerJob        Code = -8  // the job is the pending iteration of a scheduler
	CodeFailedChildren      Code = -9  // children have failed for good
	CodeSchedulerCollision  Code = -10 // the id of the next iteration is taken (pattern)
	CodeSchedulerBusy       Code = -11 // 32 slots in a row are taken (every)
)

// ScriptError is an operation that Redis state did not allow. Nothing was
// changed, unless the code's comment says otherwise.
//
// errors.Is finds [ErrJobNotFound] in code -1 and [ErrLockLost] in codes -2 and -6.
type ScriptError struct {
	Code  Code   // why
	Op    string // what was tried: "complete", "retry", "promote" …
	JobID string // of which job, or of which scheduler
	Key   string // the parent's key, for codes -5 and -7
}

// Error describes the refusal with the job and the operation.
func (e *ScriptError) Error() string {
	return fmt.Sprintf("bullmq: %s job %s: %s", e.Op, shortID(e.JobID), e.reason())
}

// shortID cuts an id for texts that people read: other programs choose ids, of any length.
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

// unrecoverable marks an error after which no attempt is made.
type unrecoverable struct{ err error }

func (e *unrecoverable) Error() string { return e.err.Error() }
func (e *unrecoverable) Unwrap() error { return e.err }

// Unrecoverable wraps err so that a job which fails with it goes straight to
// failed, whatever attempts it has left. It returns nil for nil.
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

// invalid reports a refused argument.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
}
