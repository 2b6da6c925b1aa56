package bench

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

// report is the one table of a run, to which each measure adds its lines.
type report struct{ lines []line }

// line is one measured quantity: medians, 0 for none.
type line struct {
	measure string
	digits  int     // decimals to show
	ours    float64 // of Schoolbell
	peer    float64 // of the Node system
	limit   float64 // what the part that bounds it can do alone
	cost    bool    // less is better, and no part of the limit is reached
	goals   []goal
}

// goal is something to reach. Goals are reported and never fail a run.
type goal struct {
	text string
	met  func(l line) bool
}

func atLeast(v float64) goal {
	return goal{"≥ " + figure(v, 2), func(l line) bool { return l.ours >= v }}
}

func atMost(v float64) goal {
	return goal{"≤ " + figure(v, 2), func(l line) bool { return l.ours <= v }}
}

// lead is how many times the Node system's value to reach.
func lead(times float64) goal {
	return goal{fmt.Sprintf("≥ %g × Node", times), func(l line) bool { return l.ours >= times*l.peer }}
}

// share is the percentage of the limit to reach.
func share(percent float64) goal {
	return goal{fmt.Sprintf("≥ %g %% of the limit", percent), func(l line) bool { return l.ours >= percent/100*l.limit }}
}

func (r *report) add(l line) { r.lines = append(r.lines, l) }

// print writes the table as Markdown, as docs/performance.md shows it.
func (r *report) print(w io.Writer) {
	fmt.Fprintln(w, "| measure | Schoolbell | Node | ratio | limit | reached | goals |\n|---|---:|---:|---:|---:|---:|---|")
	for _, l := range r.lines {
		ratio, reached := "–", "–"
		if l.peer != 0 && l.ours != 0 {
			ratio = figure(l.ours/l.peer, 2) + "×"
		}
		if l.limit != 0 && l.ours != 0 && !l.cost {
			reached = figure(100*l.ours/l.limit, 0) + " %"
		}
		cells := []string{l.measure, figure(l.ours, l.digits), figure(l.peer, l.digits), ratio, figure(l.limit, l.digits), reached, verdicts(l)}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
}

func verdicts(l line) string {
	if l.ours == 0 {
		return ""
	}
	texts := make([]string, len(l.goals))
	for i, g := range l.goals {
		texts[i] = g.text + ": " + map[bool]string{true: "met", false: "**missed**"}[g.met(l)]
	}
	return strings.Join(texts, "; ")
}

// figure writes 12345.678 as 12,346, 12,345.68 …, and "–" for 0.
func figure(v float64, digits int) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	whole, fraction, _ := strings.Cut(fmt.Sprintf("%.*f", digits, v), ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		return whole + "." + fraction
	}
	return whole
}

// count writes 12345 as 12,345.
func count(n int) string {
	if n == 0 {
		return "0"
	}
	return figure(float64(n), 0)
}

func TestReport(t *testing.T) {
	t.Parallel()
	var r report
	r.add(line{measure: "people/s", ours: 12345.6, peer: 1000, limit: 20000, goals: []goal{lead(8), share(70), atMost(99999)}})
	r.add(line{measure: "POST, ms", digits: 2, ours: 1.204})
	r.add(line{measure: "limit only", limit: 5, goals: []goal{atLeast(1)}})
	var out strings.Builder
	r.print(&out)
	want := `| measure | Schoolbell | Node | ratio | limit | reached | goals |
|---|---:|---:|---:|---:|---:|---|
| people/s | 12,346 | 1,000 | 12.35× | 20,000 | 62 % | ≥ 8 × Node: met; ≥ 70 % of the limit: **missed**; ≤ 99,999: met |
| POST, ms | 1.2 | – | – | – | – |  |
| limit only | – | – | – | 5 | – |  |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}
