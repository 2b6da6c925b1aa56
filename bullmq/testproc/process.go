package testproc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// StartTimeout is how long a program may take to become ready. It is generous: many
// programs may start at once on few cores.
const StartTimeout = 60 * time.Second

// Process is a running program. Its methods are for one goroutine at a time.
type Process struct {
	cmd    *exec.Cmd
	log    string        // the file that its output goes to
	exited chan struct{} // closed when it has ended and has been waited for
	err    error         // how it ended; read after exited
}

// Options set how a program runs.
type Options struct {
	Log        string              // file to which both output streams are appended; required
	Dir        string              // working folder; empty means that of the test
	Env        []string            // NAME=value; nil means the environment of the test
	Death      syscall.Signal      // what it is sent if the test process dies (Linux only)
	Credential *syscall.Credential // the account it runs as; nil means that of the test
}

// Start starts a program. The caller stops it.
func Start(bin string, args []string, o Options) (*Process, error) {
	out, err := os.OpenFile(o.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(bin, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = o.Dir, o.Env, out, out
	cmd.SysProcAttr = sysProcAttr(o)
	p := &Process{cmd: cmd, log: o.Log, exited: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// run starts the program and waits for it on one thread, because the kernel ties
// the child to the thread, not to the process.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.exited)
}

// Await polls ready until it returns nil. It fails when the program ends first or
// [StartTimeout] has passed; the error has the end of the program's output.
func (p *Process) Await(ready func() error) error {
	var ended error
	err := Poll(StartTimeout, func() (bool, error) {
		select {
		case <-p.exited:
			ended = fmt.Errorf("%s ended: %v; its last output:\n%s", p.cmd.Path, p.err, p.Tail())
			return true, nil
		default:
		}
		err := ready()
		return err == nil, err
	})
	if ended != nil {
		return ended
	}
	if err != nil {
		return fmt.Errorf("%s is not ready: %w; its last output:\n%s", p.cmd.Path, err, p.Tail())
	}
	return nil
}

// Stop sends sig and returns when the program has ended. After 20 seconds it sends SIGKILL.
func (p *Process) Stop(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig)
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // a stopped process takes no other signal
	select {
	case <-p.exited:
		return
	case <-time.After(20 * time.Second):
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Signal sends sig. It fails if the program has ended. After SIGSTOP it returns when all
// threads of the program have stopped (Linux only): on a busy machine some run on for a while.
func (p *Process) Signal(sig syscall.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s has ended already", p.cmd.Path)
	}
	if err == nil && sig == syscall.SIGSTOP {
		err = Poll(StartTimeout, func() (bool, error) { return stopped(p.PID()) })
	}
	return err
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Path is the program's path.
func (p *Process) Path() string { return p.cmd.Path }

// Exited is closed when the program has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitCode is the exit code of a program that has ended, -1 if a signal ended it.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Output is what the program has written to both streams so far.
func (p *Process) Output() (string, error) {
	text, err := os.ReadFile(p.log)
	return string(text), err
}

// Tail is the last 15 lines of the program's output.
func (p *Process) Tail() string {
	text, err := p.Output()
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
