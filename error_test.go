package schoolbell_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"schoolbell"
)

func TestCodeOf(t *testing.T) {
	t.Parallel()
	taken := &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "name is taken", Err: context.Canceled}
	for _, c := range []struct {
		name string
		err  error
		want schoolbell.Code
	}{
		{"no error has no code", nil, ""},
		{"an error of somebody else is internal", errors.New("boom"), schoolbell.CodeInternal},
		{"an error of ours has its own", taken, schoolbell.CodeConflict},
		{"wrapping keeps it", fmt.Errorf("insert user: %w", taken), schoolbell.CodeConflict},
		{"the outer one counts", &schoolbell.Error{Code: schoolbell.CodeUnavailable, Err: taken}, schoolbell.CodeUnavailable},
		{"a join has the code of its first", errors.Join(errors.New("boom"), taken), schoolbell.CodeConflict},
		{"faults have the code of the first", schoolbell.Faults{{Code: schoolbell.CodeTooLarge}, {Code: schoolbell.CodeInvalid}}, schoolbell.CodeTooLarge},
		{"invalid input", schoolbell.Invalid("title", "is missing"), schoolbell.CodeInvalid},
		{"a thing that is not there", schoolbell.NotFound("event", "e1"), schoolbell.CodeNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := schoolbell.CodeOf(c.err); got != c.want {
				t.Errorf("code %q, want %q", got, c.want)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk full")
	for _, c := range []struct {
		err  error
		want string
	}{
		{&schoolbell.Error{Message: "cannot store"}, "cannot store"},
		{&schoolbell.Error{Message: "cannot store", Err: cause}, "cannot store: disk full"},
		{schoolbell.Invalid("users[2]", "no user %q", "ada"), `users[2]: no user "ada"`},
		{schoolbell.NotFound("event", "e1"), `no event "e1"`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if err := error(&schoolbell.Error{Err: cause}); !errors.Is(err, cause) {
		t.Error("the cause is not in the chain")
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	var f schoolbell.Faults
	if err := f.Err(); err != nil {
		t.Fatalf("without faults: %v", err)
	}
	f.Add("title", "must not be empty")
	f.Add("channels[1]", "unknown channel %q", "fax")
	err := fmt.Errorf("create event: %w", f.Err())
	var got schoolbell.Faults
	if !errors.As(err, &got) || len(got) != 2 || got[1].Field != "channels[1]" || got[1].Code != schoolbell.CodeInvalid {
		t.Fatalf("faults in the chain: %+v", got)
	}
	for _, fault := range got {
		if !errors.Is(err, fault) || !strings.Contains(err.Error(), fault.Error()) {
			t.Errorf("%v is not to be found in %v", fault, err)
		}
	}
}
