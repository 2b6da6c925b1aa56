//go:build unix

package doctor

import (
	"os"

	"golang.org/x/sys/unix"
)

// mayWrite reports whether this user may write to a file, or make files in a folder,
// without trying.
func mayWrite(path string) error {
	mode := uint32(unix.W_OK)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		mode |= unix.X_OK
	}
	if err := unix.Access(path, mode); err != nil {
		return &os.PathError{Op: "write to", Path: path, Err: err}
	}
	return nil
}
