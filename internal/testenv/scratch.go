package testenv

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"schoolbell/bullmq/testproc"
)

const (
	scratchPrefix = "schoolbell-testenv-"
	scratchLock   = "lock"
)

// scratch returns the folder of this test process for what its tests share. It is
// removed at the end; where the process dies first, the next one sweeps it.
var scratch = sync.OnceValues(func() (string, error) {
	sweep(os.TempDir())
	dir, err := os.MkdirTemp("", scratchPrefix)
	if err != nil {
		return "", err
	}
	// Other accounts must get through it to the folders that are theirs.
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", err
	}
	// The lock gets its name when it is held: a folder whose lock is free is swept.
	held, err := lockFolder(dir, "new", os.O_CREATE)
	if err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, scratchLock)); err != nil {
		_ = held.Close()
		return "", err
	}
	testproc.AtExit(func() {
		_ = os.RemoveAll(dir)
		_ = held.Close()
	})
	return dir, nil
})

// lockFolder takes the folder's lock, a file of that name, which the kernel frees
// with the process.
func lockFolder(dir, name string, flag int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes the folders under root whose process is gone.
func sweep(root string) {
	found, err := filepath.Glob(filepath.Join(root, scratchPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range found {
		held, err := lockFolder(dir, scratchLock, 0)
		if err != nil {
			continue
		}
		_ = os.RemoveAll(dir)
		_ = held.Close()
	}
}
