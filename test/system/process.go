package system

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

// patience is far longer than anything here takes.
const patience = 90 * time.Second

const (
	grace     = 20 * time.Second
	stopLimit = grace + 5*time.Second // to end once the grace is over
)

// Process is a running schoolbell. Its methods are for the goroutine of the test.
// When the test fails its output is shown.
type Process struct {
	t    testing.TB
	name string
	*testenv.Program
}

// start runs the program with nothing in its environment but the settings.
func start(t testing.TB, name, dir string, env []string, wrap func(string, []string) (string, []string), args ...string) *Process {
	t.Helper()
	bin := testenv.Binary(t)
	p := &Process{t: t, name: name}
	// Registered first and so run last: the program has ended by then.
	t.Cleanup(func() {
		if t.Failed() && p.Program != nil {
			t.Logf("output of %s:\n%s", name, tail(p.Output(), 300))
		}
	})
	if wrap != nil {
		bin, args = wrap(bin, args)
	}
	p.Program = testenv.StartProgram(t, testenv.ProgramOptions{Dir: dir, Env: env, Bare: true}, bin, args...)
	return p
}

// tail is the last n lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > n {
		lines = append([]string{"…"}, lines[len(lines)-n:]...)
	}
	return strings.Join(lines, "\n")
}

// Kill ends the process as a crash would, and returns when it is gone.
func (p *Process) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGKILL)
	if code := p.Exit(patience); code != -1 {
		p.t.Fatalf("%s had ended with code %d before it was killed", p.name, code)
	}
}

// Terminate asks the process to end with SIGTERM.
func (p *Process) Terminate() { p.t.Helper(); p.Signal(syscall.SIGTERM) }

// Ends waits until the process has ended within its grace, and expects that it
// did so in good order. One that has not is made to show what hangs.
func (p *Process) Ends() {
	p.t.Helper()
	late := time.AfterFunc(stopLimit, func() { _ = syscall.Kill(p.PID(), syscall.SIGQUIT) })
	defer late.Stop()
	if code := p.Exit(stopLimit + patience); code != 0 {
		p.t.Errorf("%s ended with code %d", p.name, code)
	}
	if !strings.Contains(p.Output(), "Stopped") {
		p.t.Errorf("%s does not say that it has stopped", p.name)
	}
}

// Stop ends the process with SIGTERM and expects that it ends in good order.
func (p *Process) Stop() { p.t.Helper(); p.Terminate(); p.Ends() }

// Pause freezes the process: its connections stay open, nothing of it moves.
func (p *Process) Pause() { p.t.Helper(); p.Signal(syscall.SIGSTOP) }

// Continue ends a Pause.
func (p *Process) Continue() { p.t.Helper(); p.Signal(syscall.SIGCONT) }
