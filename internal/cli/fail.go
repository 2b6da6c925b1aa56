package cli

import (
	"context"
	"errors"
	"fmt"

	"schoolbell/internal/advice"

	"github.com/alecthomas/kong"

	"schoolbell"
)

// usageError is a command line that kong's grammar allows and the command does not.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// settingsError is every fault found in the settings.
type settingsError struct{ faults schoolbell.Faults }

func (e *settingsError) Error() string { return e.faults.Error() }

// quietError fails the command silently: the cause was printed already.
type quietError struct{}

func (quietError) Error() string { return "failed" }

// refuse reports a command line that could not be read.
func (a *program) refuse(err error) int {
	command := "schoolbell"
	if e, ok := errors.AsType[*kong.ParseError](err); ok && e.Context != nil && e.Context.Selected() != nil {
		command = e.Context.Selected().FullPath()
	}
	a.complain("%v", err)
	a.suggest("see %s --help", command)
	return exitUsage
}

// fail reports why a command failed and returns the exit code.
func (a *program) fail(ctx context.Context, err error) int {
	switch {
	case errors.As(err, new(quietError)):
		return exitFailure
	case interrupted(ctx, err):
		a.complain("interrupted")
		return exitFailure
	}
	if e, ok := errors.AsType[*settingsError](err); ok {
		a.complainFields(count(len(e.faults), "setting is invalid", "settings are invalid"), e.faults)
		a.suggest("set them by flag, in the environment or in %s", a.envFile)
		return exitUsage
	}
	if a.failRemote(err) {
		return exitFailure
	}
	code := exitFailure
	if _, ok := errors.AsType[*usageError](err); ok {
		code = exitUsage
	}
	if f, ok := errors.AsType[schoolbell.Faults](err); ok && (len(f) > 1 || f[0].Field != "") {
		a.complainFields(count(len(f), "field is invalid", "fields are invalid")+"; nothing was changed", f)
	} else {
		a.complain("%v", err)
	}
	if step, ok := advice.Of(err); ok {
		a.suggest("%s", step)
	}
	return code
}

func (a *program) complain(format string, args ...any) {
	fmt.Fprintf(a.Err, "%s %s\n", a.style.bad("schoolbell:"), fmt.Sprintf(format, printableArgs(args)...))
}

func (a *program) suggest(format string, args ...any) {
	fmt.Fprintf(a.Err, "  %s\n", a.style.dim("→ "+fmt.Sprintf(format, args...)))
}

// complainFields lists faults under a headline, each with its field.
func (a *program) complainFields(headline string, faults schoolbell.Faults) {
	a.complain("%s", headline)
	width := 0
	for _, f := range faults {
		width = max(width, len(f.Field))
	}
	for _, f := range faults {
		fmt.Fprintf(a.Err, "  %-*s  %s\n", width, printable(f.Field), printable(f.Message))
	}
}

// count says how many there are of a thing.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}
