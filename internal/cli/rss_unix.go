//go:build unix

package cli

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// maxRSS is the largest resident memory this process has had, in MB; 0 when the
// system does not tell.
func maxRSS() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" { // bytes there, kilobytes elsewhere
		return float64(u.Maxrss) / (1 << 20)
	}
	return float64(u.Maxrss) / (1 << 10)
}
