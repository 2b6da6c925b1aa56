package bullmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
)

const notText = "a\xffb" // is not UTF-8

// keyspace is all that a Redis holds, by key.
func keyspace(t *testing.T, rdb *redis.Client) map[string]string {
	t.Helper()
	ctx := context.Background()
	all := map[string]string{}
	for _, key := range must[[]string](t)(rdb.Keys(ctx, "*").Result()) {
		if rdb.Type(ctx, key).Val() == "hash" { // whose order changes while it is read
			all[key] = fmt.Sprint(must[map[string]string](t)(rdb.HGetAll(ctx, key).Result()))
			continue
		}
		all[key] = must[string](t)(rdb.Dump(ctx, key).Result())
	}
	return all
}

// furnished is a queue with a job in most states, a scheduler and a deduplication id.
func furnished(t *testing.T, rdb *redis.Client) (q *bullmq.Queue, job *bullmq.Job) {
	t.Helper()
	ctx := context.Background()
	q = newQueue(t, rdb, bullmq.QueueOptions{})
	for _, o := range []bullmq.JobOptions{{ID: "waits", Deduplication: &bullmq.Deduplication{ID: "d"}}, {ID: "first", Priority: 1}, {ID: "later", Delay: time.Hour}} {
		must[*bullmq.Job](t)(q.Add(ctx, "job", nil, o))
	}
	must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "tick", bullmq.Schedule{Every: time.Hour}, bullmq.JobTemplate{}))
	must[*bullmq.FlowNode](t)(bullmq.AddFlow(ctx, named(q, "parent", bullmq.JobOptions{}, named(nil, "child", bullmq.JobOptions{}))))
	job = must[*bullmq.Job](t)(q.Job(ctx, "later"))
	must[int64](t)(job.Log(ctx, "line"))
	return q, job
}

func TestInput(t *testing.T) {
	t.Parallel()
	t.Run("invalid input is refused and changes nothing", testInputInvalid)
	t.Run("invalid settings make no queue or worker", testInputSettings)
	t.Run("odd names work", testInputOddNames)
	t.Run("ids of no job change nothing", testInputIDsOfNoJob)
}

func testInputInvalid(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q, job := furnished(t, s.rdb)
	flow := func(o bullmq.JobOptions) error {
		_, err := bullmq.AddFlow(ctx, named(q, "root", bullmq.JobOptions{}, bullmq.FlowJob{Options: o}))
		return err
	}
	schedule := func(id string, sch bullmq.Schedule, tpl bullmq.JobTemplate) error {
		_, err := q.UpsertScheduler(ctx, id, sch, tpl)
		return err
	}
	children := func(id string, opts bullmq.DependenciesOptions) error {
		return second(q.DependencyPage(ctx, id, opts))
	}
	hourly := bullmq.Schedule{Every: time.Hour}
	tooLate := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	tooMany := math.MaxInt
	raw := func(text string) map[string]json.RawMessage {
		return map[string]json.RawMessage{"mine": json.RawMessage(text)}
	}

	for name, call := range map[string]func() error{
		"adding no JSON":                func() error { _, err := q.Add(ctx, "n", math.NaN(), bullmq.JobOptions{}); return err },
		"adding several, one a channel": func() error { _, err := q.AddBulk(ctx, []bullmq.JobSpec{{}, {Data: make(chan int)}}); return err },
		"adding several, one with a bad id": func() error {
			_, err := q.AddBulk(ctx, []bullmq.JobSpec{{}, {Options: bullmq.JobOptions{ID: "7"}}})
			return err
		},
		"adding with a bad deduplication id": func() error {
			_, err := q.Add(ctx, "n", nil, bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: notText}})
			return err
		},
		"a flow of an id that is no text":     func() error { return flow(bullmq.JobOptions{ID: notText}) },
		"a flow of a queue's own key":         func() error { return flow(bullmq.JobOptions{ID: "meta"}) },
		"a flow of jobs below themselves":     func() error { return flow(bullmq.JobOptions{ID: "root"}) },
		"a flow whose root is below its leaf": func() error { return rootBelow(ctx, q, "leaf") },
		"a flow with a name that is no text":  func() error { _, err := bullmq.AddFlow(ctx, bullmq.FlowJob{Queue: q, Name: notText}); return err },
		"a flow with data that are no text": func() error {
			_, err := bullmq.AddFlow(ctx, bullmq.FlowJob{Queue: q, Data: json.RawMessage(`"` + notText + `"`)})
			return err
		},
		"a flow under a queue's own key":  func() error { return rootBelow(ctx, q, "meta") },
		"a flow with too many attempts":   func() error { return flow(bullmq.JobOptions{Attempts: tooMany}) },
		"a flow that keeps too many":      func() error { return flow(bullmq.JobOptions{RemoveOnFail: &bullmq.Keep{Count: tooMany}}) },
		"a flow with too long traces":     func() error { return flow(bullmq.JobOptions{StackTraceLimit: &tooMany}) },
		"a flow with a jitter of nothing": func() error { return flow(bullmq.JobOptions{Backoff: &bullmq.Backoff{Jitter: math.NaN()}}) },
		"a flow made too late":            func() error { return flow(bullmq.JobOptions{Timestamp: tooLate}) },
		"a flow due too late":             func() error { return flow(bullmq.JobOptions{Timestamp: tooLate.Add(-time.Hour), Delay: time.Hour}) },
		"a flow with an option twice": func() error {
			return flow(bullmq.JobOptions{Extra: map[string]json.RawMessage{"attempts": json.RawMessage("3")}})
		},
		"a flow with an extra that is no text": func() error { return flow(bullmq.JobOptions{Extra: raw(`"` + notText + `"`)}) },

		"a scheduler whose id is no text":       func() error { return schedule(notText, hourly, bullmq.JobTemplate{}) },
		"a scheduler of a name that is no text": func() error { return schedule("s", hourly, bullmq.JobTemplate{Name: notText}) },
		"a scheduler of data that are no JSON":  func() error { return schedule("s", hourly, bullmq.JobTemplate{Data: func() {}}) },
		"a scheduler of data that are no text": func() error {
			return schedule("s", hourly, bullmq.JobTemplate{Data: json.RawMessage(`"` + notText + `"`)})
		},
		"a scheduler with too many attempts": func() error {
			return schedule("s", hourly, bullmq.JobTemplate{Options: bullmq.JobOptions{Attempts: tooMany}})
		},
		"a scheduler of a zone nobody knows": func() error {
			return schedule("s", bullmq.Schedule{Pattern: "@daily", TZ: "Mars/Olympus"}, bullmq.JobTemplate{})
		},
		"a scheduler that starts too late": func() error {
			return schedule("s", bullmq.Schedule{Every: time.Hour, Start: tooLate}, bullmq.JobTemplate{})
		},
		"a scheduler with too high a limit": func() error {
			return schedule("s", bullmq.Schedule{Every: time.Hour, Limit: tooMany}, bullmq.JobTemplate{})
		},
		"a scheduler whose times are drawn": func() error { return schedule("s", bullmq.Schedule{Pattern: "H H(1-5) * * *"}, bullmq.JobTemplate{}) },
		"a scheduler with a pattern without end": func() error {
			return schedule("s", bullmq.Schedule{Pattern: strings.Repeat("1,", 5000) + "2 * * * *"}, bullmq.JobTemplate{})
		},

		"removing the queue's settings":      func() error { return q.Remove(ctx, "meta", bullmq.RemoveOptions{}) },
		"removing the line":                  func() error { return q.Remove(ctx, "wait", bullmq.RemoveOptions{Children: true}) },
		"removing a scheduler as a job":      func() error { return q.Remove(ctx, "repeat:tick", bullmq.RemoveOptions{}) },
		"removing a log as a job":            func() error { return q.Remove(ctx, "later:logs", bullmq.RemoveOptions{}) },
		"removing a deduplication id":        func() error { return q.Remove(ctx, "de:d", bullmq.RemoveOptions{}) },
		"retrying what is no job":            func() error { return q.Retry(ctx, "events", bullmq.RetryOptions{}) },
		"promoting what is no job":           func() error { return q.Promote(ctx, "delayed") },
		"reading what is no job":             func() error { _, err := q.Job(ctx, "meta"); return err },
		"reading a tree of what is no job":   func() error { _, err := q.Flow(ctx, "parent:dependencies", bullmq.FlowLimits{}); return err },
		"reading a tree of no depth":         func() error { _, err := q.Flow(ctx, "parent", bullmq.FlowLimits{Depth: -1}); return err },
		"reading less than no children":      func() error { return children("p", bullmq.DependenciesOptions{Limit: -1}) },
		"reading children before the first":  func() error { return children("p", bullmq.DependenciesOptions{Offset: -1}) },
		"reading children of no kind":        func() error { return children("p", bullmq.DependenciesOptions{Kind: 9}) },
		"reading children of what is no job": func() error { return children("meta", bullmq.DependenciesOptions{}) },
		"reading jobs of no state": func() error {
			_, err := q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{"stuck"}, OldestFirst: true})
			return err
		},
		"reading jobs before the first":       func() error { return second(q.Jobs(ctx, bullmq.JobsOptions{Offset: -1})) },
		"reading less than no jobs":           func() error { return second(q.Jobs(ctx, bullmq.JobsOptions{Limit: -1})) },
		"reading too many jobs":               func() error { return second(q.Jobs(ctx, bullmq.JobsOptions{Limit: math.MaxInt64})) },
		"reading schedulers before the first": func() error { return second(q.Schedulers(ctx, bullmq.SchedulersOptions{Offset: -1})) },
		"reading all jobs of no state": func() error {
			for job, err := range q.AllJobs(ctx, "stuck") {
				return errors.Join(err, fmt.Errorf("job %v", job))
			}
			return nil
		},
		"reading less than no log":            func() error { _, _, err := q.Logs(ctx, "later", bullmq.LogsOptions{Limit: -1}); return err },
		"reading metrics of no outcome":       func() error { _, err := q.Metrics(ctx, bullmq.StateActive, 0, -1); return err },
		"counting a priority there is not":    func() error { _, err := q.CountsPerPriority(ctx, bullmq.MaxPriority+1); return err },
		"retrying jobs that wait":             func() error { return q.RetryJobs(ctx, bullmq.StateWaiting, time.Time{}) },
		"retrying what failed too late":       func() error { return q.RetryJobs(ctx, bullmq.StateFailed, tooLate) },
		"cleaning no state":                   func() error { _, err := q.Clean(ctx, "", 0, 0); return err },
		"cleaning less than nothing":          func() error { _, err := q.Clean(ctx, bullmq.StateFailed, 0, -1); return err },
		"cleaning the future":                 func() error { _, err := q.Clean(ctx, bullmq.StateFailed, -time.Hour, 0); return err },
		"removing a negative number":          func() error { _, err := q.RemoveOrphanedJobs(ctx, -1); return err },
		"a rate limit of half a millisecond":  func() error { return q.RateLimit(ctx, 500*time.Microsecond) },
		"a global rate limit below zero":      func() error { return q.SetGlobalRateLimit(ctx, -1, time.Second) },
		"a global rate limit of no time":      func() error { return q.SetGlobalRateLimit(ctx, 1, 0) },
		"a global concurrency below zero":     func() error { return q.SetGlobalConcurrency(ctx, -1) },
		"an event without a name":             func() error { _, err := q.Publish(ctx, "", nil); return err },
		"an event with a name of the queue's": func() error { _, err := q.Publish(ctx, bullmq.EventCompleted, nil); return err },
		"an event with a field readers set":   func() error { _, err := q.Publish(ctx, "x", map[string]string{"id": "1"}); return err },
		"a delay below zero":                  func() error { return job.ChangeDelay(ctx, -time.Second) },
		"a priority below zero":               func() error { return job.ChangePriority(ctx, -1, bullmq.PriorityOptions{}) },
		"a priority that is too high":         func() error { return job.ChangePriority(ctx, bullmq.MaxPriority+1, bullmq.PriorityOptions{}) },
		"progress that is no JSON":            func() error { return job.UpdateProgress(ctx, math.Inf(1)) },
		"progress that is no text":            func() error { return job.UpdateProgress(ctx, json.RawMessage(`"`+notText+`"`)) },
		"data that is no JSON":                func() error { return job.UpdateData(ctx, json.RawMessage(`{`)) },
		"data that is a channel":              func() error { return job.UpdateData(ctx, make(chan int)) },
	} {
		t.Run(name, func(t *testing.T) {
			before := keyspace(t, s.rdb)
			if err := call(); !errors.Is(err, bullmq.ErrInvalid) {
				t.Errorf("got %v, want ErrInvalid", err)
			}
			if d := cmp.Diff(before, keyspace(t, s.rdb)); d != "" {
				t.Errorf("what is stored has changed:\n%s", d)
			}
		})
	}
}

// rootBelow adds a flow whose root is a child of the job with that id.
func rootBelow(ctx context.Context, q *bullmq.Queue, id string) error {
	o := bullmq.JobOptions{Parent: &bullmq.ParentRef{ID: id, Queue: q.QualifiedName()}}
	_, err := bullmq.AddFlow(ctx, named(q, "root", o, named(nil, "leaf", bullmq.JobOptions{})))
	return err
}

func testInputSettings(t *testing.T) {
	t.Parallel()
	rdb := client(t, "127.0.0.1:1")
	h := func(context.Context, *bullmq.Job) (any, error) { return nil, nil }
	var none *redis.Client
	var noCluster *redis.ClusterClient
	type Q = bullmq.QueueOptions
	type W = bullmq.WorkerOptions
	queue := func(rdb redis.UniversalClient, name string, o Q) error {
		_, err := bullmq.NewQueue(rdb, name, o)
		return err
	}
	worker := func(h bullmq.Handler, o W) error { _, err := bullmq.NewWorker(rdb, "q", h, o); return err }
	ring := redis.NewRing(&redis.RingOptions{})
	t.Cleanup(func() { _ = ring.Close() })

	for name, err := range map[string]error{
		"no client":                               queue(nil, "q", Q{}),
		"a client that is nil":                    queue(none, "q", Q{}),
		"a cluster that is nil":                   queue(noCluster, "q", Q{}),
		"an empty name":                           queue(rdb, "", Q{}),
		"a name with a colon":                     queue(rdb, "a:b", Q{}),
		"a name that is no text":                  queue(rdb, notText, Q{}),
		"a prefix that is no text":                queue(rdb, "q", Q{Prefix: notText}),
		"a negative number of events":             queue(rdb, "q", Q{MaxEvents: -1}),
		"too many events":                         queue(rdb, "q", Q{MaxEvents: math.MaxInt64}),
		"a pause mode there is not":               queue(rdb, "q", Q{Pause: 3}),
		"defaults that are refused":               queue(rdb, "q", Q{DefaultJobOptions: bullmq.JobOptions{Attempts: -1}}),
		"one id for all jobs":                     queue(rdb, "q", Q{DefaultJobOptions: bullmq.JobOptions{ID: "x"}}),
		"one time for all jobs":                   queue(rdb, "q", Q{DefaultJobOptions: bullmq.JobOptions{Timestamp: time.Now()}}),
		"no handler":                              worker(nil, W{}),
		"a worker without a client":               second(bullmq.NewWorker(none, "q", h, W{})),
		"a worker with a ring":                    second(bullmq.NewWorker(ring, "q", h, W{})),
		"a worker of a bad queue":                 second(bullmq.NewWorker(rdb, "", h, W{})),
		"a name with a space":                     worker(h, W{Name: "a b"}),
		"a name with a letter of Redis's no list": worker(h, W{Name: "wörker"}),
		"a name with a zero byte":                 worker(h, W{Name: "a\x00b"}),
		"negative concurrency":                    worker(h, W{Concurrency: -1}),
		"a lock of no time":                       worker(h, W{LockDuration: time.Microsecond}),
		"a negative interval":                     worker(h, W{StalledInterval: -1}),
		"a wait that is too short":                worker(h, W{DrainDelay: 1}),
		"a wait that never ends":                  worker(h, W{DrainDelay: math.MaxInt64}),
		"a negative rest":                         worker(h, W{MaxRateLimitDelay: -1}),
		"negative starts":                         worker(h, W{MaxStartedAttempts: -1}),
		"a lock renewed too late":                 worker(h, W{LockDuration: time.Second, LockRenewal: 2 * time.Second}),
		"a lock renewed all the time":             worker(h, W{LockRenewal: time.Millisecond}),
		"stalls that exclude one another":         worker(h, W{FailOnFirstStall: true, MaxStalledCount: 2}),
		"negative metrics":                        worker(h, W{MetricsPoints: -1}),
		"a limiter of none":                       worker(h, W{Limiter: &bullmq.Limiter{Duration: time.Second}}),
		"a limiter of no time":                    worker(h, W{Limiter: &bullmq.Limiter{Max: 1}}),
		"a strategy whose name is taken":          worker(h, W{Backoffs: map[string]bullmq.BackoffFunc{"fixed": func(int, bullmq.Backoff, error, *bullmq.Job) time.Duration { return 0 }}}),
		"a strategy that is nil":                  worker(h, W{Backoffs: map[string]bullmq.BackoffFunc{"mine": nil}}),
		"a negative number to keep":               worker(h, W{RemoveOnComplete: &bullmq.Keep{Count: -1}}),
		"a worker's pause mode":                   worker(h, W{Pause: -1}),
	} {
		if !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// What looks odd but has a meaning works as anything else does.
func testInputOddNames(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const prefix, name, id = "a b:{x}\n", "{q} é\n\x00*", "é {\n\x00}"
	q := must[*bullmq.Queue](t)(bullmq.NewQueue(s.rdb, name, bullmq.QueueOptions{Prefix: prefix}))
	long := strings.Repeat("x", 100_000)
	must[*bullmq.Job](t)(q.Add(ctx, "n\n", nil, bullmq.JobOptions{ID: id, Deduplication: &bullmq.Deduplication{ID: "a:b\n"}}))
	must[*bullmq.Job](t)(q.Add(ctx, long, nil, bullmq.JobOptions{ID: long}))
	twice := must[[]*bullmq.Job](t)(q.AddBulk(ctx, []bullmq.JobSpec{{Options: bullmq.JobOptions{ID: "same"}}, {Options: bullmq.JobOptions{ID: "same"}}}))
	if twice[0].Existed || !twice[1].Existed {
		t.Errorf("of two jobs with one id: %+v, %+v", twice[0], twice[1])
	}
	must[*bullmq.Job](t)(q.UpsertScheduler(ctx, "a:b c\n", bullmq.Schedule{Every: time.Hour, Limit: 1}, bullmq.JobTemplate{}))
	ran := make(chan string, 4)
	w := must[*bullmq.Worker](t)(bullmq.NewWorker(s.rdb, name, func(_ context.Context, j *bullmq.Job) (any, error) {
		ran <- j.ID
		return nil, nil
	}, bullmq.WorkerOptions{Prefix: prefix, Name: "named", Grace: math.MaxInt64}))
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var ids []string
	for range 4 {
		ids = append(ids, <-ran)
	}
	cancel()
	ok(t, <-done)
	if ids[0] != id || ids[1] != long || ids[2] != "same" || !strings.HasPrefix(ids[3], "repeat:a:b c\n:") {
		t.Errorf("%.40q were run", ids)
	}
	if state := must[bullmq.State](t)(q.State(context.Background(), id)); state != bullmq.StateCompleted {
		t.Errorf("it is %s", state)
	}
}

func testInputIDsOfNoJob(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q, _ := furnished(t, s.rdb)
	before := keyspace(t, s.rdb)
	for _, id := range []string{"", "7", "gone", "a:b", "é\n\x00", notText, strings.Repeat("x", 100_000)} {
		if _, err := q.Job(ctx, id); !errors.Is(err, bullmq.ErrJobNotFound) {
			t.Errorf("reading %.20q: %v", id, err)
		}
		if err := q.Retry(ctx, id, bullmq.RetryOptions{}); !errors.Is(err, bullmq.ErrJobNotFound) {
			t.Errorf("retrying %.20q: %v", id, err)
		}
		if err := q.Promote(ctx, id); !errors.Is(err, bullmq.ErrJobNotFound) {
			t.Errorf("promoting %.20q: %v", id, err)
		}
		if state, err := q.State(ctx, id); err != nil || state != bullmq.StateUnknown {
			t.Errorf("the state of %.20q: %s, %v", id, state, err)
		}
		ok(t, q.Remove(ctx, id, bullmq.RemoveOptions{Children: true}))
		if removed, err := q.RemoveScheduler(ctx, id); err != nil || removed {
			t.Errorf("removing scheduler %.20q: %v, %v", id, removed, err)
		}
		if _, err := q.Scheduler(ctx, id); !errors.Is(err, bullmq.ErrSchedulerNotFound) {
			t.Errorf("reading scheduler %.20q: %v", id, err)
		}
		if removed, err := q.RemoveDeduplicationKey(ctx, id); err != nil || removed {
			t.Errorf("freeing %.20q: %v, %v", id, removed, err)
		}
		if lines, n, err := q.Logs(ctx, id, bullmq.LogsOptions{}); err != nil || n != 0 || len(lines) != 0 {
			t.Errorf("the logs of %.20q: %v, %d, %v", id, lines, n, err)
		}
	}
	if d := cmp.Diff(before, keyspace(t, s.rdb)); d != "" {
		t.Errorf("what is stored has changed:\n%s", d)
	}
}
