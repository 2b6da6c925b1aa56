// Package advice adds to an error the next step to take. Commands print it under the
// error, and doctor beside its finding.
package advice

import (
	"errors"
	"fmt"
)

type advised struct {
	err  error
	step string
}

func (e *advised) Error() string { return e.err.Error() }
func (e *advised) Unwrap() error { return e.err }

// Add returns err with the next step to take.
func Add(err error, format string, args ...any) error {
	return &advised{err: err, step: fmt.Sprintf(format, args...)}
}

// Of returns the step that [Add] gave err; ok is false if there is none.
func Of(err error) (step string, ok bool) {
	e, ok := errors.AsType[*advised](err)
	if !ok {
		return "", false
	}
	return e.step, true
}

// Or returns the step that [Add] gave err, or another one if there is none.
func Or(err error, otherwise string) string {
	if step, ok := Of(err); ok {
		return step
	}
	return otherwise
}
