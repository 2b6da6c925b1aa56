package testproc

import (
	"net"
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
