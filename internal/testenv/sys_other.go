//go:build !linux

package testenv

import (
	"errors"
	"sync"
	"syscall"
)

// endWithUs cannot tie a child to this process here; the tests' cleanup has to do.
func endWithUs(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

var portLocks sync.Map

// lockPort reserves a port within this process only.
func lockPort(port int) (release func(), err error) {
	if _, taken := portLocks.LoadOrStore(lockName(port), true); taken {
		return nil, errors.New("port is reserved")
	}
	return func() { portLocks.Delete(lockName(port)) }, nil
}
