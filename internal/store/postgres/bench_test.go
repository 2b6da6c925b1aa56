package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/store/storetest"
	"schoolbell/internal/testenv"
)

func BenchmarkStore(b *testing.B) {
	var backend int
	if err := raw(b, testenv.Postgres(b)).QueryRow(b.Context(), "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
	server, err := readProcess(fmt.Sprintf("/proc/%d/stat", backend))
	if err != nil {
		b.Fatal(err)
	}
	storetest.BenchmarkWithServer(b, database, func() time.Duration { return serverTime(b, server.parent) })
}

// process is what /proc, which only Linux has, says of a process.
type process struct {
	id, parent     int
	used, children time.Duration // processor time of its own, and of its children that have ended
}

// clockTick is the unit of times in /proc.
const clockTick = 10 * time.Millisecond

func readProcess(path string) (p process, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	// The program's name, in brackets, may hold anything. Behind it are the third field and those after it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var n [4]int
	for i := range n {
		if n[i], err = strconv.Atoi(fields[11+i]); err != nil {
			return p, err
		}
	}
	p.used, p.children = time.Duration(n[0]+n[1])*clockTick, time.Duration(n[2]+n[3])*clockTick
	if p.parent, err = strconv.Atoi(fields[1]); err != nil {
		return p, err
	}
	p.id, err = strconv.Atoi(filepath.Base(filepath.Dir(path)))
	return p, err
}

// serverTime returns the processor time that a server and its children have used.
func serverTime(b *testing.B, server int) (used time.Duration) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range paths {
		p, err := readProcess(path)
		switch {
		case err != nil: // it has just ended
		case p.id == server:
			used += p.used + p.children
		case p.parent == server:
			used += p.used
		}
	}
	return used
}
