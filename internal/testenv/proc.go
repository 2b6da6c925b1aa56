package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startTimeout is generous: many servers may start at once on few cores.
const startTimeout = 60 * time.Second

// proc is a server under our control. Its methods are for one goroutine at a time.
type proc struct {
	cmd    *exec.Cmd
	log    string        // file that takes its output
	exited chan struct{} // closed when it has ended and has been waited for
	err    error         // how it ended; read after exited
}

// startProc starts a program whose output goes to the file log. death is the
// signal it gets if this process dies. cred may be nil.
func startProc(bin string, args []string, dir, log string, death syscall.Signal, cred *syscall.Credential) (*proc, error) {
	cmd := exec.Command(bin, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = endWithUs(death)
	cmd.SysProcAttr.Credential = cred
	return startCmd(cmd, log)
}

// startCmd starts a command that is ready but for its output.
func startCmd(cmd *exec.Cmd, log string) (*proc, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &proc{cmd: cmd, log: log, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// run starts the program and waits for it on one thread, because the kernel ties
// the child to the thread, not to the process.
func (p *proc) run(started chan<- error) {
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

// wait polls ready until it returns nil; it gives up when the program ends first.
func (p *proc) wait(ready func() error) error {
	var ended error
	err := poll(startTimeout, func() (bool, error) {
		select {
		case <-p.exited:
			ended = fmt.Errorf("%s ended: %v; its last words:\n%s", p.cmd.Path, p.err, p.tail())
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
		return fmt.Errorf("%s is not ready: %w; its last words:\n%s", p.cmd.Path, err, p.tail())
	}
	return nil
}

// stop sends sig, waits for the end, and makes sure of it with SIGKILL.
func (p *proc) stop(sig syscall.Signal) {
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

// signal sends sig to the program and tells whether it was there to take it.
func (p *proc) signal(sig syscall.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s has ended already", p.cmd.Path)
	}
	return err
}

func (p *proc) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// unprivileged returns the first of the named accounts when we are root, for the
// programs that refuse to run as root, and nil otherwise.
func unprivileged(names ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("no account to run as: tried %s", strings.Join(names, ", "))
}
