package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

const (
	prefix   = "{bull}"
	promise  = 30 * time.Second // within which work goes on after a master's end
	patience = time.Minute      // for all of it to be done

	jobs, families, children = 200, 10, 3 // before the failover, and half as many after it
)

// load is work on two queues: plain jobs, and parents whose children are in the other.
type load struct {
	t       *testing.T
	rdb     redis.UniversalClient
	queue   *bullmq.Queue
	nursery *bullmq.Queue
	gate    chan struct{} // what most handlers wait for, so that the fault meets runs in flight

	mu    sync.Mutex
	runs  map[string]int // started handlers by job id
	done  map[string]int // outcomes that Redis has acknowledged
	first chan struct{}  // closed when a handler starts after the gate was opened
	once  sync.Once
}

func newLoad(t *testing.T, rdb redis.UniversalClient) *load {
	t.Helper()
	l := &load{t: t, rdb: rdb, gate: make(chan struct{}), first: make(chan struct{}), runs: map[string]int{}, done: map[string]int{}}
	var errQueue, errNursery error
	l.queue, errQueue = bullmq.NewQueue(rdb, "q", bullmq.QueueOptions{Prefix: prefix})
	l.nursery, errNursery = bullmq.NewQueue(rdb, "nursery", bullmq.QueueOptions{Prefix: prefix})
	if err := errors.Join(errQueue, errNursery); err != nil {
		t.Fatal(err)
	}
	l.work(l.queue)
	l.work(l.queue)
	l.work(l.nursery)
	return l
}

// work runs a worker until the test ends.
func (l *load) work(q *bullmq.Queue) {
	w, err := bullmq.NewWorker(l.rdb, q.Name(), l.handle, bullmq.WorkerOptions{
		Prefix: prefix, Concurrency: 5, LockDuration: 4 * time.Second, StalledInterval: time.Second, MaxStalledCount: -1,
		DrainDelay: time.Second, Grace: -1,
		Hooks: bullmq.WorkerHooks{OnCompleted: func(j *bullmq.Job) { l.count(l.done, j.ID) }},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- w.Run(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			l.t.Errorf("Run: %v", err)
		}
	})
}

func (l *load) count(what map[string]int, id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	what[id]++
	return len(what)
}

func (l *load) handle(ctx context.Context, j *bullmq.Job) (any, error) {
	n := l.count(l.runs, j.ID)
	select {
	case <-l.gate:
		l.once.Do(func() { close(l.first) })
	default:
		if n > jobs/2 {
			<-l.gate
		}
	}
	if j.Name != "parent" {
		return j.ID, nil
	}
	var specs []bullmq.JobSpec // ids of their own make adding them again harmless
	for i := range children {
		specs = append(specs, bullmq.JobSpec{Name: "child", Options: bullmq.JobOptions{
			ID: fmt.Sprint(j.ID, "c", i), Parent: &bullmq.ParentRef{ID: j.ID, Queue: l.queue.QualifiedName()},
		}})
	}
	if _, err := l.nursery.AddBulk(ctx, specs); err != nil {
		return nil, err
	}
	if counts, err := j.DependencyCounts(ctx); err != nil || counts.Unprocessed > 0 {
		return nil, cmp.Or(err, bullmq.WaitForChildren())
	}
	values, err := j.ChildrenValues(ctx)
	return len(values), err
}

// add adds a job as a careful producer does: until Redis has acknowledged it.
func (l *load) add(name, id string) {
	l.t.Helper()
	testenv.Eventually(l.t, promise, func() error {
		_, err := l.queue.Add(l.t.Context(), name, nil, bullmq.JobOptions{ID: id, Attempts: 100,
			Backoff: &bullmq.Backoff{Type: "fixed", Delay: 200 * time.Millisecond}})
		return err
	}, "add %s", id)
}

func (l *load) addAll(when string, n, parents int) {
	l.t.Helper()
	for i := range parents {
		l.add("parent", fmt.Sprint(when, "p", i))
	}
	for i := range n {
		l.add("job", fmt.Sprint(when, "j", i))
	}
}

// copied waits until the replica has all that the master has acknowledged so far.
func (l *load) copied(master redis.UniversalClient) {
	l.t.Helper()
	testenv.Eventually(l.t, patience, func() error {
		pipe := master.Pipeline() // WAIT is about what its own connection wrote last
		pipe.Set(l.t.Context(), prefix+":copied", 1, 0)
		replicas := pipe.Do(l.t.Context(), "wait", 1, 1000)
		if _, err := pipe.Exec(l.t.Context()); err != nil {
			return err
		}
		if n, err := replicas.Int(); err != nil || n < 1 {
			return fmt.Errorf("%d replicas, %v", n, err)
		}
		return nil
	}, "the replica has everything")
}

// survives puts load on a Redis, kills its master in the middle and expects that the
// workers continue automatically and that nothing is lost that had been copied.
func (l *load) survives(master redis.UniversalClient, kill func()) {
	l.t.Helper()
	l.addAll("a", jobs, families)
	testenv.Eventually(l.t, patience, func() bool { return l.size(l.done) >= jobs/2-families }, "half of the work is done")
	finished := l.snapshot(l.done)
	l.copied(master)
	begun := l.snapshot(l.runs)
	kill()
	crash := time.Now()
	close(l.gate)
	l.add("job", "first")
	added := time.Since(crash)
	select {
	case <-l.first:
	case <-time.After(promise):
		l.t.Fatalf("no job has been started %v after the master's end", promise)
	}
	l.t.Logf("after the master's end a job was added after %v, and work went on within %v", added, time.Since(crash))
	l.addAll("b", jobs/2, families/2)
	l.allDone(jobs+jobs/2+families+families/2+1, (families+families/2)*children)
	l.judge(finished, begun)
}

func (l *load) size(what map[string]int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(what)
}

func (l *load) snapshot(what map[string]int) map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(map[string]int, len(what))
	for id, n := range what {
		c[id] = n
	}
	return c
}

func (l *load) allDone(inQueue, inNursery int64) {
	l.t.Helper()
	for q, want := range map[*bullmq.Queue]int64{l.queue: inQueue, l.nursery: inNursery} {
		testenv.Eventually(l.t, patience, func() error {
			counts, err := q.Counts(l.t.Context())
			if err == nil && counts[bullmq.StateCompleted] != want {
				err = fmt.Errorf("counts %v, want %d completed", counts, want)
			}
			return err
		}, "all of %s is completed", q.Name())
	}
}

// judge expects that everything ran and that only jobs in flight at the master's end
// may have run twice: not what had finished before, nor what began after it.
func (l *load) judge(finished, begun map[string]int) {
	l.t.Helper()
	repeated := 0
	for _, q := range []*bullmq.Queue{l.queue, l.nursery} {
		all, err := q.Jobs(l.t.Context(), bullmq.JobsOptions{States: []bullmq.State{bullmq.StateCompleted}, OldestFirst: true})
		if err != nil {
			l.t.Fatal(err)
		}
		runs := l.snapshot(l.runs)
		for _, j := range all {
			var result any
			if err := json.Unmarshal(j.ReturnValue, &result); err != nil {
				l.t.Errorf("%s returned %q: %v", j.ID, j.ReturnValue, err)
			}
			switch n := runs[j.ID]; {
			case n == 0:
				l.t.Errorf("%s is completed and never ran", j.ID)
			case j.Name == "parent":
				if result != float64(children) {
					l.t.Errorf("parent %s found the results of %v children", j.ID, result)
				}
			case n > 1:
				repeated++
				if finished[j.ID] > 0 || begun[j.ID] == 0 {
					l.t.Errorf("%s ran %d times; finished before: %v, begun before: %v", j.ID, n, finished[j.ID] > 0, begun[j.ID] > 0)
				}
			}
		}
	}
	l.t.Logf("%d jobs ran more than once", repeated)
}
