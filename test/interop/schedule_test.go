package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// summerEnds is shortly before the clocks of Berlin go back.
var summerEnds = time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)

// schedules are told in both languages. want are the times of the runs after now.
var schedules = []struct {
	name string
	now  time.Time
	in   bullmq.Schedule
	js   string
	runs int // how many there are among the first six
}{
	{"every minute", frozen, bullmq.Schedule{Every: time.Minute}, `{ every: 60000 }`, 6},
	{"every minute at an offset", frozen, bullmq.Schedule{Every: time.Minute, Offset: 5 * time.Second}, `{ every: 60000, offset: 5000 }`, 6},
	{"every minute up to a limit", frozen, bullmq.Schedule{Every: time.Minute, Limit: 3}, `{ every: 60000, limit: 3 }`, 3},
	{"every minute from a start on", frozen, bullmq.Schedule{Every: time.Minute, Start: frozen.Add(90 * time.Second)}, fmt.Sprintf(`{ every: 60000, startDate: %d }`, frozen.Add(90*time.Second).UnixMilli()), 6},
	{"every minute until an end", frozen, bullmq.Schedule{Every: time.Minute, End: frozen.Add(150 * time.Second)}, fmt.Sprintf(`{ every: 60000, endDate: %d }`, frozen.Add(150*time.Second).UnixMilli()), 4},
	{"every minute in a zone that nobody knows", frozen, bullmq.Schedule{Every: time.Minute, TZ: "Mars/Olympus"}, `{ every: 60000, tz: 'Mars/Olympus' }`, 6},
	{"a pattern in a zone whose summer ends", summerEnds, bullmq.Schedule{Pattern: "30 2 * * *", TZ: "Europe/Berlin"}, `{ pattern: '30 2 * * *', tz: 'Europe/Berlin' }`, 6},
	{"a pattern with seconds until an end", frozen, bullmq.Schedule{Pattern: "*/20 * * * * *", TZ: "UTC", End: frozen.Add(70 * time.Second)}, fmt.Sprintf(`{ pattern: '*/20 * * * * *', tz: 'UTC', endDate: %d }`, frozen.Add(70*time.Second).UnixMilli()), 3},
	{"a pattern from a start on", frozen, bullmq.Schedule{Pattern: "0 * * * *", TZ: "UTC", Start: frozen.Add(5 * time.Hour)}, fmt.Sprintf(`{ pattern: '0 * * * *', tz: 'UTC', startDate: %d }`, frozen.Add(5*time.Hour).UnixMilli()), 6},
	{"a pattern up to a limit", frozen, bullmq.Schedule{Pattern: "0 9 * * 1-5", TZ: "Asia/Kolkata", Limit: 4}, `{ pattern: '0 9 * * 1-5', tz: 'Asia/Kolkata', limit: 4 }`, 4},
}

// calendar is a queue with a scheduler, worked at by both languages on a clock that the test moves.
type calendar struct {
	*rig
	q   *bullmq.Queue
	now *time.Time
}

func newCalendar(r *rig, now time.Time) *calendar {
	r.Helper()
	c := &calendar{rig: r, now: &now}
	c.q = r.queueWith(r.unused(), bullmq.QueueOptions{Clock: func() time.Time { return *c.now }})
	r.node.do(nil, `$.freeze(args[1]); await $.queue(args[0]).waitUntilReady()`, c.q.Name(), now.UnixMilli())
	return c
}

func (c *calendar) upsert(language string, s bullmq.Schedule, js string) {
	c.Helper()
	if language == "go" {
		_, err := c.q.UpsertScheduler(c.Context(), "tick", s, bullmq.JobTemplate{Name: "n", Data: map[string]int{"d": 1}, Options: bullmq.JobOptions{Attempts: 3}})
		c.ok(err)
		return
	}
	c.node.do(nil, `await $.queue(args[0]).upsertJobScheduler('tick', eval('(' + args[1] + ')'), { name: 'n', data: { d: 1 }, opts: { attempts: 3 } })`, c.q.Name(), js)
}

// pending is the job that runs next, empty if there is none. There must not be two.
func (c *calendar) pending() string {
	c.Helper()
	switch ids := waiting(c.rig, c.q.Name()); len(ids) {
	case 0:
		return ""
	case 1:
		return ids[0]
	default:
		c.Fatalf("%v are pending", ids)
	}
	return ""
}

// runNext moves the clock to the next run, has it done in a language, and returns its
// job's id, empty if there is none.
func (c *calendar) runNext(language string) string {
	c.Helper()
	id := c.pending()
	if id == "" {
		return ""
	}
	var at int64
	_, err := fmt.Sscanf(id[strings.LastIndex(id, ":")+1:], "%d", &at)
	c.ok(err)
	if at > c.now.UnixMilli() {
		*c.now = time.UnixMilli(at).UTC()
	}
	c.node.do(nil, `$.freeze(args[0])`, c.now.UnixMilli())
	if language == "go" {
		now := *c.now
		stop := c.work(c.q.Name(), func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
			bullmq.WorkerOptions{Name: "w", Clock: func() time.Time { return now }})
		c.reaches(c.q, id, bullmq.StateCompleted)
		stop()
		return id
	}
	c.node.do(nil, `await $.worker(args[0], async () => {}, { name: 'w' })`, c.q.Name())
	c.reaches(c.q, id, bullmq.StateCompleted)
	c.node.do(nil, `await $.close('worker ' + args[0])`, c.q.Name())
	return id
}

func TestScheduler(t *testing.T) {
	t.Parallel()
	t.Run("jobs made in turn equal those of one language", testSchedulerInTurn)
	t.Run("a change in one language applies in the other", testSchedulerChanged)
	t.Run("jobs run on time in both languages", testSchedulerOnTime)
	t.Run("both languages continue a schedule with random times", testSchedulerRandomTimes)
}

func testSchedulerInTurn(t *testing.T) {
	withBothMajors(t, schedulersJobsAreMadeByTurns)
}

func schedulersJobsAreMadeByTurns(r *rig) {
	for _, s := range schedules {
		r.Run(s.name, func(t *testing.T) {
			sub := r.within(t)
			var names [2]string
			var ran [2][]string
			for first := range languages {
				c := newCalendar(sub, s.now)
				names[first] = c.q.Name()
				c.upsert(languages[first], s.in, s.js)
				for turn := range 6 {
					if id := c.runNext(languages[(first+1+turn)%2]); id != "" {
						ran[first] = append(ran[first], id)
					}
				}
				if len(ran[first]) != s.runs {
					t.Errorf("%d runs: %v; want %d", len(ran[first]), ran[first], s.runs)
				}
				if every := s.in.Every; every > 0 {
					evenly(t, ran[first], every)
				}
			}
			sub.same("runs of the scheduler made by Go, beside Node's", ran[0], ran[1])
			compareDumps(sub, names, true)
		})
	}
	r.node.quiet()
}

// evenly makes sure that jobs follow one another at one interval.
func evenly(t *testing.T, ids []string, every time.Duration) {
	t.Helper()
	var last int64
	for _, id := range ids {
		var at int64
		if _, err := fmt.Sscanf(id, "repeat:tick:%d", &at); err != nil {
			t.Fatalf("id %s: %v", id, err)
		}
		if last > 0 && at-last != every.Milliseconds() {
			t.Errorf("a run at %d and the next at %d, want %v between them", last, at, every)
		}
		last = at
	}
}

func testSchedulerChanged(t *testing.T) {
	withBothMajors(t, schedulerIsChangedAndRemoved)
}

func schedulerIsChangedAndRemoved(r *rig) {
	for _, maker := range languages {
		c := newCalendar(r, frozen)
		c.upsert(maker, bullmq.Schedule{Every: time.Minute}, `{ every: 60000 }`)
		c.runNext(maker)
		c.upsert(other(maker), bullmq.Schedule{Every: time.Hour}, `{ every: 3600000 }`)
		before := *c.now
		c.runNext(maker)
		first := *c.now
		c.runNext(other(maker))
		if got := c.now.Sub(first); got != time.Hour {
			r.Errorf("made by %s, changed to an hour at %v: runs at %v and %v later", maker, before, first, got)
		}
		ours, err := c.q.Scheduler(r.Context(), "tick")
		r.ok(err)
		var theirs struct {
			Key, Name                   string
			Every, Next, IterationCount int64
			Template                    struct{ Data any }
		}
		r.node.do(&theirs, `return $.queue(args[0]).getJobScheduler('tick')`, c.q.Name())
		if ours.Next.UnixMilli() != theirs.Next || ours.Schedule.Every.Milliseconds() != theirs.Every || ours.Iterations != theirs.IterationCount || ours.Template.Name != theirs.Name {
			r.Errorf("Go reads %+v, Node %+v", ours, theirs)
		}
		removed := []bool{}
		for range 2 {
			var gone bool
			if maker == "go" {
				r.node.do(&gone, `return $.queue(args[0]).removeJobScheduler('tick')`, c.q.Name())
			} else {
				gone, err = c.q.RemoveScheduler(r.Context(), "tick")
				r.ok(err)
			}
			removed = append(removed, gone)
		}
		r.same("removed, and again", removed, []bool{true, false})
		if id := c.pending(); id != "" {
			r.Errorf("job %s is pending after its scheduler was removed", id)
		}
	}
	r.node.quiet()
}

func testSchedulerOnTime(t *testing.T) {
	withBothMajors(t, schedulerRunsOnTime)
}

func schedulerRunsOnTime(r *rig) {
	const runs = 12
	q := r.queue("q")
	_, err := q.UpsertScheduler(r.Context(), "tick", bullmq.Schedule{Every: 100 * time.Millisecond, Limit: runs}, bullmq.JobTemplate{})
	r.ok(err)
	for n := range 2 {
		r.work("q", func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{Name: "go"})
		r.node.do(nil, `await $.worker('q', async () => {}, { label: args[0], name: 'node' })`, fmt.Sprint("node-", n))
	}
	r.counts(q, map[bullmq.State]int64{bullmq.StateCompleted: runs, bullmq.StateDelayed: 0, bullmq.StateWaiting: 0, bullmq.StateActive: 0}, "all runs are done")
	done, err := q.Jobs(r.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.StateCompleted}, OldestFirst: true})
	r.ok(err)
	var times []int64
	for _, job := range done {
		var at int64
		_, err := fmt.Sscanf(job.ID, "repeat:tick:%d", &at)
		r.ok(err)
		times = append(times, at)
	}
	slices.Sort(times)
	for i := 1; i < len(times); i++ {
		if gap := times[i] - times[i-1]; gap <= 0 || gap%100 != 0 && i > 1 { // a busy machine may miss one
			r.Errorf("runs at %v", times)
		}
	}
	testenv.Eventually(r.T, patience, func() bool { return r.rdb.HGet(r.Context(), r.key("q", "repeat:tick"), "ic").Val() == fmt.Sprint(runs) }, "all runs are counted")
	r.node.quiet()
}

// BullMQ 6 draws the value of H again whenever it computes a run, so no two programs agree on
// the next one. Both continue such a scheduler; only Node makes it.
func testSchedulerRandomTimes(t *testing.T) {
	t.Parallel()
	r := newRig(t, 6)
	c := newCalendar(r, frozen)
	if _, err := c.q.UpsertScheduler(r.Context(), "tick", bullmq.Schedule{Pattern: "H H(1-3) * * *"}, bullmq.JobTemplate{}); !errors.Is(err, bullmq.ErrInvalid) {
		t.Errorf("Go makes it: %v", err)
	}
	c.upsert("node", bullmq.Schedule{}, `{ pattern: 'H H(1-3) * * *', tz: 'UTC' }`)
	for turn := range 8 {
		c.runNext(languages[turn%2])
		next, err := c.q.Scheduler(r.Context(), "tick")
		r.ok(err)
		if ahead := next.Next.Sub(*c.now); ahead <= 0 || ahead > 24*time.Hour || next.Next.Hour() < 1 || next.Next.Hour() > 3 || next.Next.Second() != 0 {
			t.Errorf("after a run by %s at %v the next is at %v", languages[turn%2], *c.now, next.Next)
		}
	}
	r.node.quiet()
}
