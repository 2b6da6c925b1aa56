package testproc

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// process is what one test process shares between its tests.
var process struct {
	mu      sync.Mutex
	stops   []func()
	skipped []string
}

// Main runs the tests of a package: call it from TestMain as the only statement.
// Afterwards it calls what [AtExit] was given, looks for goroutines that outlived the tests
// (opts are exceptions), lists the tests that were skipped, and exits.
func Main(m *testing.M, opts ...goleak.Option) {
	opts = append(opts, goleak.IgnoreCurrent())
	code := m.Run()
	stopShared()
	if code == 0 && !fuzzing() {
		// Clients that were just closed may take a second or two to notice.
		if err := Poll(5*time.Second, func() (bool, error) { err := goleak.Find(opts...); return err == nil, err }); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines outlived the tests:", err)
			code = 1
		}
	}
	printSkipped(os.Stderr)
	os.Exit(code)
}

// fuzzing reports whether go test is fuzzing: its coordinator and its workers have
// goroutines of their own.
func fuzzing() bool {
	for _, name := range []string{"test.fuzz", "test.fuzzworker"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" && f.Value.String() != "false" {
			return true
		}
	}
	return false
}

// AtExit has [Main] call stop after the tests, the last one first.
func AtExit(stop func()) {
	process.mu.Lock()
	defer process.mu.Unlock()
	process.stops = append(process.stops, stop)
}

func stopShared() {
	process.mu.Lock()
	stops := process.stops
	process.stops = nil
	process.mu.Unlock()
	for _, stop := range slices.Backward(stops) {
		stop()
	}
}

// Missing ends the test because a program is not installed: skipped, or failed if CI=true
// says that every program must be there. what names the program, remedy says how to get it.
func Missing(t testing.TB, what, remedy string) {
	t.Helper()
	line := fmt.Sprintf("%s: %s is missing; %s", t.Name(), what, remedy)
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s (with CI=true this is a failure)", line)
	}
	process.mu.Lock()
	process.skipped = append(process.skipped, line)
	process.mu.Unlock()
	t.Skip("SKIPPED: " + line)
}

func printSkipped(w io.Writer) {
	process.mu.Lock()
	defer process.mu.Unlock()
	if len(process.skipped) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%d TESTS SKIPPED, A PROGRAM IS MISSING:\n  %s\n", len(process.skipped), strings.Join(process.skipped, "\n  "))
}
