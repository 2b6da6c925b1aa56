package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

// Sizes from which a measurement is made only once, with a second worker, and compared with
// the limit of the mail server.
const (
	onceFrom  = 1_000_000
	pairFrom  = 10_000
	limitFrom = 1_000
	pairLimit = 100_000 // the most for which a second worker is measured
)

// sizes parses -people.
func sizes(b testing.TB) (list []int) {
	b.Helper()
	for word := range strings.FieldsSeq(strings.ReplaceAll(*people, ",", " ")) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			b.Fatalf("-people: %q is not a number of people", word)
		}
		list = append(list, n)
	}
	if len(list) == 0 {
		b.Fatal("-people names no size")
	}
	return list
}

// repeats is how many events a run sends one after the other: single small ones say little.
func repeats(people int) int { return max(1, min(20, 5_000/people)) }

// contender is one of the compared systems at one size with all its runs.
type contender struct {
	name  string
	start starter
	setup setup
	to    audience
	runs  []run
}

// measure starts the system, sends the events, and stops it.
func (c *contender) measure(b testing.TB, srv *servers) {
	b.Helper()
	o := c.setup
	o.sink = testenv.SMTPSink(b)
	s := c.start(b, srv, o)
	defer s.stop()
	for range repeats(o.people) {
		c.runs = append(c.runs, s.reach(b, srv, c.to))
	}
	fmt.Fprintf(os.Stderr, ", %s %s s", c.name, seconds(c.runs[len(c.runs)-1].took))
}

// median is that of all runs; 0 if there are none.
func (c *contender) median(value func(r run) float64) float64 {
	if c == nil {
		return 0
	}
	values := make([]float64, len(c.runs))
	for i, r := range c.runs {
		values[i] = value(r)
	}
	return median(values)
}

// time is the median of a processor time for a person in µs.
func (c *contender) time(of func(costs) time.Duration) float64 {
	return c.median(func(r run) float64 { return r.perPerson(of(r.cost)) })
}

// measureSizes sends one event to everybody in schools of all sizes.
func measureSizes(b *testing.B, srv *servers, out *report) {
	cost := map[int]float64{}
	for _, n := range sizes(b) {
		cost[n] = measureSize(b, srv, out, n).time(costs.counted)
		if n > pairFrom && cost[pairFrom] > 0 {
			out.add(line{measure: peopleOf(n) + ": CPU, share of that of " + peopleOf(pairFrom), digits: 2, ours: cost[n] / cost[pairFrom], goals: []goal{atMost(1.15)}})
		}
	}
}

// measureSize returns Schoolbell's runs with one worker.
func measureSize(b *testing.B, srv *servers, out *report, n int) *contender {
	b.Helper()
	ours := &contender{name: "Schoolbell", start: startSchoolbell, setup: setup{people: n, workers: 1}}
	all := []*contender{ours}
	var node, pair *contender
	if n <= *peerMost {
		node = &contender{name: "Node", start: startPeer, setup: setup{people: n, workers: 1}}
		all = append(all, node)
	}
	if n >= pairFrom && n <= pairLimit {
		pair = &contender{name: "two workers", start: startSchoolbell, setup: setup{people: n, workers: 2}}
		all = append(all, pair)
	}
	var limits []float64
	alternate(roundsFor(n), peopleOf(n), all, func(c *contender) { c.measure(b, srv) }, func() {
		if n >= limitFrom {
			limits = append(limits, smtpLimit(b, min(n, pairLimit)))
		}
	})
	reportSize(out, n, ours, node, median(limits))
	if pair != nil {
		out.add(line{measure: peopleOf(n) + ": two workers, share of one", digits: 2, ours: pair.median(run.rate) / ours.median(run.rate), goals: []goal{atLeast(0.97)}})
	}
	return ours
}

// alternate runs all contenders in each round, each time another one first, and then extra.
func alternate(rounds int, what string, all []*contender, measure func(*contender), extra func()) {
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "%s, round %d of %d", what, round+1, rounds)
		for i := range all {
			measure(all[(i+round)%len(all)])
		}
		extra()
		fmt.Fprintln(os.Stderr)
	}
}

func peopleOf(n int) string {
	if n == 1 {
		return "1 person"
	}
	return count(n) + " people"
}

func roundsFor(people int) int {
	if people >= onceFrom {
		return 1
	}
	return *rounds
}

// reportSize adds the lines of one size. Small events say little about rates and costs.
func reportSize(out *report, n int, ours, node *contender, limit float64) {
	if n < limitFrom {
		took := func(r run) float64 { return float64(r.took.Microseconds()) / 1000 }
		out.add(line{measure: peopleOf(n) + ": POST to last email, ms", digits: 1, ours: ours.median(took), peer: node.median(took)})
		return
	}
	rate := line{measure: peopleOf(n) + ": people/s", ours: ours.median(run.rate), peer: node.median(run.rate), limit: limit}
	if n >= pairFrom {
		rate.goals = []goal{share(55)}
		if node != nil {
			rate.goals = append(rate.goals, lead(8))
		}
	}
	out.add(rate)
	if n >= pairFrom {
		reportCosts(out, n, ours, node)
	}
}

// reportCosts adds the processor time of each part and the memory of a worker.
func reportCosts(out *report, n int, ours, node *contender) {
	for _, part := range []struct {
		name  string
		of    func(costs) time.Duration
		goals []goal
	}{
		{"CPU of serve, workers and PostgreSQL, µs/person", costs.counted, []goal{atMost(85)}},
		{"– serve", func(c costs) time.Duration { return c.server }, nil},
		{"– workers", func(c costs) time.Duration { return c.workers }, nil},
		{"– PostgreSQL", func(c costs) time.Duration { return c.postgres }, nil},
		{"– not counted: Redis", func(c costs) time.Duration { return c.redis }, nil},
		{"– not counted: mail sink", func(c costs) time.Duration { return c.sink }, nil},
	} {
		out.add(line{measure: peopleOf(n) + ": " + part.name, digits: 1, ours: ours.time(part.of), peer: node.time(part.of), goals: part.goals})
	}
	stored := func(r run) float64 { return float64(r.stored) / float64(r.people) }
	out.add(line{measure: peopleOf(n) + ": stored by PostgreSQL, bytes/person", ours: ours.median(stored), peer: node.median(stored)})
	memory := func(r run) float64 { return r.peak }
	out.add(line{measure: peopleOf(n) + ": memory of the worker, MB", ours: ours.median(memory), peer: node.median(memory), goals: []goal{atMost(60)}})
}

func TestRepeats(t *testing.T) {
	t.Parallel()
	for people, want := range map[int]int{1: 20, 100: 20, 1_000: 5, 10_000: 1, 1_000_000: 1} {
		if got := repeats(people); got != want {
			t.Errorf("%d people: %d events, want %d", people, got, want)
		}
	}
}
