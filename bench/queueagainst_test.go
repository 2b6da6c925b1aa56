package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/testenv"
)

// BenchmarkQueueTrees compares the queue library of this working tree with that of another one,
// -against, by turns on one Redis. Each measurement is a line of the benchmark format, as
// benchstat -col /tree reads it.
func BenchmarkQueueTrees(b *testing.B) {
	if *against == "" {
		b.Skip("-against names no other working tree")
	}
	addr := testenv.Redis(b)
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	b.Cleanup(func() { _ = rdb.Close() })
	trees := []*queueFacts{}
	for _, tree := range []struct{ name, root string }{{"old", *against}, {"new", testenv.Root(b)}} {
		lib := startLibrary(b, tree.name, "", buildTree(b, tree.name, tree.root), addr)
		trees = append(trees, &queueFacts{lib: lib, runs: map[string][]queueRun{}})
	}
	for round := range *rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, *rounds)
		for _, t := range queueTasks {
			for i := range trees {
				f := trees[(i+round)%len(trees)] // who is first changes
				f.measure(b, rdb, t, *jobs*t.share/100)
				f.printLast(t)
			}
		}
		for i := range trees {
			f := trees[(i+round)%len(trees)]
			f.measureIdle(b, rdb)
			last := len(f.p50) - 1
			fmt.Printf("BenchmarkJob/task=idle-p50/tree=%s 1 %.0f ns/job %.1f MB\n", f.lib.name, f.p50[last]*1e3, f.memory[last])
		}
	}
	b.ReportMetric(0, "ns/op") // the time of the whole program says nothing
}

// printLast prints the newest measurement of a task.
func (f *queueFacts) printLast(t queueTask) {
	runs := f.runs[t.title]
	r := runs[len(runs)-1]
	fmt.Printf("BenchmarkJob/task=%s/tree=%s 1 %.0f ns/job %.2f client-µs/job %.2f redis-µs/job %.2f script-µs/job\n",
		strings.ReplaceAll(strings.ReplaceAll(t.title, ",", ""), " ", "-"), f.lib.name, 1e9/r.rate, r.client, r.redis, r.script)
}

// buildTree builds the program that measures our library in a working tree.
func buildTree(b testing.TB, name, root string) string {
	b.Helper()
	return goBuild(b, name, filepath.Join(root, "bench", "queue"), "./bullmq")
}

// goBuild builds a package, seen from a folder, as it is shipped.
func goBuild(b testing.TB, name, folder, pkg string) string {
	b.Helper()
	bin := filepath.Join(b.TempDir(), name)
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-o", bin, pkg)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build in %s: %v\n%s", folder, err, out)
	}
	return bin
}
