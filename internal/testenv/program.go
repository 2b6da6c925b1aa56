package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"schoolbell/bullmq/testproc"
)

// Program is a process under test: ours, or a Node program. Its methods are for
// the goroutine of the test.
type Program struct {
	t testing.TB
	p *testproc.Process
}

// ProgramOptions say how a program runs.
type ProgramOptions struct {
	Dir  string   // working folder; empty means that of the test
	Env  []string // NAME=value, added to the environment of the test
	Bare bool     // Env and the place of temporary files are the whole environment
}

// StartProgram starts a program. When the test ends it gets SIGTERM and, if that
// does not end it, SIGKILL; it does not outlive the test process.
func StartProgram(t testing.TB, o ProgramOptions, bin string, args ...string) *Program {
	t.Helper()
	env := append(os.Environ(), o.Env...)
	if o.Bare {
		env = append([]string{"TMPDIR=" + os.TempDir()}, o.Env...)
	}
	p, err := testproc.Start(bin, args, testproc.Options{
		Dir: o.Dir, Env: env, Log: filepath.Join(t.TempDir(), "output"), Death: syscall.SIGKILL,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(syscall.SIGTERM) })
	return &Program{t: t, p: p}
}

// Await waits until the program has printed text, on whichever stream. It fails
// the test when the program ends first.
func (p *Program) Await(text string) {
	p.t.Helper()
	if err := p.p.Await(func() error {
		if out := p.Output(); !strings.Contains(out, text) {
			return fmt.Errorf("%q has not been printed", text)
		}
		return nil
	}); err != nil {
		p.t.Fatal(err)
	}
}

// Output is what the program has printed on both streams so far.
func (p *Program) Output() string {
	p.t.Helper()
	text, err := p.p.Output()
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// PID is the id of the process.
func (p *Program) PID() int { return p.p.PID() }

// Stop sends SIGTERM and returns when the program has ended.
func (p *Program) Stop() { p.p.Stop(syscall.SIGTERM) }

// Kill ends the program as a crash would, and returns when it has ended.
func (p *Program) Kill() { p.p.Stop(syscall.SIGKILL) }

// Exit waits until the program has ended and returns its exit code, or -1 if a
// signal ended it. It fails the test when that takes longer than within.
func (p *Program) Exit(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.p.Exited():
	case <-time.After(within):
		p.t.Fatalf("%s has not ended within %v; its last words:\n%s", p.p.Path(), within, p.p.Tail())
	}
	return p.p.ExitCode()
}

// Signal sends sig and fails the test if the program has ended.
func (p *Program) Signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.p.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}
