package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// clockTick is the unit of CPU times in /proc, the same on every Linux.
const clockTick = time.Second / 100

// usage is what a process has used of the machine.
type usage struct {
	cpu      time.Duration // user and system time of all its threads
	resident float64       // MB now
	peak     float64       // MB at the most
}

// usageOf reads /proc, which only Linux has.
func usageOf(b testing.TB, pid int) usage {
	b.Helper()
	read := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			b.Fatalf("measure process %d: %v", pid, err)
		}
		return string(text)
	}
	u, err := parseUsage(read("stat"), read("status"))
	if err != nil {
		b.Fatalf("measure process %d: %v", pid, err)
	}
	return u
}

func parseUsage(stat, status string) (usage, error) {
	var u usage
	// The program's name, in brackets, may hold anything: count from behind it.
	// The fields that follow are the third and on; utime and stime are 14 and 15.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return u, fmt.Errorf("stat is too short: %q", stat)
	}
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return u, fmt.Errorf("stat: %w", err)
		}
		u.cpu += time.Duration(ticks) * clockTick
	}
	for name, to := range map[string]*float64{"VmRSS:": &u.resident, "VmHWM:": &u.peak} {
		_, after, found := strings.Cut(status, name)
		if _, err := fmt.Sscanf(after, "%f kB", to); err != nil || !found {
			return u, fmt.Errorf("status has no %s: %w", name, err)
		}
		*to /= 1024
	}
	return u, nil
}

func TestParseUsage(t *testing.T) {
	t.Parallel()
	const stat = "42 (a ) b) S 1 42 42 0 -1 4194560 500 0 0 0 150 25 0 0 20 0 9 0 100 1000 200\n"
	u, err := parseUsage(stat, "Name:\ta ) b\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n")
	if want := (usage{cpu: 1750 * time.Millisecond, resident: 10, peak: 20}); err != nil || u != want {
		t.Errorf("got %+v, %v, want %+v", u, err, want)
	}
	if _, err := parseUsage(stat, "Name:\tgone\n"); err == nil {
		t.Error("a status without memory is no error")
	}
	if _, err := parseUsage("42 (x) S 1", ""); err == nil {
		t.Error("a short stat is no error")
	}
}
