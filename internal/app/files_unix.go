//go:build unix

package app

import "golang.org/x/sys/unix"

// openFiles is how many files and connections this process may have open; 0 when the
// system does not tell. Go raises the soft limit to the hard one at start.
func openFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}
