package bench

import (
	"fmt"
	"os"
	"testing"

	"schoolbell/internal/testenv"
)

// BenchmarkSystemTrees compares the whole program of this working tree with that of another
// one, -against, in alternating runs on the same servers: serve and a worker with
// PostgreSQL, Redis and a mail server, and the embedded demo. Each measurement is a line
// of the benchmark format, as benchstat -col /tree reads it.
func BenchmarkSystemTrees(b *testing.B) {
	if *against == "" {
		b.Skip("-against names no other working tree")
	}
	srv := startServers(b)
	trees := []struct{ name, bin string }{
		{"old", goBuild(b, "old", *against, "./cmd/schoolbell")},
		{"new", goBuild(b, "new", testenv.Root(b), "./cmd/schoolbell")},
	}
	for round := range *rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, *rounds)
		for i := range trees {
			tree := trees[(i+round)%len(trees)] // who is first changes
			printRun("serve+worker", tree.name, reachOnce(b, srv, tree.bin, *some))
			printRun("demo", tree.name, runDemo(b, tree.bin, *some))
		}
	}
	b.ReportMetric(0, "ns/op") // the time of the whole program says nothing
}

// reachOnce sends one event to all people with a fresh serve and worker.
func reachOnce(b testing.TB, srv *servers, bin string, people int) run {
	b.Helper()
	s := startBinary(b, bin, srv, setup{people: people, workers: 1, sink: testenv.SMTPSink(b)})
	defer s.stop()
	return s.reach(b, srv, audience{})
}

func printRun(job, tree string, r run) {
	fmt.Printf("BenchmarkReach/job=%s/tree=%s 1 %.0f ns/person %.2f cpu-µs/person %.2f worker-µs/person %.2f postgres-µs/person %.0f ns/post %.1f MB\n",
		job, tree, float64(r.took.Nanoseconds())/float64(r.people), r.perPerson(r.cost.counted()), r.perPerson(r.cost.workers),
		r.perPerson(r.cost.postgres), float64(r.post.Nanoseconds()), r.peak)
}
