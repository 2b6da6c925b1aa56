package testproc

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func TestFreePortGivesNoPortTwice(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 50 {
		port := FreePort(t)
		if seen[port] {
			t.Fatalf("port %d twice", port)
		}
		seen[port] = true
		if release, err := lockPort(port); err == nil {
			release()
			t.Fatalf("port %d is not reserved", port)
		}
	}
}

// recorder stands in for a test that is expected to skip or fail.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper()      {}
func (r *recorder) Name() string { return "TestOfSomething" }
func (r *recorder) Skip(args ...any) {
	r.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// record runs f as a test of its own and tells how it ended.
func record(f func(t testing.TB)) *recorder {
	r, done := &recorder{}, make(chan struct{})
	go func() { defer close(done); f(r) }()
	<-done
	return r
}

func TestEventually(t *testing.T) {
	t.Parallel()
	n := 0
	Eventually(t, time.Minute, func() bool { n++; return n == 3 }, "the third call")
	if n != 3 {
		t.Errorf("called %d times, want 3", n)
	}
	r := record(func(t testing.TB) {
		Eventually(t, 0, func() error { return errors.New("still red") }, "green %s", "light")
	})
	if want := "green light: not within 0s: still red"; r.failed != want {
		t.Errorf("failed with %q, want %q", r.failed, want)
	}
	r = record(func(t testing.TB) { Eventually(t, 0, func() bool { return false }, "ever") })
	if r.failed == "" {
		t.Error("a condition that never holds passed")
	}
}

func TestMissingProgramsAreSkippedLoudly(t *testing.T) {
	t.Setenv("CI", "")
	r := record(func(t testing.TB) { Missing(t, "redis-server", "run `make deps`") })
	if want := "SKIPPED: TestOfSomething: redis-server is missing; run `make deps`"; r.skipped != want {
		t.Errorf("skipped with %q, want %q", r.skipped, want)
	}
	var summary strings.Builder
	printSkipped(&summary)
	if !strings.Contains(summary.String(), "redis-server is missing") {
		t.Errorf("summary %q does not name it", summary.String())
	}
	process.mu.Lock()
	process.skipped = nil // it was not one of ours
	process.mu.Unlock()

	t.Setenv("CI", "true")
	r = record(func(t testing.TB) { Missing(t, "redis-server", "run `make deps`") })
	if want := "TestOfSomething: redis-server is missing; run `make deps` (with CI=true this is a failure)"; r.failed != want {
		t.Errorf("with CI=true: failed with %q", r.failed)
	}
}

func TestAStoppedProgramRunsNoFurther(t *testing.T) {
	t.Parallel()
	sleep, err := Find([]string{"sleep"}, nil)
	if err != nil {
		Missing(t, "sleep", "install coreutils")
	}
	p, err := Start(sleep, []string{"60"}, Options{Log: filepath.Join(t.TempDir(), "log"), Death: syscall.SIGKILL})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(syscall.SIGKILL)
	if still, _ := stopped(p.PID()); still && runtime.GOOS == "linux" {
		t.Error("a running program counts as stopped")
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if still, err := stopped(p.PID()); !still {
		t.Error(err)
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
