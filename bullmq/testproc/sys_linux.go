package testproc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// sysProcAttr has the kernel send o.Death to a child when the thread that started it
// ends, and so however this process dies.
func sysProcAttr(o Options) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: o.Death, Setpgid: true, Credential: o.Credential}
}

// lockPort holds a name in the abstract socket namespace: it is machine-wide and
// the kernel frees it when the process ends.
func lockPort(port int) (release func(), err error) {
	l, err := net.Listen("unix", "@"+lockName(port))
	if err != nil {
		return nil, err
	}
	return func() { _ = l.Close() }, nil
}

// stopped reports whether all threads of a process are stopped. The state of a thread is the
// word after its name in parentheses, see proc_pid_stat(5).
func stopped(pid int) (bool, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false, errors.Join(err, fmt.Errorf("process %d has no threads", pid))
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return false, err
		}
		_, state, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
		if state == "" || !strings.Contains("TtZX", state[:1]) { // Z and X: the thread has ended
			return false, fmt.Errorf("process %d runs on: %s is in state %.1s", pid, path, state)
		}
	}
	return true, nil
}
