package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

// What the system promises of itself; see the checks below the table.
const (
	memoryLimit = 60 // MB of a worker, whatever the audience
	leadWanted  = 4  // times the emails a second of the Node system
)

// starter starts one of the compared systems.
type starter func(b testing.TB, srv *servers, sink *testenv.Sink, people int) *system

// contender is one line of the table: all its runs.
type contender struct {
	name string
	run  func(b testing.TB) run
	runs []run
}

func BenchmarkSystem(b *testing.B) {
	srv := startServers(b)
	peer, ours := latencies{start: startPeer}, latencies{start: startSchoolbell}
	whole := func(start starter, people int) func(testing.TB) run {
		return func(b testing.TB) run {
			sink := testenv.SMTPSink(b)
			s := start(b, srv, sink, people)
			defer s.stop()
			return s.reach(b, srv, sink, people)
		}
	}
	node := &contender{name: "Node, BullMQ, nodemailer", run: whole(startPeer, *some)}
	bell := &contender{name: "Schoolbell, serve + worker", run: whole(startSchoolbell, *some)}
	demo := &contender{name: "Schoolbell, embedded demo", run: func(b testing.TB) run { return runDemo(b, testenv.Binary(b), *some) }}
	bulk := &contender{name: "Schoolbell, serve + worker", run: whole(startSchoolbell, *many)}
	all := []*contender{node, bell, demo, bulk}
	for round := range *rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d: latency", round+1, *rounds)
		peer.measure(b, srv)
		ours.measure(b, srv)
		for _, c := range all {
			r := c.run(b)
			c.runs = append(c.runs, r)
			fmt.Fprintf(os.Stderr, ", %s %d people %s s", c.name, r.people, seconds(r.took))
		}
		fmt.Fprintln(os.Stderr)
	}
	printSystem(os.Stdout, all, &peer, &ours)
	base := medianOf(node, run.rate)
	fmt.Printf("\nthroughput at least %d× that of Node: %s, %s\n", leadWanted, ratio(medianOf(bell, run.rate), base), verdict(medianOf(bell, run.rate) >= leadWanted*base))
	most := 0.0
	for _, r := range append(bulk.runs, bell.runs...) {
		most = max(most, r.peak)
	}
	fmt.Printf("worker's memory below %d MB at %d people: %s MB at the most, %s\n\n", memoryLimit, *many, megabytes(most), verdict(most < memoryLimit))
	b.ReportMetric(medianOf(bell, run.rate), "emails/s")
	b.ReportMetric(0, "ns/op") // the time of the whole program says nothing
}

// latencies are the times of single requests while only the server runs.
type latencies struct {
	start    starter
	p50, p99 []time.Duration // of each round
}

// warmUp is how many requests go before those that are measured.
const warmUp = 50

func (l *latencies) measure(b testing.TB, srv *servers) {
	b.Helper()
	const people = 100
	s := l.start(b, srv, nil, people)
	defer s.stop()
	took := make([]time.Duration, 0, *posts)
	for n := range warmUp + *posts {
		if d := s.post(b, "parent"); n >= warmUp {
			took = append(took, d)
		}
	}
	l.p50, l.p99 = append(l.p50, quantile(took, 0.5)), append(l.p99, quantile(took, 0.99))
}

func medianOf(c *contender, value func(run) float64) float64 {
	values := make([]float64, len(c.runs))
	for i, r := range c.runs {
		values[i] = value(r)
	}
	return median(values)
}

func printSystem(w io.Writer, all []*contender, peer, ours *latencies) {
	base := all[0]
	fmt.Fprintf(w, "\nOne event to everybody, in-app and by email; medians of %d runs, %d processors\n\n", len(base.runs), runtime.NumCPU())
	var t table
	t.row("system", "people", "POST ms", "seconds", "emails/s", "ratio", "worker MB", "at end", "worker CPU s", "server CPU s", "CPU µs/mail")
	for _, c := range all {
		of := func(value func(run) float64) float64 { return medianOf(c, value) }
		cpu := of(func(r run) float64 { return (r.worker + r.server).Seconds() })
		people := c.runs[0].people
		t.row(c.name, fmt.Sprint(people),
			fmt.Sprintf("%.2f", of(func(r run) float64 { return float64(r.post.Microseconds()) / 1000 })),
			fmt.Sprintf("%.2f", of(func(r run) float64 { return r.took.Seconds() })),
			fmt.Sprintf("%.0f", of(run.rate)), ratio(of(run.rate), medianOf(base, run.rate)),
			megabytes(of(func(r run) float64 { return r.peak })), megabytes(of(func(r run) float64 { return r.resident })),
			fmt.Sprintf("%.2f", of(func(r run) float64 { return r.worker.Seconds() })),
			fmt.Sprintf("%.2f", of(func(r run) float64 { return r.server.Seconds() })),
			fmt.Sprintf("%.0f", cpu/float64(people)*1e6))
	}
	t.print(w)
	fmt.Fprintf(w, "\nThe demo has all in one process, the mail catcher and the Redis too.\n")
	fmt.Fprintf(w, "\nPOST of an event, %d in a row, only the server running\n\n", *posts)
	t = table{}
	t.row("system", "p50 ms", "p99 ms")
	t.row(all[0].name, ms(median(peer.p50)), ms(median(peer.p99)))
	t.row(all[1].name, ms(median(ours.p50)), ms(median(ours.p99)))
	t.print(w)
}
