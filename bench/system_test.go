package bench

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

// measures are the parts of BenchmarkSystem. Each adds its lines to the table; add further
// ones here.
var measures = []struct {
	name string
	run  func(b *testing.B, srv *servers, out *report)
}{
	{"sizes", measureSizes},
	{"singles", measureSingles},
	{"idle", measureIdle},
	{"lanes", measureLanes},
	{"inapp", measureInApp},
	{"personal", measurePersonal},
	{"providers", measureProviders},
	{"demo", measureDemo},
	{"latency", measureLatency},
	{"distance", measureDistance},
	{"cluster", measureCluster},
	{"import", measureImport},
	{"households", measureHouseholds},
	{"panel", measurePanel},
}

func BenchmarkSystem(b *testing.B) {
	var out report
	for _, m := range measures {
		b.Run(m.name, func(b *testing.B) {
			m.run(b, startServers(b), &out)
			b.ReportMetric(0, "ns/op") // the time of the whole program says nothing
		})
	}
	fmt.Printf("\nMedians of %d alternating runs, %d processors\n\n", *rounds, runtime.NumCPU())
	out.print(os.Stdout)
	fmt.Println()
}

// measureInApp sends an event without emails, beside the same inserts alone.
func measureInApp(b *testing.B, srv *servers, out *report) {
	n := sizeUpTo(b, pairLimit)
	var rates, limits, micros, used []float64
	for round := range *rounds {
		fmt.Fprintf(os.Stderr, "in-app only, round %d of %d\n", round+1, *rounds)
		s := startSchoolbell(b, srv, setup{people: n, workers: 1, sink: testenv.SMTPSink(b)})
		r := s.reach(b, srv, audience{inAppOnly: true})
		limit, cost := insertLimit(b, srv, s)
		s.stop()
		rates, used = append(rates, r.rate()), append(used, r.perPerson(r.cost.postgres))
		limits, micros = append(limits, limit), append(micros, cost)
	}
	what := count(n) + " people, in-app only: "
	out.add(line{measure: what + "people/s", ours: median(rates), limit: median(limits), goals: []goal{atLeast(100_000)}})
	out.add(line{measure: what + "CPU of PostgreSQL, µs/person", digits: 1, ours: median(used), limit: median(micros), cost: true})
}

// sizeUpTo is the largest size of -people that is at most that large, or the smallest.
func sizeUpTo(b testing.TB, most int) int {
	b.Helper()
	best := 0
	for _, n := range sizes(b) {
		if n <= most {
			best = max(best, n)
		}
	}
	if best == 0 {
		return most
	}
	return best
}

// measureDemo runs everything in one process, the mail catcher and the Redis too.
func measureDemo(b *testing.B, _ *servers, out *report) {
	n := min(*some, sizeUpTo(b, *some))
	demo := &contender{name: "demo"}
	for range *rounds {
		demo.runs = append(demo.runs, runDemo(b, testenv.Binary(b), n))
	}
	what := count(n) + " people, embedded demo: "
	out.add(line{measure: what + "people/s", ours: demo.median(run.rate)})
	out.add(line{measure: what + "memory of the process, MB", ours: demo.median(func(r run) float64 { return r.peak })})
}

// warmUp is how many requests go before those that are measured.
const warmUp = 50

// measureLatency posts events one after the other while only the server runs.
func measureLatency(b *testing.B, srv *servers, out *report) {
	all := []*contender{{name: "Schoolbell", start: startSchoolbell}, {name: "Node", start: startPeer}}
	p50, p99 := map[string][]float64{}, map[string][]float64{}
	alternate(*rounds, "latency", all, func(c *contender) {
		took := postTimes(b, srv, c.start)
		p50[c.name] = append(p50[c.name], float64(quantile(took, 0.5).Microseconds())/1000)
		p99[c.name] = append(p99[c.name], float64(quantile(took, 0.99).Microseconds())/1000)
	}, func() {})
	out.add(line{measure: "POST of an event: median, ms", digits: 2, ours: median(p50["Schoolbell"]), peer: median(p50["Node"])})
	out.add(line{measure: "POST of an event: 99 of 100 below, ms", digits: 2, ours: median(p99["Schoolbell"]), peer: median(p99["Node"])})
}

func postTimes(b testing.TB, srv *servers, start starter) []time.Duration {
	b.Helper()
	s := start(b, srv, setup{people: 100})
	defer s.stop()
	took := make([]time.Duration, 0, *posts)
	for n := range warmUp + *posts {
		if d := s.post(b, audience{}); n >= warmUp {
			took = append(took, d)
		}
	}
	return took
}
