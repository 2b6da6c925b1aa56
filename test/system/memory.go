package system

import (
	"fmt"
	"os"
	"strings"
)

// Memory is the resident memory of the process in bytes, 0 if it has ended.
func (p *Process) Memory() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
	if err != nil {
		return 0
	}
	var total, resident int
	if _, err := fmt.Fscan(strings.NewReader(string(text)), &total, &resident); err != nil {
		return 0 // a process that has ended and was not waited for
	}
	return resident * os.Getpagesize()
}
