package app

import (
	"io/fs"
	"log/slog"
	"math"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

const (
	// heapShare is the part of the cgroup's limit that Go's memory may take, in percent. The
	// rest is for what Go does not count, such as the kernel's buffers of connections.
	heapShare = 90

	// unlimited is where v1 of cgroups begins to mean that there is no limit: the largest
	// number of whole pages.
	unlimited = 1 << 62
)

// LimitMemory makes Go's garbage collector work harder before the memory that the cgroup
// allows is used up. Without it, the system kills a process whose heap would have been half
// garbage. The explicit text is GOMEMLIMIT of the environment, which the Go runtime has
// obeyed already and which wins. system holds the system's files, as os.DirFS("/") does.
func LimitMemory(system fs.FS, explicit string, log *slog.Logger) {
	if explicit != "" {
		log.Info("memory limit taken from GOMEMLIMIT", "limit", explicit)
		return
	}
	cgroup, ok := cgroupMemory(system)
	if !ok {
		return
	}
	limit := cgroup / 100 * heapShare
	debug.SetMemoryLimit(limit)
	log.Info("memory limit taken from the cgroup", "limit", limit, "cgroup", cgroup)
}

// cgroupMemory returns the bytes that this process may use, and whether there is a limit. The
// limits of the cgroups above count as well. In a container, /proc/self/cgroup may name a
// path of the host of which only the end, or nothing, is mounted: folders that are not there
// have no limit.
func cgroupMemory(system fs.FS) (bytes int64, ok bool) {
	list, err := fs.ReadFile(system, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	bytes = math.MaxInt64
	for line := range strings.Lines(string(list)) {
		_, rest, _ := strings.Cut(strings.TrimRight(line, "\n"), ":")
		controllers, place, _ := strings.Cut(rest, ":")
		switch {
		case controllers == "": // v2
			bytes = min(bytes, lowestLimit(system, "sys/fs/cgroup", place, "memory.max"))
		case slices.Contains(strings.Split(controllers, ","), "memory"): // v1
			bytes = min(bytes, lowestLimit(system, "sys/fs/cgroup/memory", place, "memory.limit_in_bytes"))
		}
	}
	return bytes, bytes < unlimited
}

// lowestLimit returns the lowest limit in the files of that name from the folder place below
// base up to base.
func lowestLimit(system fs.FS, base, place, name string) int64 {
	lowest := int64(math.MaxInt64)
	for dir := path.Join(base, path.Clean("/"+place)); ; dir = path.Dir(dir) {
		text, err := fs.ReadFile(system, path.Join(dir, name))
		if err == nil {
			lowest = min(lowest, parseLimit(string(text)))
		}
		if dir == base {
			return lowest
		}
	}
}

// parseLimit reads a limit; what is no positive number, such as max, is none.
func parseLimit(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
