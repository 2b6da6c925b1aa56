package testenv

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
// Afterwards it stops the servers that the tests shared, looks for goroutines
// that outlived them (opts are exceptions), prints what was skipped for want of
// a program, and exits.
func Main(m *testing.M, opts ...goleak.Option) {
	opts = append(opts, goleak.IgnoreCurrent())
	code := m.Run()
	stopShared()
	if code == 0 && !fuzzing() {
		// Clients that were just closed may take a second or two to notice.
		if err := poll(5*time.Second, func() (bool, error) { err := goleak.Find(opts...); return err == nil, err }); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines outlived the tests:", err)
			code = 1
		}
	}
	printSkipped(os.Stderr)
	os.Exit(code)
}

// fuzzing tells whether go test is fuzzing: its coordinator and its workers keep
// goroutines of their own.
func fuzzing() bool {
	for _, name := range []string{"test.fuzz", "test.fuzzworker"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" && f.Value.String() != "false" {
			return true
		}
	}
	return false
}

// atExit keeps stop for the end of the process, last come first served.
func atExit(stop func()) {
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

// missing ends the test because a program is not there: as skipped, or as failed
// where CI=true says that everything must be there.
func missing(t testing.TB, what, remedy string) {
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
	fmt.Fprintf(w, "\n%d TESTS SKIPPED FOR WANT OF A PROGRAM:\n  %s\n", len(process.skipped), strings.Join(process.skipped, "\n  "))
}
