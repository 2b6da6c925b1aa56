package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// pacing is a queue with workers of both languages that only markers wake.
type pacing struct {
	*rig
	q *bullmq.Queue
}

// inFlight returns the most jobs that ran at once, as the events tell in their order.
func (p *pacing) inFlight() (most int) {
	p.Helper()
	entries, err := p.rdb.XRange(p.Context(), p.key(p.q.Name(), "events"), "-", "+").Result()
	p.ok(err)
	now := 0
	for _, e := range entries {
		switch e.Values["event"] {
		case "active":
			now++
		case "completed", "failed":
			now--
		}
		most = max(most, now)
	}
	return most
}

// starts are the times at which jobs were started, by Redis's clock.
func (p *pacing) starts() (times []int64) {
	p.Helper()
	entries, err := p.rdb.XRange(p.Context(), p.key(p.q.Name(), "events"), "-", "+").Result()
	p.ok(err)
	for _, e := range entries {
		if e.Values["event"] == "active" {
			var at int64
			if _, err := fmt.Sscanf(e.ID, "%d-", &at); err != nil {
				p.Fatal(err)
			}
			times = append(times, at)
		}
	}
	return times
}

// keepsTo makes sure that no window of a limit let more jobs start than it may. A
// window begins with the first job started after the one before.
func (p *pacing) keepsTo(limit int, window time.Duration) {
	p.Helper()
	var begun int64
	started, windows := 0, 0
	for _, at := range p.starts() {
		if at-begun >= window.Milliseconds()-1 { // Redis's clock stands still while a command runs
			begun, started = at, 0
			windows++
		}
		if started++; started > limit {
			p.Errorf("%d jobs were started in a window of %v, want at most %d: %v", started, window, limit, p.starts())
			return
		}
	}
	if windows < 2 {
		p.Errorf("all jobs were started in one window of %v: the test shows nothing", window)
	}
}

// bothWork adds jobs by halves and has both languages work them off together.
func (p *pacing) bothWork(jobs int) {
	p.Helper()
	var ids []string
	for n := range jobs / 2 {
		ids = append(ids, p.add(p.q, "n", nil, bullmq.JobOptions{ID: fmt.Sprint("go-", n)}))
	}
	p.node.do(nil, `await $.queue(args[0]).addBulk(Array.from({ length: args[1] }, (_, n) => ({ name: 'n', data: {}, opts: { jobId: 'node-' + n } })))`, p.q.Name(), jobs-len(ids))
	p.ok(p.q.Resume(p.Context()))
	p.counts(p.q, map[bullmq.State]int64{bullmq.StateCompleted: int64(jobs), bullmq.StateActive: 0, bullmq.StateWaiting: 0}, "all jobs are completed")
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	t.Run("workers of both languages share one limit", testRateLimitShared)
	t.Run("a manual limit applies to the other language", testRateLimitManual)
	t.Run("the time left depends on the maximum", testRateLimitMaximum)
}

func testRateLimitShared(t *testing.T) {
	const limit, jobs, window = 3, 15, 300 * time.Millisecond
	withBothMajors(t, func(r *rig) {
		for _, from := range []string{"the workers' options", "the queue, set by go", "the queue, set by node"} {
			name := r.unused()
			p := &pacing{r, r.queue(name)}
			r.node.do(nil, `await $.queue(args[0]).pause()`, name)
			var mine *bullmq.Limiter
			var theirs any
			switch from {
			case "the workers' options":
				mine, theirs = &bullmq.Limiter{Max: limit, Duration: window}, map[string]int64{"max": limit, "duration": window.Milliseconds()}
			case "the queue, set by go":
				r.ok(p.q.SetGlobalRateLimit(r.Context(), limit, window))
			default:
				r.node.do(nil, `await $.queue(args[0]).setGlobalRateLimit(args[1], args[2])`, name, limit, window.Milliseconds())
			}
			r.work(name, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{Concurrency: 2, Limiter: mine})
			r.node.do(nil, `await $.worker(args[0], async () => {}, { concurrency: 2, limiter: args[1] ?? undefined })`, name, theirs)
			p.bothWork(jobs)
			p.keepsTo(limit, window)
		}
		r.node.quiet()
	})
}

// polls waits until workers have asked Redis some more times.
func (r *rig) polls(times int64) {
	r.Helper()
	asked := func() (n int64) {
		info, err := r.rdb.Info(r.Context(), "commandstats").Result()
		r.ok(err)
		_, rest, _ := strings.Cut(info, "cmdstat_evalsha:calls=")
		_, err = fmt.Sscanf(rest, "%d", &n)
		r.ok(err)
		return n
	}
	until := asked() + times
	testenv.Eventually(r.T, patience, func() bool { return asked() >= until }, "workers have asked Redis %d times", times)
}

func testRateLimitManual(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		for _, setter := range languages {
			name := r.unused()
			q := r.queue(name)
			rest := 50 * time.Millisecond
			if setter == "go" {
				r.ok(q.RateLimit(r.Context(), hour))
			} else {
				r.node.do(nil, `await $.queue(args[0]).rateLimit(args[1])`, name, hour.Milliseconds())
			}
			ours, err := q.RateLimitTTL(r.Context(), bullmq.RateLimitTTLOptions{})
			r.ok(err)
			var theirs int64
			r.node.do(&theirs, `return $.queue(args[0]).getRateLimitTtl()`, name)
			if left := time.Duration(theirs) * time.Millisecond; ours <= 0 || ours > hour || left <= 0 || left > ours {
				r.Errorf("the limit set by %s holds for %v as Go says, then for %v as Node says", setter, ours, left)
			}
			id := r.add(q, "n", nil, bullmq.JobOptions{})
			if setter == "node" {
				r.work(name, func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
					bullmq.WorkerOptions{HeedRateLimit: true, MaxRateLimitDelay: rest})
			} else {
				r.node.do(nil, `await $.worker(args[0], async () => {}, { limiter: { max: 1000, duration: 1000 }, maximumRateLimitDelay: args[1] })`, name, rest.Milliseconds())
			}
			r.polls(10)
			state, err := q.State(r.Context(), id)
			r.ok(err)
			if state != bullmq.StateWaiting {
				r.Errorf("job %s is %s under a limit that %s has set", id, state, setter)
			}
			if setter == "node" { // the other lifts it
				r.ok(q.ClearRateLimit(r.Context()))
			} else {
				r.node.do(nil, `await $.queue(args[0]).removeRateLimitKey()`, name)
			}
			r.reaches(q, id, bullmq.StateCompleted)
		}
		r.node.quiet()
	})
}

func testRateLimitMaximum(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		r.ok(r.rdb.Set(r.Context(), r.key("q", "limiter"), 3, hour).Err()) // three jobs were started
		for _, global := range []int{0, 4} {
			r.ok(q.SetGlobalRateLimit(r.Context(), global, hour))
			for _, most := range []int{0, 1, 3, 4} {
				ours, err := q.RateLimitTTL(r.Context(), bullmq.RateLimitTTLOptions{Max: most})
				r.ok(err)
				var theirs int64
				r.node.do(&theirs, `return $.queue(args[0]).getRateLimitTtl(args[1])`, "q", most)
				holds := most == 1 || most == 3 || most == 0 && global == 0
				if (ours > 0) != holds || (theirs > 0) != holds {
					r.Errorf("global limit %d, maximum %d: %v in Go, %d ms in Node, holds: %t", global, most, ours, theirs, holds)
				}
			}
		}
		r.node.quiet()
	})
}

func TestGlobalConcurrency(t *testing.T) {
	const limit, jobs = 3, 60
	withBothMajors(t, func(r *rig) {
		p := &pacing{r, r.queue("q")}
		r.node.do(nil, `await $.queue('q').pause()`)
		r.ok(p.q.SetGlobalConcurrency(r.Context(), limit))
		var theirs int
		r.node.do(&theirs, `return $.queue('q').getGlobalConcurrency()`)
		if theirs != limit {
			r.Errorf("Node reads a global concurrency of %d, want %d", theirs, limit)
		}
		for n := range 2 {
			r.work("q", func(context.Context, *bullmq.Job) (any, error) {
				<-time.After(2 * time.Millisecond) // the work
				return nil, nil
			}, bullmq.WorkerOptions{Concurrency: 5, DrainDelay: hour})
			r.node.do(nil, `await $.worker('q', () => new Promise((done) => setTimeout(done, 2)), { label: args[0], concurrency: 5, drainDelay: args[1] })`, fmt.Sprint("node-", n), hour.Seconds())
		}
		p.bothWork(jobs)
		if n := p.inFlight(); n > limit {
			r.Errorf("%d jobs ran at once, want at most %d", n, limit)
		} else if n < 2 {
			r.Error("no two jobs ran at once: the test shows nothing")
		}
		r.node.quiet()
	})
}
