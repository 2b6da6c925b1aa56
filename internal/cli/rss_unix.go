//go:build unix

package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// maxRSS is the largest resident memory this process has had, in MB; 0 when the
// system does not tell.
func maxRSS() float64 {
	if kb, ok := highWater(); ok {
		return kb / (1 << 10)
	}
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" { // bytes there, kilobytes elsewhere
		return float64(u.Maxrss) / (1 << 20)
	}
	return float64(u.Maxrss) / (1 << 10)
}

// highWater asks Linux, in kB, where getrusage counts in what the process that
// started this one had.
func highWater() (kb float64, ok bool) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %f kB", &kb); n == 1 {
			return kb, true
		}
	}
	return 0, false
}
