package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
)

// repeatables are repeatable jobs of BullMQ 5 whose keys have five parts.
var repeatables = []struct {
	name, key, data, repeat, more string
	old                           bool // nothing of it but its key is stored, as by old releases
	runs                          int  // among the first five
}{
	{name: "every minute", key: "test::::60000", data: `{}`, repeat: `every: 60000`, runs: 5},
	{name: "every minute, made by an old release", key: "test::::60000", data: `{}`, repeat: `every: 60000`, old: true, runs: 5},
	{name: "every minute with data that has an id", key: "test::::60000", data: `{ id: 7.5 }`, repeat: `every: 60000`, runs: 5},
	{name: "every minute with an id", key: "test:mine:::60000", data: `{ d: 1 }`, repeat: `every: 60000`, more: `jobId: 'mine', attempts: 3`, runs: 5},
	{name: "every minute from now on", key: "test::::60000", data: `{}`, repeat: `every: 60000, immediately: true`, runs: 5},
	{name: "every minute up to a limit", key: "test::::60000", data: `{}`, repeat: `every: 60000, limit: 3`, runs: 3},
	{name: "every minute until an end", key: "own:key:of:five:parts", data: `{}`, repeat: fmt.Sprintf(`every: 60000, endDate: %d`, frozen.Add(150*time.Second).UnixMilli()), runs: 4},
	{name: "every minute with a priority", key: "test::::60000", data: `{}`, repeat: `every: 60000`, more: `priority: 3, removeOnFail: 5`, runs: 5},
	{name: "a pattern in a zone", key: "test:::Europe/Berlin:30 2 * * *", data: `{}`, repeat: `pattern: '30 2 * * *', tz: 'Europe/Berlin'`, runs: 5},
	{name: "a pattern in a zone, made by an old release", key: "test:::Europe/Berlin:30 2 * * *", data: `{}`, repeat: `pattern: '30 2 * * *', tz: 'Europe/Berlin'`, old: true, runs: 5},
	{name: "a pattern until an end", key: "own:key:of:five:parts", data: `{}`, repeat: fmt.Sprintf(`pattern: '* * * * *', tz: 'UTC', endDate: %d`, frozen.Add(150*time.Second).UnixMilli()), runs: 3},
	{name: "a pattern from a start on", key: "own:key:of:five:parts", data: `{}`, repeat: fmt.Sprintf(`pattern: '0 * * * *', tz: 'UTC', startDate: %d`, frozen.Add(5*time.Hour).UnixMilli()), runs: 5},
}

func TestRepeatableJob(t *testing.T) {
	t.Parallel()
	t.Run("Go and Node continue a job of BullMQ 5 in turn", testRepeatableJobInTurn)
	t.Run("jobs of BullMQ 5 are listed and removed", testRepeatableJobListed)
	t.Run("a job that gets no next run is reported", testRepeatableJobEnds)
	t.Run("a retried job adds no second run", testRepeatableJobRetried)
	t.Run("Go continues a job of BullMQ 5 beside BullMQ 6", testRepeatableJobBesideBullMQ6)
	t.Run("a job with a parent is reported and not continued", testRepeatableJobWithParent)
}

func testRepeatableJobInTurn(t *testing.T) {
	t.Parallel()
	r := newRig(t, 5)
	for _, rep := range repeatables {
		r.Run(rep.name, func(t *testing.T) {
			sub := r.within(t)
			var names [2]string
			var ran [2][]string
			for i, turns := range [2][]string{{"node"}, {"go", "go", "node"}} {
				c := newCalendar(sub, frozen)
				names[i] = c.q.Name()
				c.node.do(nil, `await $.queue(args[0]).add('test', eval('(' + args[1] + ')'), eval('(' + args[2] + ')'))`,
					c.q.Name(), rep.data, fmt.Sprintf(`{ repeat: { %s, key: '%s' }, %s }`, rep.repeat, rep.key, rep.more))
				if rep.old {
					forgetRepeatable(c, rep.key)
				}
				for turn := range 5 {
					if id := c.runDue(turns[turn%len(turns)]); id != "" {
						ran[i] = append(ran[i], id)
					}
				}
				if len(ran[i]) != rep.runs {
					t.Errorf("%v ran %v, want %d", turns, ran[i], rep.runs)
				}
			}
			sub.same("runs by turns, beside Node's", ran[1], ran[0])
			compareDumps(sub, names, true)
		})
	}
	r.node.quiet()
}

// runDue is runNext for jobs that may not be due at the time in their id.
func (c *calendar) runDue(language string) string {
	c.Helper()
	if due := c.rdb.ZRangeWithScores(c.Context(), c.key(c.q.Name(), "delayed"), 0, 0).Val(); len(due) > 0 {
		*c.now = time.UnixMilli(int64(due[0].Score) / 4096).UTC()
	}
	return c.runNext(language)
}

// forgetRepeatable leaves a repeatable job as an old release stores it.
func forgetRepeatable(c *calendar, key string) {
	c.Helper()
	job := c.key(c.q.Name(), c.pending())
	c.ok(c.rdb.Del(c.Context(), c.key(c.q.Name(), "repeat:"+key)).Err())
	c.ok(c.rdb.HDel(c.Context(), job, "rjk").Err())
	var opts map[string]any
	c.ok(json.Unmarshal([]byte(c.rdb.HGet(c.Context(), job, "opts").Val()), &opts))
	repeat, _ := opts["repeat"].(map[string]any)
	delete(repeat, "key")
	text, err := json.Marshal(opts)
	c.ok(err)
	c.ok(c.rdb.HSet(c.Context(), job, "opts", text).Err())
}

func testRepeatableJobListed(t *testing.T) {
	t.Parallel()
	r := newRig(t, 5)
	for _, rep := range repeatables {
		r.Run(rep.name, func(t *testing.T) {
			sub := r.within(t)
			c := newCalendar(sub, frozen)
			c.node.do(nil, `await $.queue(args[0]).add('test', eval('(' + args[1] + ')'), eval('(' + args[2] + ')'))`,
				c.q.Name(), rep.data, fmt.Sprintf(`{ repeat: { %s, key: '%s' }, %s }`, rep.repeat, rep.key, rep.more))
			if rep.old {
				c.ok(c.rdb.Del(c.Context(), c.key(c.q.Name(), "repeat:"+rep.key)).Err())
			}
			listed(c, rep.key)
			delayed := c.rdb.ZCard(c.Context(), c.key(c.q.Name(), "delayed")).Val()
			for _, want := range []bool{true, false} {
				gone, err := c.q.RemoveScheduler(c.Context(), rep.key)
				c.ok(err)
				if gone != want {
					t.Errorf("removed: %t, want %t", gone, want)
				}
			}
			if id := c.pending(); id != "" && delayed > 0 {
				t.Errorf("job %s is left", id)
			}
		})
	}
	r.node.quiet()
}

// listed compares what both languages list as the only scheduler.
func listed(c *calendar, key string) {
	c.Helper()
	var theirs []struct {
		Key, Name, TZ, Pattern string
		Every, EndDate, Next   int64
	}
	c.node.do(&theirs, `return $.queue(args[0]).getJobSchedulers()`, c.q.Name())
	ours, err := c.q.Schedulers(c.Context(), bullmq.SchedulersOptions{})
	c.ok(err)
	if len(ours) != 1 || len(theirs) != 1 {
		c.Fatalf("Go lists %+v, Node %+v", ours, theirs)
	}
	one, err := c.q.Scheduler(c.Context(), key)
	c.ok(err)
	c.same("the scheduler read by its id", one, ours[0])
	got, want := ours[0], theirs[0]
	if want.Every == 0 && !strings.Contains(want.Pattern, "*") { // Node takes the key's interval for a pattern
		_, err := fmt.Sscan(want.Pattern, &want.Every)
		c.ok(err)
		want.Pattern = ""
	}
	end := int64(0)
	if !got.Schedule.End.IsZero() {
		end = got.Schedule.End.UnixMilli()
	}
	c.same("what is listed",
		[]any{got.ID, got.Template.Name, got.Schedule.TZ, got.Schedule.Pattern, got.Schedule.Every.Milliseconds(), end, got.Next.UnixMilli()},
		[]any{want.Key, want.Name, want.TZ, want.Pattern, want.Every, want.EndDate, want.Next})
}

// BullMQ 5 takes a key of three or four parts for a scheduler's and makes one job only.
func testRepeatableJobEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, 5)
	for _, language := range languages {
		c := newCalendar(r, frozen)
		c.node.do(nil, `await $.queue(args[0]).add('test', {}, { repeat: { every: 60000, key: 'a:b:c' } })`, c.q.Name())
		*c.now = frozen.Add(time.Minute)
		var id string
		if language == "node" {
			id = c.runNext(language)
		} else {
			id = c.pending()
			if errs := c.reports(id); len(errs) != 1 || !strings.Contains(errs[0].Error(), "a:b:c") {
				t.Errorf("reported: %v", errs)
			}
		}
		if next := c.pending(); next != "" || id == "" {
			t.Errorf("%s ran %q, then %q is pending", language, id, next)
		}
	}
	r.node.quiet()
}

// A job that starts again while its next run is planned adds none, in either language.
func testRepeatableJobRetried(t *testing.T) {
	t.Parallel()
	r := newRig(t, 5)
	var names [2]string
	for i, language := range languages {
		c := newCalendar(r, frozen)
		names[i] = c.q.Name()
		c.node.do(nil, `await $.queue(args[0]).add('test', {}, { repeat: { every: 60000, key: 'test::::60000' } })`, c.q.Name())
		id := c.runNext("node")
		c.node.do(nil, `await (await $.queue(args[0]).getJob(args[1])).retry('completed')`, c.q.Name(), id)
		if language == "go" {
			stop := c.work(c.q.Name(), func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
				bullmq.WorkerOptions{Name: "w", Clock: func() time.Time { return *c.now }})
			c.reaches(c.q, id, bullmq.StateCompleted)
			stop()
		} else {
			c.node.do(nil, `await $.workOff(args[0], async () => {})`, c.q.Name())
		}
		if due := c.rdb.ZRangeWithScores(c.Context(), c.key(c.q.Name(), "delayed"), 0, -1).Val(); len(due) != 1 {
			t.Errorf("in %s: %v", language, []redis.Z(due))
		}
	}
	compareDumps(r, names, true)
	r.node.quiet()
}

// reports runs a Go worker until a job has completed and returns the errors that it reported.
func (c *calendar) reports(id string) (errs []error) {
	c.Helper()
	reported := make(chan error, 10)
	stop := c.work(c.q.Name(), func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
		bullmq.WorkerOptions{Name: "w", Clock: func() time.Time { return *c.now }, Hooks: bullmq.WorkerHooks{OnError: func(err error) { reported <- err }}})
	c.reaches(c.q, id, bullmq.StateCompleted)
	stop()
	close(reported)
	for err := range reported {
		errs = append(errs, err)
	}
	return errs
}

// BullMQ 6 makes no further job of a repeatable job of BullMQ 5 and reports an error. A Go
// worker drives it on, with the jobs that BullMQ 5 would make.
func testRepeatableJobBesideBullMQ6(t *testing.T) {
	t.Parallel()
	five := newRig(t, 5)
	six := newRigAt(t, 6, five.addr)
	for _, rep := range repeatables {
		if rep.old { // which BullMQ 6 does not recognise, so that it reports nothing
			continue
		}
		five.Run(rep.name, func(t *testing.T) {
			sub := five.within(t)
			add := func() *calendar {
				c := newCalendar(sub, frozen)
				c.node.do(nil, `await $.queue(args[0]).add('test', eval('(' + args[1] + ')'), eval('(' + args[2] + ')'))`,
					c.q.Name(), rep.data, fmt.Sprintf(`{ repeat: { %s, key: '%s' }, %s }`, rep.repeat, rep.key, rep.more))
				return c
			}
			alone, beside := add(), add()
			newest := *beside
			newest.rig = six.within(t)
			newest.node.do(nil, `await $.queue(args[0]).waitUntilReady()`, beside.q.Name())
			for turn := range 2 {
				if want, got := alone.runDue("node"), beside.runDue("go"); got != want || got == "" {
					t.Errorf("run %d: BullMQ 5 ran %q, Go beside BullMQ 6 %q", turn, want, got)
				}
			}
			var complaints []string
			last := newest.runDue("node")
			newest.node.do(&complaints, `return $.errors.splice(0)`)
			want := 1
			if strings.HasPrefix(rep.key, "own:") { // which it takes for the key of a scheduler that is gone
				want = 0
			}
			if next := beside.pending(); last == "" || next != "" || len(complaints) != want || want == 1 && !strings.Contains(complaints[0], "repeatable job for next iteration") {
				t.Errorf("BullMQ 6 ran %q, then %q is pending; it complained of %q", last, next, complaints)
			}
		})
	}
	five.node.quiet()
	six.node.quiet()
}

// Go does not continue a repeatable job with a parent, and reports it. BullMQ 5 adds its next
// job to the same parent.
func testRepeatableJobWithParent(t *testing.T) {
	t.Parallel()
	r := newRig(t, 5)
	for _, language := range languages {
		c := newCalendar(r, frozen)
		parents := r.queue(r.unused())
		r.add(parents, "n", nil, bullmq.JobOptions{ID: "parent"})
		c.node.do(nil, `await $.queue(args[0]).add('test', {}, { repeat: { every: 60000, key: 'test::::60000' }, parent: { id: 'parent', queue: args[1] } })`,
			c.q.Name(), parents.QualifiedName())
		id := c.pending()
		*c.now = frozen.Add(time.Minute)
		if language == "go" {
			errs := c.reports(id)
			if next := c.pending(); next != "" || len(errs) != 1 || !strings.Contains(errs[0].Error(), "with a parent") {
				t.Errorf("Go reported %v, then %q is pending", errs, next)
			}
		} else if c.runNext(language); c.pending() == "" {
			t.Error("BullMQ 5 has not driven it on")
		}
		page, err := parents.DependencyPage(c.Context(), "parent", bullmq.DependenciesOptions{Kind: bullmq.Processed})
		c.ok(err)
		if len(page.Dependencies) != 1 || !strings.HasSuffix(page.Dependencies[0].Key, ":"+id) {
			t.Errorf("in %s the parent has of its child: %+v", language, page.Dependencies)
		}
	}
	r.node.quiet()
}
