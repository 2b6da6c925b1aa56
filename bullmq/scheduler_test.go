package bullmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

// steps is a clock that a test moves by hand.
type steps struct {
	mu  sync.Mutex
	now time.Time
}

var frozen = time.UnixMilli(1_795_000_000_000).UTC() // 11:06:40, forty seconds into a minute

func newSteps() *steps { return &steps{now: frozen} }

func (c *steps) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *steps) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// runs works off one job after the other, each at its time, and returns when each was
// due, in milliseconds since the first clock reading.
func runs(t *testing.T, s *server, q *bullmq.Queue, clock *steps, most int) (due []int64) {
	t.Helper()
	ctx := context.Background()
	for range most {
		delayed := s.rdb.ZRangeWithScores(ctx, "bull:q:delayed", 0, 0).Val()
		if len(delayed) > 0 {
			clock.set(time.UnixMilli(int64(delayed[0].Score) / 4096))
		} else if counts := must[map[bullmq.State]int64](t)(q.Counts(ctx, bullmq.StateWaiting, bullmq.StatePrioritized)); counts[bullmq.StateWaiting]+counts[bullmq.StatePrioritized] == 0 {
			return due
		}
		done := must[map[bullmq.State]int64](t)(q.Counts(ctx, bullmq.StateCompleted))[bullmq.StateCompleted]
		stop := start(t, s.rdb, func(_ context.Context, j *bullmq.Job) (any, error) {
			return json.RawMessage(j.ID[strings.LastIndex(j.ID, ":")+1:]), nil
		}, bullmq.WorkerOptions{Clock: clock.time, DrainDelay: 20 * time.Millisecond})
		testproc.Eventually(t, wait, func() bool {
			return s.rdb.ZCard(ctx, "bull:q:completed").Val() == done+1
		}, "the next job has run")
		stop()
		due = append(due, clock.time().Sub(frozen).Milliseconds())
	}
	return due
}

func TestScheduler(t *testing.T) {
	t.Parallel()
	t.Run("jobs follow one another on schedule", testSchedulerJobs)
	t.Run("missed runs are skipped", testSchedulerMissedRuns)
	t.Run("the schedule continues when a job fails", testSchedulerFailedJob)
	t.Run("a change replaces the pending job", testSchedulerChanged)
	t.Run("schedulers are read and removed", testSchedulerReadAndRemoved)
	t.Run("an invalid schedule is refused", testSchedulerInvalid)
	t.Run("a repeatable job of BullMQ 5 continues", testSchedulerRepeatableOfBullMQ5)
	t.Run("an unreadable schedule is reported", testSchedulerUnreadable)
	t.Run("a pattern with random times continues", testSchedulerRandomTimes)
	t.Run("a custom function computes the runs", testSchedulerCustomFunction)
}

func testSchedulerJobs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		schedule bullmq.Schedule
		want     []int64 // ms from the frozen time
	}{
		{"at once and then every minute", bullmq.Schedule{Every: time.Minute}, []int64{0, 60_000, 120_000, 180_000}},
		{"at an offset of the clock's minutes", bullmq.Schedule{Every: time.Minute, Offset: 5 * time.Second}, []int64{25_000, 85_000, 145_000, 205_000}},
		{"from a start on", bullmq.Schedule{Every: time.Minute, Start: frozen.Add(7 * time.Second)}, []int64{7_000, 67_000, 127_000, 187_000}},
		{"as often as the limit says", bullmq.Schedule{Every: time.Minute, Limit: 2}, []int64{0, 60_000}},
		{"until the end, and once after", bullmq.Schedule{Every: time.Minute, End: frozen.Add(90 * time.Second)}, []int64{0, 60_000, 120_000}},
		{"by a pattern", bullmq.Schedule{Pattern: "*/2 * * * *"}, []int64{80_000, 200_000, 320_000, 440_000}},
		{"by a pattern with seconds, at once first", bullmq.Schedule{Pattern: "*/30 * * * * *", Immediately: true}, []int64{0, 20_000, 50_000, 80_000}},
		{"by a pattern until the end", bullmq.Schedule{Pattern: "* * * * *", End: frozen.Add(90 * time.Second)}, []int64{20_000, 80_000}},
		{"by a pattern in a zone of half hours", bullmq.Schedule{Pattern: "0 17 * * *", TZ: "Asia/Kolkata", Limit: 2}, []int64{1_400_000, 87_800_000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onServers(t, func(t *testing.T, s *server) {
				ctx, clock := context.Background(), newSteps()
				q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time})
				job := must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "tick", tt.schedule, bullmq.JobTemplate{}))
				first := frozen.Add(time.Duration(tt.want[0]) * time.Millisecond)
				if want := fmt.Sprintf("repeat:tick:%d", first.UnixMilli()); job.ID != want || job.Delay != first.Sub(frozen) || job.Name != "tick" || job.SchedulerID != "tick" {
					t.Errorf("the first job is %s, %v, name %s", job.ID, job.Delay, job.Name)
				}
				got := runs(t, s, q, clock, 4)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("runs: %s", diff)
				}
				if n := must[*bullmq.Scheduler](t)(q.Scheduler(ctx, "tick")).Iterations; int(n) < len(tt.want) || int(n) > len(tt.want)+1 {
					t.Errorf("%d iterations were counted for %d runs", n, len(tt.want))
				}
			})
		})
	}
}

func testSchedulerMissedRuns(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx, clock := context.Background(), newSteps()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time})
		must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "tick", bullmq.Schedule{Every: time.Minute}, bullmq.JobTemplate{}))
		clock.set(frozen.Add(10*time.Minute + 30*time.Second))
		stop := start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{Clock: clock.time})
		testproc.Eventually(t, wait, func() bool { return s.rdb.ZCard(ctx, "bull:q:completed").Val() == 1 }, "one job has run")
		stop()
		if next := must[*bullmq.Scheduler](t)(q.Scheduler(ctx, "tick")).Next; !next.Equal(frozen.Add(11 * time.Minute)) {
			t.Errorf("the next run is at %v", next)
		}
		if n := s.rdb.ZCard(ctx, "bull:q:delayed").Val(); n != 1 {
			t.Errorf("%d jobs are planned", n)
		}
	})
}

func testSchedulerFailedJob(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx, clock := context.Background(), newSteps()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time})
		job := must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "tick", bullmq.Schedule{Every: time.Minute}, bullmq.JobTemplate{
			Name: "work", Data: 1, Options: bullmq.JobOptions{Attempts: 3},
		}))
		// One worker after another was lost with it.
		ok(t, s.rdb.HSet(ctx, "bull:q:"+job.ID, "defa", "job stalled more than allowable limit").Err())
		stop := start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, errors.New("it ran") }, bullmq.WorkerOptions{Clock: clock.time})
		testproc.Eventually(t, wait, func() bool { return s.rdb.ZCard(ctx, "bull:q:failed").Val() == 1 }, "the job has failed")
		stop()
		failed := must[*bullmq.Job](t)(q.Job(ctx, job.ID))
		if failed.FailedReason != "job stalled more than allowable limit" {
			t.Errorf("it failed with %q", failed.FailedReason)
		}
		next := must[*bullmq.Job](t)(q.Job(ctx, fmt.Sprintf("repeat:tick:%d", frozen.Add(time.Minute).UnixMilli())))
		if next.Name != "work" || string(next.Data) != "1" || next.Options.Attempts != 3 || next.SchedulerID != "tick" {
			t.Errorf("the next job is %+v", next)
		}
		// A repeated run of an old job plans nothing more.
		ok(t, q.Retry(ctx, job.ID, bullmq.RetryOptions{}))
		stop = start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{Clock: clock.time})
		testproc.Eventually(t, wait, func() bool { return s.rdb.ZCard(ctx, "bull:q:completed").Val() == 1 }, "it has run again")
		stop()
		if n := s.rdb.ZCard(ctx, "bull:q:delayed").Val(); n != 1 {
			t.Errorf("%d jobs are planned", n)
		}
	})
}

func testSchedulerChanged(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx, clock := context.Background(), newSteps()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time})
		set := func(schedule bullmq.Schedule, data any) *bullmq.Job {
			return must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "tick", schedule, bullmq.JobTemplate{Data: data}))
		}
		first := set(bullmq.Schedule{Every: time.Minute, Offset: time.Second}, "old")
		clock.set(frozen.Add(3 * time.Second))
		if same := set(bullmq.Schedule{Every: time.Minute}, "new"); same.ID != first.ID || string(same.Data) != `"new"` {
			t.Errorf("the slot has moved from %s to %s", first.ID, same.ID)
		}
		if other := set(bullmq.Schedule{Pattern: "@hourly"}, "new"); !strings.HasSuffix(other.ID, fmt.Sprint(frozen.Truncate(time.Hour).Add(time.Hour).UnixMilli())) {
			t.Errorf("the pattern's first job is %s", other.ID)
		}
		if ids := s.rdb.ZCard(ctx, "bull:q:delayed").Val() + s.rdb.LLen(ctx, "bull:q:wait").Val(); ids != 1 {
			t.Errorf("%d jobs are pending", ids)
		}
		if s := must[*bullmq.Scheduler](t)(q.Scheduler(ctx, "tick")); s.Schedule.Every != 0 || s.Schedule.TZ != "UTC" || s.Iterations != 1 {
			t.Errorf("the scheduler is %+v", s)
		}
	})
}

func testSchedulerReadAndRemoved(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx, clock := context.Background(), newSteps()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time, DefaultJobOptions: bullmq.JobOptions{Attempts: 4}})
		schedule := bullmq.Schedule{
			Pattern: "0 12 * * MON", TZ: "Europe/Berlin", Limit: 5, Start: frozen.Add(time.Hour), End: frozen.Add(1000 * time.Hour),
		}
		must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "late:one", schedule, bullmq.JobTemplate{Name: "n", Data: []int{1}}))
		must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "soon", bullmq.Schedule{Every: time.Second, Start: frozen.Add(time.Minute)}, bullmq.JobTemplate{}))

		got := must[*bullmq.Scheduler](t)(q.Scheduler(ctx, "late:one"))
		want := &bullmq.Scheduler{
			ID: "late:one", Schedule: schedule, Next: time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC), Iterations: 1,
			Template: bullmq.JobTemplate{Name: "n", Data: json.RawMessage("[1]"), Options: bullmq.JobOptions{Attempts: 4}},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(bullmq.JobOptions{})); diff != "" {
			t.Error(diff)
		}
		ids := func(asc bool) (ids []string) {
			for _, s := range must[[]*bullmq.Scheduler](t)(q.Schedulers(ctx, bullmq.SchedulersOptions{LatestFirst: !asc})) {
				ids = append(ids, s.ID)
			}
			return ids
		}
		if diff := cmp.Diff([][]string{{"soon", "late:one"}, {"late:one", "soon"}}, [][]string{ids(true), ids(false)}); diff != "" {
			t.Error(diff)
		}
		var refused *bullmq.ScriptError
		pending := fmt.Sprintf("repeat:late:one:%d", want.Next.UnixMilli())
		if err := q.Remove(ctx, pending, bullmq.RemoveOptions{}); !errors.As(err, &refused) || refused.Code != bullmq.CodeSchedulerJob {
			t.Errorf("removing the pending job: %v", err)
		}
		if !must[bool](t)(q.RemoveScheduler(ctx, "late:one")) || must[bool](t)(q.RemoveScheduler(ctx, "late:one")) {
			t.Error("a scheduler is removed once")
		}
		if _, err := q.Job(ctx, pending); !errors.Is(err, bullmq.ErrJobNotFound) {
			t.Errorf("its job: %v", err)
		}
		if _, err := q.Scheduler(ctx, "late:one"); !errors.Is(err, bullmq.ErrSchedulerNotFound) {
			t.Errorf("reading it: %v", err)
		}
		if n := must[int64](t)(q.SchedulerCount(ctx)); n != 1 {
			t.Errorf("%d schedulers are left", n)
		}
	})
}

func testSchedulerInvalid(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	clock := newSteps()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time})
	type S = bullmq.Schedule
	for name, tt := range map[string]struct {
		s    S
		o    bullmq.JobOptions
		want error
	}{
		"neither":                {want: bullmq.ErrInvalid},
		"both":                   {s: S{Every: time.Minute, Pattern: "@daily"}, want: bullmq.ErrInvalid},
		"negative":               {s: S{Every: -time.Minute}, want: bullmq.ErrInvalid},
		"less than a ms":         {s: S{Every: time.Microsecond}, want: bullmq.ErrInvalid},
		"over":                   {s: S{Every: time.Minute, End: frozen}, want: bullmq.ErrInvalid},
		"ends before it starts":  {s: S{Every: time.Minute, Start: frozen.Add(time.Hour), End: frozen.Add(time.Minute)}, want: bullmq.ErrInvalid},
		"now and later":          {s: S{Pattern: "@daily", Immediately: true, Start: frozen.Add(time.Hour)}, want: bullmq.ErrInvalid},
		"offset too large":       {s: S{Every: time.Minute, Offset: time.Minute}, want: bullmq.ErrInvalid},
		"offset of a pattern":    {s: S{Pattern: "@daily", Offset: time.Minute}, want: bullmq.ErrInvalid},
		"limit":                  {s: S{Every: time.Minute, Limit: -1}, want: bullmq.ErrInvalid},
		"not a pattern":          {s: S{Pattern: "every day"}, want: bullmq.ErrInvalid},
		"twice the same minute":  {s: S{Pattern: "5,5 * * * *"}, want: bullmq.ErrInvalid},
		"four fields":            {s: S{Pattern: "* * * *"}, want: bullmq.ErrInvalid},
		"no such zone":           {s: S{Pattern: "@daily", TZ: "Mars/Olympus"}, want: bullmq.ErrInvalid},
		"the machine's own zone": {s: S{Pattern: "@daily", TZ: "Local"}, want: bullmq.ErrInvalid},
		"nothing before the end": {s: S{Pattern: "@yearly", End: frozen.Add(time.Hour)}, want: bullmq.ErrScheduleOver},
		"a job id":               {s: S{Every: time.Minute}, o: bullmq.JobOptions{ID: "x"}, want: bullmq.ErrInvalid},
		"a delay":                {s: S{Every: time.Minute}, o: bullmq.JobOptions{Delay: time.Second}, want: bullmq.ErrInvalid},
	} {
		if _, err := q.UpsertScheduler(context.Background(), "x", tt.s, bullmq.JobTemplate{Options: tt.o}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := q.UpsertScheduler(context.Background(), "", S{Every: time.Minute}, bullmq.JobTemplate{}); !errors.Is(err, bullmq.ErrInvalid) {
		t.Errorf("no id: %v", err)
	}
	if n := s.rdb.DBSize(context.Background()).Val(); n != 0 {
		t.Errorf("%d keys were written", n)
	}
}

// What the option repeat of BullMQ 5 leaves behind, as its Node program writes it.
func testSchedulerRepeatableOfBullMQ5(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx, clock := context.Background(), newSteps()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time})
		id := fmt.Sprintf("repeat:kk:%d", frozen.UnixMilli())
		ok(t, s.rdb.ZAdd(ctx, "bull:q:repeat", zed(float64(frozen.UnixMilli()), "kk")).Err())
		ok(t, s.rdb.HSet(ctx, "bull:q:repeat:kk", "name", "np", "tz", "UTC", "pattern", "*/5 * * * *").Err())
		ok(t, s.rdb.HSet(ctx, "bull:q:"+id, "name", "np", "data", `{"d":2}`, "timestamp", "1794999999000", "delay", "0", "priority", "0", "rjk", "kk",
			"opts", fmt.Sprintf(`{"prevMillis":%d,"jobId":"%s","repeat":{"count":1,"key":"kk","tz":"UTC","pattern":"*\/5 * * * *"},"delay":10,"attempts":2}`,
				frozen.UnixMilli(), id)).Err())
		ok(t, s.rdb.LPush(ctx, "bull:q:wait", id).Err())
		runs(t, s, q, clock, 1)
		got := must[*bullmq.Scheduler](t)(q.Scheduler(ctx, "kk"))
		if want := frozen.Add(200 * time.Second); !got.Next.Equal(want) || got.Iterations != 1 {
			t.Errorf("the next run is at %v, iterations %d", got.Next, got.Iterations)
		}
		next := must[*bullmq.Job](t)(q.Job(ctx, fmt.Sprintf("repeat:kk:%d", got.Next.UnixMilli())))
		if string(next.Data) != `{"d":2}` || next.Options.Attempts != 2 {
			t.Errorf("the next job has %s", next.Data)
		}
		if repeat := string(next.Options.Extra["repeat"]); !strings.Contains(repeat, `"key":"kk","count":2`) {
			t.Errorf("its option repeat is %s", repeat)
		}
	})
}

func testSchedulerUnreadable(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	job := must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "tick", bullmq.Schedule{Every: time.Minute}, bullmq.JobTemplate{}))
	ok(t, s.rdb.HSet(ctx, "bull:q:"+job.ID, "opts", `{"repeat":{"pattern":"every day","count":1}}`).Err())
	reported := make(chan error, 10)
	start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{
		Hooks: bullmq.WorkerHooks{OnError: func(err error) { reported <- err }},
	})
	testproc.Eventually(t, wait, func() bool { return s.rdb.ZCard(ctx, "bull:q:completed").Val() == 1 }, "the job has run")
	if err := <-reported; !strings.Contains(err.Error(), `scheduler tick: no job after repeat:tick:`) || !strings.Contains(err.Error(), `cron pattern "every day"`) {
		t.Errorf("what was reported: %v", err)
	}
}

// BullMQ 6 draws the value of H again whenever it computes a run.
func testSchedulerRandomTimes(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx, clock := context.Background(), newSteps()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time})
	job := must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "tick", bullmq.Schedule{Pattern: "5 10 * * *"}, bullmq.JobTemplate{}))
	ok(t, s.rdb.HSet(ctx, "bull:q:repeat:tick", "pattern", "H H(1-3) * * *").Err())
	ok(t, s.rdb.HSet(ctx, "bull:q:"+job.ID, "opts", `{"repeat":{"pattern":"H H(1-3) * * *","tz":"UTC","count":1}}`).Err())
	for range 5 {
		runs(t, s, q, clock, 1)
		next := must[*bullmq.Scheduler](t)(q.Scheduler(ctx, "tick")).Next
		if ahead := next.Sub(clock.time()); ahead <= 0 || ahead > 24*time.Hour || next.Hour() < 1 || next.Hour() > 3 || next.Second() != 0 {
			t.Fatalf("at %v the next run is at %v", clock.time(), next)
		}
	}
}

// fridays takes patterns such as "week 2": every second Friday at noon.
func fridays(after time.Time, s bullmq.Schedule, name string) (time.Time, error) {
	var weeks int
	if _, err := fmt.Sscanf(s.Pattern, "week %d", &weeks); err != nil || name != "report" {
		return time.Time{}, fmt.Errorf("%s of %s: %w", s.Pattern, name, err)
	}
	at := time.Date(after.Year(), after.Month(), after.Day(), 12, 0, 0, 0, time.UTC)
	for !at.After(after) || at.Weekday() != time.Friday {
		at = at.AddDate(0, 0, 1)
	}
	at = at.AddDate(0, 0, 7*(weeks-1))
	if !s.End.IsZero() && at.After(s.End) {
		return time.Time{}, nil
	}
	return at, nil
}

func testSchedulerCustomFunction(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		clock, ctx := newSteps(), context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time, Repeat: fridays})
		template := bullmq.JobTemplate{Name: "report"}
		end := frozen.AddDate(0, 0, 40)
		must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "tick", bullmq.Schedule{Pattern: "week 2", End: end}, template))
		var due []time.Time
		failures := make(chan error, 1)
		for range 4 {
			next := s.rdb.ZRangeWithScores(ctx, "bull:q:delayed", 0, 0).Val()
			if len(next) == 0 {
				break
			}
			clock.set(time.UnixMilli(int64(next[0].Score) / 4096).UTC())
			due = append(due, clock.time())
			stop := start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
				bullmq.WorkerOptions{Clock: clock.time, Repeat: fridays, Hooks: bullmq.WorkerHooks{OnError: func(err error) { failures <- err }}})
			testproc.Eventually(t, wait, func() bool { return s.rdb.ZCard(ctx, "bull:q:completed").Val() == int64(len(due)) }, "run %d", len(due))
			stop()
		}
		if len(due) != 3 {
			t.Errorf("runs at %v", due)
		}
		for i, at := range due {
			if at.Weekday() != time.Friday || at.Hour() != 12 || i > 0 && at.Sub(due[i-1]) != 14*24*time.Hour {
				t.Errorf("run %d at %v", i, at)
			}
		}
		select {
		case err := <-failures:
			t.Error(err)
		default:
		}
		for what, c := range map[string]struct {
			schedule bullmq.Schedule
			want     string
		}{
			"a pattern that the function refuses": {bullmq.Schedule{Pattern: "0 3 * * *"}, `next run of "0 3 * * *"`},
			"no run at all":                       {bullmq.Schedule{Pattern: "week 2", End: clock.time().Add(time.Hour)}, bullmq.ErrScheduleOver.Error()},
		} {
			if _, err := q.UpsertScheduler(ctx, "other", c.schedule, template); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", what, err)
			}
		}
		// What it says is over and is late counts as now; an interval does not ask it.
		past := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time, Repeat: func(after time.Time, _ bullmq.Schedule, _ string) (time.Time, error) {
			return after.Add(-time.Hour), nil
		}})
		job := must[*bullmq.Job](t)(past.UpsertScheduler(ctx, "late", bullmq.Schedule{Pattern: "x"}, template))
		if job.Delay != 0 {
			t.Errorf("a run in the past waits %v", job.Delay)
		}
		must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "each hour", bullmq.Schedule{Every: time.Hour}, bullmq.JobTemplate{}))
	})
}
