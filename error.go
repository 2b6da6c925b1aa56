package schoolbell

import (
	"errors"
	"fmt"
	"strings"
)

// Code classifies a failure by what the caller can do about it.
type Code string

const (
	CodeInvalid      Code = "invalid"      // the input breaks a rule; Field says which
	CodeUnauthorized Code = "unauthorized" // no credentials, or wrong ones
	CodeForbidden    Code = "forbidden"    // good credentials that do not allow this
	CodeNotFound     Code = "not_found"    // no such thing
	CodeConflict     Code = "conflict"     // the state of the thing does not allow this
	CodeTooLarge     Code = "too_large"    // the input is over its size limit
	CodeLimited      Code = "limited"      // too many requests; try later
	CodeUnavailable  Code = "unavailable"  // a dependency is unavailable; try later
	CodeInternal     Code = "internal"     // our own fault; the cause is logged, never sent
)

// Error is a failure a caller can act on. Message may be shown to a client;
// Err is the cause, which is logged and never sent.
type Error struct {
	Code    Code
	Message string
	Field   string // the input field to blame in JSON notation, such as "audience.groups[1]"; may be empty
	Err     error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Field != "" {
		b.WriteString(e.Field)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Faults are all the faults found in one input; there is at least one.
// The code of the whole is that of the first.
type Faults []*Error

func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i, e := range f {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap makes errors.Is and errors.As see every fault.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, e := range f {
		errs[i] = e
	}
	return errs
}

// Err returns the faults as an error, or nil when there are none.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// Add appends an invalid-input fault for field.
func (f *Faults) Add(field, format string, args ...any) {
	*f = append(*f, &Error{Code: CodeInvalid, Field: field, Message: fmt.Sprintf(format, args...)})
}

// FaultsOf returns the faults in err, and an error that is none as one fault without a field.
func FaultsOf(err error) Faults {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[Faults](err); ok {
		return f
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return Faults{e}
	}
	return Faults{{Code: CodeOf(err), Message: err.Error()}}
}

// CodeOf returns the code of the nearest [Error] in err's chain. An error
// without one is ours: CodeInternal. CodeOf(nil) is the empty code.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// Invalid returns an invalid-input error for field.
func Invalid(field, format string, args ...any) error {
	return &Error{Code: CodeInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Limited returns an error of a caller who asks too often or for too much at a time.
func Limited(format string, args ...any) error {
	return &Error{Code: CodeLimited, Message: fmt.Sprintf(format, args...)}
}

// NotFound returns the error for a thing, such as "event", that has no such id.
func NotFound(thing, id string) error {
	return &Error{Code: CodeNotFound, Message: fmt.Sprintf("no %s %q", thing, id)}
}
