package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/testenv"
)

// queueTask is one line of the table of rates.
type queueTask struct {
	title string
	task  string
	k     int
	share int // of -jobs, in percent
	lead  float64
}

// The library is to lead the better of its peers by this factor where it counts.
const queueLead = 1.3

var queueTasks = []queueTask{
	{"add, one by one", "add", 1, 20, queueLead},
	{"add, 50 in flight", "add", 50, 100, queueLead},
	{"add, bulks of 1,000", "bulk", 1000, 100, queueLead},
	{"run, 1 at a time", "work", 1, 20, 0},
	{"run, 10 at a time", "work", 10, 100, queueLead},
	{"run, 100 at a time", "work", 100, 100, queueLead},
}

// queueRun is one task done by one library.
type queueRun struct {
	rate          float64 // jobs a second
	client, redis float64 // CPU µs a job
	script        float64 // µs of scripts a job
}

// queueFacts are all measurements of a library.
type queueFacts struct {
	lib      *library
	runs     map[string][]queueRun
	p50, p99 []float64 // µs from add to start on an idle worker, of each round
	memory   []float64 // MB at the end of each round
}

func BenchmarkQueue(b *testing.B) {
	addr := testenv.Redis(b)
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	b.Cleanup(func() { _ = rdb.Close() })
	libs := startLibraries(b, addr)
	facts := make([]*queueFacts, len(libs))
	for i, l := range libs {
		facts[i] = &queueFacts{lib: l, runs: map[string][]queueRun{}}
	}
	var floor []noopRates
	for round := range *rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, *rounds)
		floor = append(floor, measureNoop(b, rdb))
		for _, t := range queueTasks {
			for _, f := range facts {
				f.measure(b, rdb, t, *jobs*t.share/100)
			}
		}
		for _, f := range facts {
			f.measureIdle(b, rdb)
		}
	}
	printQueue(os.Stdout, facts, floor)
	b.ReportMetric(0, "ns/op") // the time of the whole program says nothing
}

// measure has a library do a task on an empty Redis.
func (f *queueFacts) measure(b testing.TB, rdb *redis.Client, t queueTask, n int) {
	b.Helper()
	emptyQueue(b, rdb)
	if t.task == "work" {
		if f.lib.do(b, "bulk", n, 1000).None {
			f.lib.do(b, "add", n, 50)
		}
	}
	pid := f.lib.cmd.Process.Pid
	before := usageOf(b, pid)
	redisBefore, scriptsBefore := redisUsage(b, rdb)
	r := f.lib.do(b, t.task, n, t.k)
	if r.None {
		return
	}
	redisAfter, scripts := redisUsage(b, rdb)
	perJob := 1e6 / float64(n)
	f.runs[t.title] = append(f.runs[t.title], queueRun{
		rate:   float64(n) / r.Seconds,
		client: (usageOf(b, pid).cpu - before.cpu).Seconds() * perJob,
		redis:  (redisAfter - redisBefore) * perJob,
		script: (scripts.micros - scriptsBefore.micros) / float64(n),
	})
}

func (f *queueFacts) measureIdle(b testing.TB, rdb *redis.Client) {
	b.Helper()
	emptyQueue(b, rdb)
	r := f.lib.do(b, "idle", *idles, 0)
	f.p50, f.p99 = append(f.p50, quantile(r.Micros, 0.5)), append(f.p99, quantile(r.Micros, 0.99))
	f.memory = append(f.memory, usageOf(b, f.lib.cmd.Process.Pid).resident)
}

func emptyQueue(b testing.TB, rdb *redis.Client) {
	b.Helper()
	if err := rdb.FlushAll(b.Context()).Err(); err != nil {
		b.Fatal(err)
	}
}

// noopRates is how often a second a script that does nothing can be called: what no
// library that runs a script for each job can exceed on this machine.
type noopRates struct{ alone, together float64 }

func measureNoop(b testing.TB, rdb *redis.Client) (r noopRates) {
	b.Helper()
	ctx := b.Context()
	sha, err := rdb.ScriptLoad(ctx, "return 1").Result()
	if err != nil {
		b.Fatal(err)
	}
	const calls, many = 4000, 100
	start := time.Now()
	for range calls {
		if err := rdb.EvalSha(ctx, sha, []string{"k"}).Err(); err != nil {
			b.Fatal(err)
		}
	}
	r.alone = calls / time.Since(start).Seconds()
	start = time.Now()
	for range 10 * calls / many {
		pipe := rdb.Pipeline()
		for range many {
			pipe.EvalSha(ctx, sha, []string{"k"})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			b.Fatal(err)
		}
	}
	r.together = 10 * calls / time.Since(start).Seconds()
	return r
}

// of is the median of what a library's runs of a task measured, 0 if there are none.
func (f *queueFacts) of(title string, value func(queueRun) float64) float64 {
	var values []float64
	for _, r := range f.runs[title] {
		values = append(values, value(r))
	}
	return median(values)
}

func (f *queueFacts) rate(title string) float64 {
	return f.of(title, func(r queueRun) float64 { return r.rate })
}

func printQueue(w io.Writer, facts []*queueFacts, floor []noopRates) {
	fmt.Fprintf(w, "\nQueue libraries on one Redis, small jobs that do nothing; jobs a second, medians of %d runs, %d processors\n\n", *rounds, runtime.NumCPU())
	var t table
	head := []string{"task"}
	for _, f := range facts {
		head = append(head, f.lib.name)
	}
	t.row(append(head, "ours to the better peer", "wanted")...)
	ours, peers := facts[len(facts)-1], facts[:len(facts)-1]
	for _, task := range queueTasks {
		row, best := []string{task.title}, 0.0
		for _, f := range peers {
			best = max(best, f.rate(task.title))
		}
		for _, f := range facts {
			row = append(row, number(f.rate(task.title)))
		}
		wanted := "-"
		if task.lead > 0 {
			wanted = fmt.Sprintf("%.1f× %s", task.lead, verdict(ours.rate(task.title) >= task.lead*best))
		}
		t.row(append(row, fmt.Sprintf("%.2f×", ours.rate(task.title)/best), wanted)...)
	}
	t.print(w)
	printQueueCost(w, facts)
	printQueueRest(w, facts)
	printQueueLimit(w, facts, floor)
}

// printQueueLimit shows how near adds one by one come to the rate of a script that does
// nothing, and what the wanted lead would be of it.
func printQueueLimit(w io.Writer, facts []*queueFacts, floor []noopRates) {
	var alone, together []float64
	for _, r := range floor {
		alone, together = append(alone, r.alone), append(together, r.together)
	}
	limit := median(alone)
	fmt.Fprintf(w, "\nA script that does nothing, from Go: %s calls a second one by one, %s in pipelines of 100.\n", number(limit), number(median(together)))
	oneByOne, best := queueTasks[0], 0.0
	fmt.Fprint(w, "Of the rate one by one, adds reach:")
	for i, f := range facts {
		rate := f.rate(oneByOne.title)
		if i < len(facts)-1 {
			best = max(best, rate)
		}
		fmt.Fprintf(w, " %s %.0f %%,", f.lib.name, 100*rate/limit)
	}
	fmt.Fprintf(w, " and %.1f× the better peer would be %.0f %%.\n\n", oneByOne.lead, 100*oneByOne.lead*best/limit)
}

// printQueueCost shows what a job costs, which other programs on the machine disturb
// less than they do the rates.
func printQueueCost(w io.Writer, facts []*queueFacts) {
	fmt.Fprintf(w, "\nCPU time a job, µs: of the program, of Redis, of its scripts alone; how busy Redis was\n\n")
	var t table
	head := []string{"task"}
	for _, f := range facts {
		head = append(head, f.lib.name)
	}
	t.row(head...)
	for _, task := range queueTasks {
		row := []string{task.title}
		for _, f := range facts {
			if len(f.runs[task.title]) == 0 {
				row = append(row, "-")
				continue
			}
			row = append(row, fmt.Sprintf("%.1f  %.1f  %.1f  %.0f%%",
				f.of(task.title, func(r queueRun) float64 { return r.client }),
				f.of(task.title, func(r queueRun) float64 { return r.redis }),
				f.of(task.title, func(r queueRun) float64 { return r.script }),
				f.of(task.title, func(r queueRun) float64 { return r.rate * r.redis / 1e4 })))
		}
		t.row(row...)
	}
	t.print(w)
}

func printQueueRest(w io.Writer, facts []*queueFacts) {
	const title = "run, 10 at a time"
	fmt.Fprintln(w)
	var t table
	t.row("library", "idle p50 ms", "idle p99 ms", "memory MB", "CPU s for 50,000 jobs", "with Redis")
	for _, f := range facts {
		client := f.of(title, func(r queueRun) float64 { return r.client })
		both := f.of(title, func(r queueRun) float64 { return r.client + r.redis })
		t.row(f.lib.name, fmt.Sprintf("%.2f", median(f.p50)/1000), fmt.Sprintf("%.2f", median(f.p99)/1000),
			megabytes(median(f.memory)), fmt.Sprintf("%.2f", client*50_000/1e6), fmt.Sprintf("%.2f", both*50_000/1e6))
	}
	t.print(w)
}

// number writes a count with commas, "-" for none.
func number(f float64) string {
	if f == 0 {
		return "-"
	}
	s := strconv.FormatFloat(f, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// parseInfo reads the lines "name:value" of Redis's INFO.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

func TestQueueLibraries(t *testing.T) {
	t.Parallel()
	addr := testenv.Redis(t)
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = rdb.Close() })
	for _, l := range startLibraries(t, addr) {
		f := &queueFacts{lib: l, runs: map[string][]queueRun{}}
		for _, task := range queueTasks {
			f.measure(t, rdb, task, 120)
			if r := f.rate(task.title); (r <= 0) != (l.name == "asynq" && task.task == "bulk") {
				t.Errorf("%s, %s: %v jobs a second", l.name, task.title, r)
			}
		}
		if n := rdb.LLen(t.Context(), "bull:bench:wait").Val() + rdb.LLen(t.Context(), "bull:bench:active").Val(); n != 0 {
			t.Errorf("%s left %d jobs", l.name, n)
		}
	}
}

func TestNumberFormat(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{0: "-", 7: "7", 999: "999", 1000: "1,000", 1234567.4: "1,234,567"} {
		if got := number(f); got != want {
			t.Errorf("%v is written %q, want %q", f, got, want)
		}
	}
}
