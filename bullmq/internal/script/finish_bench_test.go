package script_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/redistest"
)

// benchPrefix is that of the keys of the queue under measurement.
const benchPrefix = "bull:bench:"

// benchWorker is a worker without a limit.
var benchWorker = script.Worker{Lock: 30_000}

// BenchmarkFinish measures what Redis spends on a call that ends jobs and starts as many: "script-µs/job" is that
// of the fastest window of calls, by Redis's own clock, because other programs only add to it.
func BenchmarkFinish(b *testing.B) {
	for _, keep := range []script.Keep{{Count: "0", Most: "1000"}, {Most: "1000"}, {Count: "100", Most: "1000"}} {
		for _, jobs := range []int{1, 5, 10, 50} {
			b.Run(fmt.Sprintf("keep=%s/jobs=%d", keepName(keep), jobs), func(b *testing.B) { benchFinish(b, keep, jobs) })
		}
	}
}

func keepName(k script.Keep) string {
	if k.Count == "" {
		return "all"
	}
	return k.Count
}

func benchFinish(b *testing.B, keep script.Keep, jobs int) {
	rdb := redis.NewClient(&redis.Options{Addr: redistest.Addr(b)})
	b.Cleanup(func() { _ = rdb.Close() })
	const window = 20
	r := rig{b: b, rdb: rdb}
	running := r.start(jobs)
	fastest, calls := math.Inf(1), 0
	for b.Loop() {
		if calls%window == 0 {
			r.add(window * jobs)
			r.resetCost()
		}
		running = r.finish(running, keep)
		if calls++; calls%window == 0 {
			fastest = min(fastest, r.cost())
		}
	}
	if calls >= window {
		b.ReportMetric(fastest/float64(jobs), "script-µs/job")
	}
}

// rig calls the scripts of a queue.
type rig struct {
	b      *testing.B
	rdb    *redis.Client
	tokens int
}

func (r *rig) run(c script.Call) any {
	r.b.Helper()
	reply, err := c.Run(r.b.Context(), r.rdb, benchPrefix)
	if err != nil {
		r.b.Fatal(err)
	}
	return reply
}

// add adds jobs to the wait list.
func (r *rig) add(n int) {
	r.b.Helper()
	jobs := make([]*script.Job, n)
	for i := range jobs {
		jobs[i] = &script.Job{Where: "wait", Name: "job", Data: []byte(`{"n":1,"text":"a small payload, as jobs have them"}`), Options: []byte("{}"), Timestamp: 1}
	}
	for part := range slices.Chunk(jobs, 1000) {
		r.run(script.AddMany{Mode: "a", MaxEvents: 10_000, Jobs: part}.Call())
	}
}

// start adds jobs and starts them.
func (r *rig) start(n int) []script.Started {
	r.b.Helper()
	r.add(n)
	var started []script.Started
	for range n {
		call := script.Fetch{Mode: "a", Now: 1000, Token: r.token(), Worker: benchWorker}
		fetched := call.Reply(r.run(call.Call()))
		if fetched.Job == nil {
			r.b.Fatal("no job was started")
		}
		started = append(started, *fetched.Job)
	}
	return started
}

func (r *rig) token() string {
	r.tokens++
	return "token:" + strconv.Itoa(r.tokens)
}

// finish completes jobs and returns those that were started in their places.
func (r *rig) finish(jobs []script.Started, keep script.Keep) []script.Started {
	r.b.Helper()
	call := script.Finish{Mode: "a", Now: 1000, Worker: benchWorker}
	for _, job := range jobs {
		call.Ends = append(call.Ends, script.End{
			ID: job.ID, Token: job.Token, Set: "completed", Value: "null", Keep: keep, Next: r.token(),
		})
	}
	finished := call.Reply(r.run(call.Call()))
	if len(finished.Started) != len(jobs) {
		r.b.Fatalf("%d jobs were started in the places of %d: %+v", len(finished.Started), len(jobs), finished)
	}
	return finished.Started
}

func (r *rig) resetCost() {
	r.b.Helper()
	if err := r.rdb.ConfigResetStat(r.b.Context()).Err(); err != nil {
		r.b.Fatal(err)
	}
}

// cost is how many µs a script took on average since resetCost.
func (r *rig) cost() float64 {
	r.b.Helper()
	stats, err := r.rdb.Info(r.b.Context(), "commandstats").Result()
	if err != nil {
		r.b.Fatal(err)
	}
	for line := range strings.Lines(stats) {
		var calls, micros float64
		if _, err := fmt.Sscanf(line, "cmdstat_evalsha:calls=%f,usec=%f", &calls, &micros); err == nil {
			return micros / calls
		}
	}
	r.b.Fatal("Redis has no cost of scripts")
	return 0
}
