package app

import (
	"errors"
	"fmt"
)

// advised is an error with the next step to take.
type advised struct {
	err  error
	step string
}

func (e *advised) Error() string { return e.err.Error() }
func (e *advised) Unwrap() error { return e.err }

// Advise adds to an error the next step to take.
func Advise(err error, format string, args ...any) error {
	return &advised{err: err, step: fmt.Sprintf(format, args...)}
}

// Advice returns the next step that [Advise] added to err; ok is false without one.
func Advice(err error) (step string, ok bool) {
	e, ok := errors.AsType[*advised](err)
	if !ok {
		return "", false
	}
	return e.step, true
}
