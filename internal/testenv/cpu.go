package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// clockTick is the unit of times in /proc on Linux.
const clockTick = 10 * time.Millisecond

// CPUTime returns the processor time that a process and those it started, such as the servers
// of a test, have used so far, in steps of 10 ms. It needs /proc, which only Linux has.
func CPUTime(t testing.TB, process int) time.Duration {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	parents, ticks := map[int]int{}, map[int]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the process has ended
		}
		pid, parent, used, err := parseStat(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		parents[pid], ticks[pid] = parent, used
	}
	sum := 0
	for pid := range parents {
		if descends(parents, pid, process) {
			sum += ticks[pid]
		}
	}
	return time.Duration(sum) * clockTick
}

// parseStat reads the numbers of a process and its parent, and the time that it and its
// ended children used, from the text of /proc/[pid]/stat.
func parseStat(text string) (pid, parent, ticks int, err error) {
	const utime, cstime = 11, 14 // after the name, which may contain anything
	end := strings.LastIndexByte(text, ')')
	fields := strings.Fields(text[end+1:])
	if end < 0 || len(fields) <= cstime {
		return 0, 0, 0, fmt.Errorf("unknown format %q", text)
	}
	first, _, _ := strings.Cut(text, " ")
	numbers := make([]int, 0, 6)
	for _, field := range append([]string{first, fields[1]}, fields[utime:cstime+1]...) {
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, 0, 0, err
		}
		numbers = append(numbers, n)
	}
	return numbers[0], numbers[1], numbers[2] + numbers[3] + numbers[4] + numbers[5], nil
}

// descends reports whether the process is the ancestor or was started below it.
func descends(parents map[int]int, pid, ancestor int) bool {
	for pid != ancestor {
		parent, known := parents[pid]
		if !known {
			return false
		}
		pid = parent
	}
	return true
}
