//go:build !linux

package testproc

import (
	"errors"
	"sync"
	"syscall"
)

// sysProcAttr cannot tie a child to this process here; the tests' cleanup has to do.
func sysProcAttr(o Options) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: o.Credential}
}

var portLocks sync.Map

// lockPort reserves a port within this process only.
func lockPort(port int) (release func(), err error) {
	if _, taken := portLocks.LoadOrStore(lockName(port), true); taken {
		return nil, errors.New("port is reserved")
	}
	return func() { portLocks.Delete(lockName(port)) }, nil
}

// stopped cannot tell here.
func stopped(int) (bool, error) { return true, nil }
