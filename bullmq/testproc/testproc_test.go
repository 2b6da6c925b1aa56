package testproc

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func TestFreePort(t *testing.T) {
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

func TestEventually(t *testing.T) {
	t.Parallel()
	n := 0
	Eventually(t, time.Minute, func() bool { n++; return n == 3 }, "the third call")
	if n != 3 {
		t.Errorf("called %d times, want 3", n)
	}
	r := Record(func(t testing.TB) {
		Eventually(t, 0, func() error { return errors.New("still red") }, "green %s", "light")
	})
	if want := "green light: not within 0s: still red"; r.FailText != want {
		t.Errorf("failed with %q, want %q", r.FailText, want)
	}
	r = Record(func(t testing.TB) { Eventually(t, 0, func() bool { return false }, "ever") })
	if r.FailText == "" {
		t.Error("a condition that never holds passed")
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("CI", "")
	r := Record(func(t testing.TB) { Missing(t, "redis-server", "run `make deps`") })
	if want := "SKIPPED: TestOfSomething: redis-server is missing; run `make deps`"; r.SkipText != want {
		t.Errorf("skipped with %q, want %q", r.SkipText, want)
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
	r = Record(func(t testing.TB) { Missing(t, "redis-server", "run `make deps`") })
	if want := "TestOfSomething: redis-server is missing; run `make deps` (with CI=true this is a failure)"; r.FailText != want {
		t.Errorf("with CI=true: failed with %q", r.FailText)
	}
}

func TestSignalStop(t *testing.T) {
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
