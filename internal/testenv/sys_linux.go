package testenv

import (
	"net"
	"syscall"
)

// endWithUs has the kernel send sig to a child when the thread that started it
// ends, and so when this process dies in whatever way.
func endWithUs(sig syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: sig, Setpgid: true}
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
