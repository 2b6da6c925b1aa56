package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// bench is a queue of a Cluster and what a test does at it.
type bench struct {
	*testing.T
	*bullmq.Queue
	rdb redis.UniversalClient
}

func newBench(t *testing.T, rdb redis.UniversalClient, name string) *bench {
	t.Helper()
	q, err := bullmq.NewQueue(rdb, name, bullmq.QueueOptions{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t, q, rdb}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) put(name string, opts bullmq.JobOptions) string {
	b.Helper()
	job, err := b.Add(b.Context(), name, nil, opts)
	b.ok(err)
	return job.ID
}

// work runs a worker until the test ends or stop is called.
func (b *bench) work(h bullmq.Handler, opts bullmq.WorkerOptions) (stop func()) {
	b.Helper()
	opts.Prefix = prefix
	w, err := bullmq.NewWorker(b.rdb, b.Queue.Name(), h, opts)
	b.ok(err)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- w.Run(ctx); close(stopped) }()
	stop = func() {
		cancel()
		if err := <-stopped; err != nil {
			b.Errorf("Run: %v", err)
		}
	}
	b.Cleanup(stop)
	return stop
}

// has waits until the queue's jobs are in these states and no others.
func (b *bench) has(want map[bullmq.State]int64) {
	b.Helper()
	testenv.Eventually(b.T, patience, func() error {
		counts, err := b.Counts(b.Context())
		for state, n := range counts {
			if err == nil && n != want[state] {
				err = fmt.Errorf("counts are %v", counts)
			}
		}
		return err
	}, "the jobs of %s are %v", b.Queue.Name(), want)
}

// is makes sure of a job's state.
func (b *bench) is(id string, want bullmq.State) {
	b.Helper()
	testenv.Eventually(b.T, patience, func() error {
		state, err := b.State(b.Context(), id)
		if err == nil && state != want {
			err = fmt.Errorf("it is %s", state)
		}
		return err
	}, "job %s is %s", id, want)
}

func done(context.Context, *bullmq.Job) (any, error) { return nil, nil }

// byName fails jobs called "bad".
func byName(_ context.Context, job *bullmq.Job) (any, error) {
	if job.Name == "bad" {
		return nil, errors.New("bad")
	}
	return job.Name, nil
}

func TestQueueFeatures(t *testing.T) {
	t.Parallel()
	rdb := testenv.ClusterClient(t, testenv.RedisCluster(t))
	for _, c := range []struct {
		name string
		test func(*bench)
	}{
		{"deduplication", deduplicates},
		{"schedulers", schedules},
		{"flows", flows},
		{"limits", limits},
		{"pauses", pauses},
		{"removals", removes},
		{"events", tells},
		{"workers", listsWorkers},
		{"orphans", removesOrphans},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(newBench(t, rdb, c.name))
		})
	}
}

func deduplicates(b *bench) {
	for _, c := range []struct {
		mode   bullmq.Deduplication
		delay  time.Duration
		second bool // whether the second job stands
	}{
		{mode: bullmq.Deduplication{ID: "simple"}},
		{mode: bullmq.Deduplication{ID: "ttl", TTL: time.Hour}},
		{mode: bullmq.Deduplication{ID: "extend", TTL: time.Hour, Extend: true}},
		{mode: bullmq.Deduplication{ID: "replace", Replace: true}, delay: time.Hour, second: true},
		{mode: bullmq.Deduplication{ID: "reschedule", Reschedule: true}, delay: time.Hour},
	} {
		opts := bullmq.JobOptions{Deduplication: &c.mode, Delay: c.delay}
		first, second := b.put("n", opts), b.put("n", opts)
		holder, err := b.DeduplicationJobID(b.Context(), c.mode.ID)
		b.ok(err)
		if (first != second) != c.second || holder != second {
			b.Errorf("%s: jobs %s and %s, held by %s; want a second one: %t", c.mode.ID, first, second, holder, c.second)
		}
	}
	running, release := make(chan struct{}), make(chan struct{})
	b.work(func(_ context.Context, job *bullmq.Job) (any, error) {
		if job.Name == "a" {
			close(running)
			<-release
		}
		return job.Name, nil
	}, bullmq.WorkerOptions{})
	last := func() bullmq.JobOptions {
		return bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "last", KeepLastIfActive: true}}
	}
	b.put("a", last())
	<-running
	b.put("b", last())
	b.put("c", last())
	close(release)
	b.has(map[bullmq.State]int64{bullmq.StateCompleted: 3 + 2, bullmq.StateDelayed: 2}) // a and c
}

func schedules(b *bench) {
	const runs = 3
	b.work(done, bullmq.WorkerOptions{})
	for id, s := range map[string]bullmq.Schedule{
		"every":   {Every: 10 * time.Millisecond, Limit: runs},
		"pattern": {Pattern: "* * * * * *", TZ: "UTC", Limit: runs},
	} {
		_, err := b.UpsertScheduler(b.Context(), id, s, bullmq.JobTemplate{Name: id})
		b.ok(err)
	}
	b.has(map[bullmq.State]int64{bullmq.StateCompleted: 2 * runs})
	list, err := b.Schedulers(b.Context(), bullmq.SchedulersOptions{})
	b.ok(err)
	for _, s := range list {
		if s.Iterations != runs {
			b.Errorf("%s ran %d times, want %d", s.ID, s.Iterations, runs)
		}
		removed, err := b.RemoveScheduler(b.Context(), s.ID)
		if err != nil || !removed {
			b.Errorf("remove %s: %t, %v", s.ID, removed, err)
		}
	}
	if n, err := b.SchedulerCount(b.Context()); err != nil || len(list) != 2 || n != 0 {
		b.Errorf("%d schedulers, then %d, %v", len(list), n, err)
	}
}

func flows(b *bench) {
	children := newBench(b.T, b.rdb, "children")
	b.work(byName, bullmq.WorkerOptions{})
	children.work(byName, bullmq.WorkerOptions{})
	for mode, want := range map[bullmq.FailureMode]bullmq.State{
		bullmq.FailureNone: bullmq.StateWaitingChildren, bullmq.FailParent: bullmq.StateFailed,
		bullmq.ContinueParent: bullmq.StateCompleted, bullmq.IgnoreDependency: bullmq.StateCompleted, bullmq.RemoveDependency: bullmq.StateCompleted,
	} {
		id := fmt.Sprint("parent-", int(mode))
		child := bullmq.FlowJob{Name: "bad", Queue: children.Queue, Options: bullmq.JobOptions{ID: fmt.Sprint("child-", int(mode)), OnFailure: mode}}
		_, err := bullmq.AddFlow(b.Context(), bullmq.FlowJob{Name: "top", Queue: b.Queue, Options: bullmq.JobOptions{ID: "above-" + id},
			Children: []bullmq.FlowJob{{Name: "parent", Options: bullmq.JobOptions{ID: id, OnFailure: mode}, Children: []bullmq.FlowJob{child}}}})
		b.ok(err)
		children.is(child.Options.ID, bullmq.StateFailed)
		b.is(id, want)
		b.is("above-"+id, want)
		tree, err := b.Flow(b.Context(), "above-"+id, bullmq.FlowLimits{})
		b.ok(err)
		if len(tree.Children) != 1 {
			b.Errorf("mode %d: the tree has %d children", mode, len(tree.Children))
		}
	}
}

func limits(b *bench) {
	const most = 2
	var now, peak int
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	count := func(by int) {
		<-turn
		now += by
		peak = max(peak, now)
		turn <- struct{}{}
	}
	b.ok(b.SetGlobalConcurrency(b.Context(), most))
	b.ok(b.SetGlobalRateLimit(b.Context(), 5, 20*time.Millisecond))
	b.ok(b.RateLimit(b.Context(), time.Hour))
	if left, err := b.RateLimitTTL(b.Context(), bullmq.RateLimitTTLOptions{}); err != nil || left <= 0 {
		b.Errorf("the limit set by hand lasts %v, %v", left, err)
	}
	b.ok(b.ClearRateLimit(b.Context()))
	for range 2 {
		b.work(func(context.Context, *bullmq.Job) (any, error) {
			count(1)
			defer count(-1)
			return nil, nil
		}, bullmq.WorkerOptions{Concurrency: 5})
	}
	const jobs = 20
	for range jobs {
		b.put("n", bullmq.JobOptions{})
	}
	b.has(map[bullmq.State]int64{bullmq.StateCompleted: jobs})
	<-turn
	if peak == 0 || peak > most {
		b.Errorf("%d jobs ran at once, want at most %d", peak, most)
	}
}

func pauses(b *bench) {
	b.ok(b.Pause(b.Context()))
	b.work(done, bullmq.WorkerOptions{})
	b.put("n", bullmq.JobOptions{})
	b.put("n", bullmq.JobOptions{Priority: 1})
	b.has(map[bullmq.State]int64{bullmq.StateWaiting: 1, bullmq.StatePrioritized: 1})
	paused, err := b.IsPaused(b.Context())
	b.ok(err)
	b.ok(b.Resume(b.Context()))
	b.has(map[bullmq.State]int64{bullmq.StateCompleted: 2})
	if again, err := b.IsPaused(b.Context()); err != nil || !paused || again {
		b.Errorf("paused %t, after the resume %t, %v", paused, again, err)
	}
}

func removes(b *bench) {
	stop := b.work(byName, bullmq.WorkerOptions{})
	for _, name := range []string{"good", "bad"} {
		b.put(name, bullmq.JobOptions{})
	}
	b.has(map[bullmq.State]int64{bullmq.StateCompleted: 1, bullmq.StateFailed: 1})
	stop()
	cleaned, err := b.Clean(b.Context(), bullmq.StateCompleted, 0, 0)
	b.ok(err)
	b.ok(b.RetryJobs(b.Context(), bullmq.StateFailed, time.Time{}))
	b.put("n", bullmq.JobOptions{Priority: 2})
	b.put("n", bullmq.JobOptions{Delay: time.Hour})
	b.has(map[bullmq.State]int64{bullmq.StateWaiting: 1, bullmq.StatePrioritized: 1, bullmq.StateDelayed: 1})
	b.ok(b.Drain(b.Context(), bullmq.DrainOptions{}))
	b.ok(b.PromoteJobs(b.Context()))
	b.has(map[bullmq.State]int64{bullmq.StateWaiting: 1})
	b.ok(b.Obliterate(b.Context(), bullmq.ObliterateOptions{}))
	keys, err := b.keys()
	b.ok(err)
	if len(cleaned) != 1 || len(keys) != 0 {
		b.Errorf("%v were cleaned; the obliteration left %v", cleaned, keys)
	}
}

// keys are those of the queue, on whichever node.
func (b *bench) keys() ([]string, error) {
	node, err := b.rdb.(*redis.ClusterClient).MasterForKey(b.Context(), prefix)
	if err != nil {
		return nil, err
	}
	return node.Keys(b.Context(), b.QualifiedName()+":*").Result()
}

func tells(b *bench) {
	ready, told := make(chan struct{}), make(chan string, 1)
	go func() {
		var names []string
		for e, err := range b.Events(b.Context(), bullmq.EventsOptions{Ready: func() { close(ready) }}) {
			if names = append(names, e.Name); err != nil || e.Name == bullmq.EventCompleted {
				break
			}
		}
		told <- strings.Join(names, " ")
	}()
	<-ready
	b.put("n", bullmq.JobOptions{})
	b.work(done, bullmq.WorkerOptions{})
	if got := <-told; got != "added waiting active completed" {
		b.Errorf("events %s", got)
	}
}

func listsWorkers(b *bench) {
	b.work(done, bullmq.WorkerOptions{Name: "a"})
	stop := b.work(done, bullmq.WorkerOptions{Name: "b"})
	newBench(b.T, b.rdb, "others").work(done, bullmq.WorkerOptions{Name: "c"})
	b.lists("a", "b")
	stop()
	b.lists("a")
}

func (b *bench) lists(want ...string) {
	b.Helper()
	testenv.Eventually(b.T, patience, func() error {
		workers, err := b.Workers(b.Context())
		var names []string
		for _, w := range workers {
			names = append(names, w.Name)
		}
		if slices.Sort(names); !slices.Equal(names, want) {
			err = errors.Join(err, fmt.Errorf("it lists %v", names))
		}
		return err
	}, "the workers %v are listed", want)
}

func removesOrphans(b *bench) {
	lost, kept := b.put("lost", bullmq.JobOptions{}), b.put("kept", bullmq.JobOptions{})
	b.ok(b.rdb.LRem(b.Context(), b.QualifiedName()+":wait", 1, lost).Err())
	removed, err := b.RemoveOrphanedJobs(b.Context(), 0)
	b.ok(err)
	if !slices.Equal(removed, []string{lost}) {
		b.Errorf("%v were removed, want job %s", removed, lost)
	}
	b.is(lost, bullmq.StateUnknown)
	b.is(kept, bullmq.StateWaiting)
}
