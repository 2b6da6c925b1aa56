package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	miniserver "github.com/alicebob/miniredis/v2/server"
	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
	"schoolbell/bullmq/redistest"
	"schoolbell/bullmq/testproc"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx, clock := context.Background(), newSteps()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: clock.time})
		start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{
			Clock: clock.time, MetricsPoints: 3, DrainDelay: 20 * time.Millisecond,
		})
		var done int64
		finish := func(n int) {
			for range n {
				must[*bullmq.Job](t)(q.Add(ctx, "job", nil, bullmq.JobOptions{}))
				done++
				testproc.Eventually(t, wait, func() bool { return s.rdb.ZCard(ctx, "bull:q:completed").Val() == done }, "the job has run")
			}
		}
		finish(3)
		clock.set(frozen.Add(3 * time.Minute)) // the point of the three comes with the next job
		finish(2)
		got := must[*bullmq.Metrics](t)(q.Metrics(ctx, bullmq.StateCompleted, 0, -1))
		want := &bullmq.Metrics{Count: 5, Points: []int64{0, 0, 3}, Kept: 3, Until: frozen.Add(3 * time.Minute), CountThen: 3}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if none := must[*bullmq.Metrics](t)(q.Metrics(ctx, bullmq.StateFailed, 0, -1)); none.Count != 0 || len(none.Points) != 0 {
			t.Errorf("failed: %+v", none)
		}
		if _, err := q.Metrics(ctx, bullmq.StateActive, 0, -1); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("active: %v", err)
		}
	})
}

func TestCountsPerPriority(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		for _, p := range []int{0, 1, 1, 2, 0, 0, bullmq.MaxPriority} {
			must[*bullmq.Job](t)(q.Add(ctx, "job", nil, bullmq.JobOptions{Priority: p}))
		}
		ok(t, s.rdb.LPush(ctx, "bull:q:paused", "of-bullmq-5").Err())
		got := must[map[int]int64](t)(q.CountsPerPriority(ctx, 0, 1, 2, 3, 1, bullmq.MaxPriority))
		if diff := cmp.Diff(map[int]int64{0: 4, 1: 2, 2: 1, 3: 0, bullmq.MaxPriority: 1}, got); diff != "" {
			t.Error(diff)
		}
		if _, err := q.CountsPerPriority(ctx, -1); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("a negative one: %v", err)
		}
	})
}

func TestMeta(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{MaxEvents: 500})
		if diff := cmp.Diff(&bullmq.Meta{}, must[*bullmq.Meta](t)(q.Meta(ctx))); diff != "" {
			t.Errorf("a new queue: %s", diff)
		}
		ok(t, s.rdb.HSet(ctx, "bull:q:meta", "version", "bullmq:6.7.0").Err())
		must[*bullmq.Job](t)(q.Add(ctx, "job", nil, bullmq.JobOptions{}))
		ok(t, q.SetGlobalConcurrency(ctx, 1))
		ok(t, q.SetGlobalRateLimit(ctx, 10, time.Second))
		if must[bool](t)(q.IsMaxed(ctx)) {
			t.Error("it is at its limit with nothing being run")
		}
		ok(t, s.rdb.LPush(ctx, "bull:q:active", "1").Err())
		if !must[bool](t)(q.IsMaxed(ctx)) {
			t.Error("it is not at its limit with one job being run")
		}
		ok(t, q.Pause(ctx))
		want := &bullmq.Meta{
			Version: "bullmq:6.7.0", MaxEvents: 500, Paused: true, Concurrency: 1, RateLimit: &bullmq.Limiter{Max: 10, Duration: time.Second},
		}
		if diff := cmp.Diff(want, must[*bullmq.Meta](t)(q.Meta(ctx))); diff != "" {
			t.Error(diff)
		}
		n, per, err := q.GlobalRateLimit(ctx)
		if n != 10 || per != time.Second || err != nil || must[int](t)(q.GlobalConcurrency(ctx)) != 1 || must[string](t)(q.Version(ctx)) != "bullmq:6.7.0" {
			t.Errorf("limit %d per %v, %v", n, per, err)
		}
	})
}

func TestWorkerList(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	idle := func(context.Context, *bullmq.Job) (any, error) { return nil, nil }
	busy := make(chan struct{})
	must[*bullmq.Job](t)(q.Add(ctx, "long", nil, bullmq.JobOptions{}))
	start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { <-busy; return nil, nil }, bullmq.WorkerOptions{})
	t.Cleanup(func() { close(busy) }) // before the worker is stopped
	stop := start(t, s.rdb, idle, bullmq.WorkerOptions{Name: "wk1"})
	names := func() (names []string) {
		workers, err := q.Workers(ctx)
		ok(t, err)
		for _, w := range workers {
			if w.Addr == "" || w.ConnectionID == 0 {
				t.Errorf("a worker is %+v", w)
			}
			names = append(names, w.Name)
		}
		slices.Sort(names)
		return names
	}
	testproc.Eventually(t, wait, func() bool { return slices.Equal(names(), []string{"", "wk1"}) }, "both are listed")
	stop()
	testproc.Eventually(t, wait, func() bool { return slices.Equal(names(), []string{""}) }, "the one that stopped is not")
	other, err := bullmq.NewQueue(s.rdb, "other", bullmq.QueueOptions{})
	ok(t, err)
	if workers := must[[]bullmq.WorkerInfo](t)(other.Workers(ctx)); len(workers) != 0 {
		t.Errorf("another queue has %v", workers)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	t.Run("published events reach readers", testEventsPublished)
	t.Run("an event carries its details", testEventsDetails)
}

func testEventsPublished(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{MaxEvents: 100})
		first := must[string](t)(q.Publish(ctx, "tick", map[string]string{"jobId": "7", "note": "a"}))
		must[string](t)(q.Publish(ctx, "tock", nil))
		var seen []bullmq.Event
		for e, err := range q.Events(ctx, bullmq.EventsOptions{After: "0"}) {
			ok(t, err)
			if seen = append(seen, e); len(seen) == 2 {
				break
			}
		}
		want := bullmq.Event{ID: first, Name: "tick", JobID: "7", Fields: map[string]string{"note": "a"}}
		if diff := cmp.Diff(want, seen[0]); diff != "" || seen[1].Name != "tock" || time.Since(seen[0].Time()) > time.Hour {
			t.Errorf("%v %s", seen, diff)
		}
		for range 600 {
			must[string](t)(q.Publish(ctx, "many", nil))
		}
		if n := s.rdb.XLen(ctx, "bull:q:events").Val(); n > 400 {
			t.Errorf("%d events are kept", n)
		}
		for name, fields := range map[string]map[string]string{"": nil, "completed": nil, "own": {"event": "x"}, "mine": {"id": "1"}} {
			if _, err := q.Publish(ctx, name, fields); !errors.Is(err, bullmq.ErrInvalid) {
				t.Errorf("event %q with %v: %v", name, fields, err)
			}
		}
	})
}

func testEventsDetails(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		now := time.UnixMilli(1_795_000_000_000).UTC()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: func() time.Time { return now }})
		good := must[*bullmq.Job](t)(q.Add(ctx, "good", nil, bullmq.JobOptions{}))
		must[*bullmq.Job](t)(q.Add(ctx, "bad", nil, bullmq.JobOptions{}))
		must[*bullmq.Job](t)(q.Add(ctx, "late", nil, bullmq.JobOptions{Delay: time.Hour}))
		start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			if j.Name == "bad" {
				return nil, errors.New("no")
			}
			return "yes", j.UpdateProgress(ctx, 50)
		}, bullmq.WorkerOptions{Clock: func() time.Time { return now }})
		var told []string
		for e, err := range q.Events(ctx, bullmq.EventsOptions{After: "0"}) {
			ok(t, err)
			switch e.Name {
			case bullmq.EventCompleted:
				told = append(told, fmt.Sprint(e.JobID == good.ID, string(e.ReturnValue()), e.Prev()))
			case bullmq.EventProgress:
				told = append(told, string(e.Progress()))
			case bullmq.EventFailed:
				told = append(told, e.FailedReason())
			case bullmq.EventDelayed:
				told = append(told, e.Due().Sub(now).String())
			}
			if len(told) == 4 {
				break
			}
		}
		slices.Sort(told)
		if diff := cmp.Diff([]string{"1h0m0s", "50", "no", `true"yes"active`}, told); diff != "" {
			t.Error(diff)
		}
		for _, err := range q.Events(ctx, bullmq.EventsOptions{After: "yesterday"}) {
			if !errors.Is(err, bullmq.ErrInvalid) {
				t.Errorf("reading after yesterday: %v", err)
			}
		}
	})
}

func TestRemoveOrphanedJobs(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		// The prefix holds what would be a pattern.
		q, err := bullmq.NewQueue(s.rdb, "q", bullmq.QueueOptions{Prefix: "b[u]l*"})
		ok(t, err)
		p := "b[u]l*:q:"
		for _, state := range []bullmq.JobOptions{{ID: "waits"}, {ID: "first", Priority: 1}, {ID: "later", Delay: time.Hour}} {
			must[*bullmq.Job](t)(q.Add(ctx, "job", nil, state))
		}
		for _, id := range []string{"lost-a", "lost-b", "running"} {
			must[*bullmq.Job](t)(q.Add(ctx, "job", nil, bullmq.JobOptions{ID: id, Deduplication: &bullmq.Deduplication{ID: id}}))
			ok(t, s.rdb.LRem(ctx, p+"wait", 0, id).Err())
		}
		ok(t, s.rdb.RPush(ctx, p+"lost-a:logs", "line").Err())
		ok(t, s.rdb.Set(ctx, p+"running:lock", "token", 0).Err())
		// Of two jobs only other keys are left; one of them still waits.
		for _, key := range []string{"gone:lock", "gone:processed", "gone:unsuccessful", "ghost:logs"} {
			ok(t, s.rdb.Set(ctx, p+key, "x", 0).Err())
		}
		ok(t, s.rdb.LPush(ctx, p+"wait", "ghost").Err())
		for _, key := range []string{"metrics:failed", "dn:failed", "repeat:failed", "other:name", "de:lock"} { // of no job
			ok(t, s.rdb.HSet(ctx, p+key, "name", "x").Err())
		}
		ok(t, s.rdb.HSet(ctx, "bull:q:elsewhere", "name", "x").Err())
		before := s.rdb.DBSize(ctx).Val()
		if one := must[[]string](t)(q.RemoveOrphanedJobs(ctx, 1)); len(one) != 1 {
			t.Errorf("up to one: %v", one)
		}
		rest := must[[]string](t)(q.RemoveOrphanedJobs(ctx, 0))
		if len(rest) != 3 {
			t.Errorf("the rest: %v", rest)
		}
		// Three jobs, three deduplication ids, a log, a lock, and what was left of a fourth job.
		if gone := before - s.rdb.DBSize(ctx).Val(); gone != 11 {
			t.Errorf("%d keys are gone, left are %v", gone, s.rdb.Keys(ctx, "*").Val())
		}
		ok(t, s.rdb.Del(ctx, p+"delayed").Err())
		ok(t, s.rdb.Set(ctx, p+"completed", "x", 0).Err())
		if some, err := q.RemoveOrphanedJobs(ctx, 0); !errors.Is(err, bullmq.ErrDamagedKey) || len(some) > 0 {
			t.Errorf("while a set is damaged: %v, %v", some, err)
		}
	})
}

func TestCheckServer(t *testing.T) {
	t.Parallel()
	t.Run("a replica is reported as read-only", testCheckServerReplica)
	t.Run("version and settings are checked", testCheckServerSettings)
}

func testCheckServerReplica(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	master, replica := redistest.Start(t, redistest.Options{}), redistest.Start(t, redistest.Options{})
	rdb := client(t, replica.Addr)
	q := newQueue(t, rdb, bullmq.QueueOptions{})
	host, port, _ := strings.Cut(master.Addr, ":")
	ok(t, rdb.ReplicaOf(ctx, host, port).Err())
	info, err := q.CheckServer(ctx)
	if !errors.Is(err, bullmq.ErrServerReadOnly) || !info.Replica {
		t.Errorf("the server is %+v, %v", info, err)
	}
	if _, err := q.Add(ctx, "job", nil, bullmq.JobOptions{}); !errors.Is(err, bullmq.ErrServerReadOnly) {
		t.Errorf("add: %v", err)
	}
	if _, err := q.AddBulk(ctx, []bullmq.JobSpec{{Name: "a"}, {Name: "b"}}); !errors.Is(err, bullmq.ErrServerReadOnly) {
		t.Errorf("add many: %v", err)
	}
	if n := rdb.DBSize(ctx).Val(); n != 0 {
		t.Errorf("%d keys were written", n)
	}
}

func testCheckServerSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, info string
		want       error
		warnings   int
	}{
		{"new and careful", "redis_version:7.2.4\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n", nil, 0},
		{"just new enough", "redis_version:6.2.0\r\n", nil, 0},
		{"too old", "redis_version:6.0.16\r\nrole:master\r\n", bullmq.ErrServerTooOld, 0},
		{"much too old", "redis_version:4.0\r\n", bullmq.ErrServerTooOld, 0},
		{"forgetful", "redis_version:8.0.0\r\nmaxmemory_policy:allkeys-lru\r\n", nil, 1},
		{"a replica that takes changes", "redis_version:7.0.0\r\nrole:slave\r\nslave_read_only:0\r\n", nil, 0},
		{"silent", "", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := miniredis.RunT(t)
			m.Server().SetPreHook(func(c *miniserver.Peer, cmd string, _ ...string) bool {
				if cmd == "INFO" {
					c.WriteBulk(tt.info)
				}
				return cmd == "INFO"
			})
			rdb := client(t, m.Addr())
			info, err := newQueue(t, rdb, bullmq.QueueOptions{}).CheckServer(context.Background())
			if !errors.Is(err, tt.want) || len(info.Warnings) != tt.warnings {
				t.Errorf("it is %+v, %v", info, err)
			}
			if tt.want == nil {
				return
			}
			w, err := bullmq.NewWorker(rdb, "q", func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{})
			ok(t, err)
			if err := w.Run(context.Background()); !errors.Is(err, tt.want) {
				t.Errorf("a worker: %v", err)
			}
		})
	}
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		s := realServer(t)
		info, err := newQueue(t, s.rdb, bullmq.QueueOptions{}).CheckServer(context.Background())
		if err != nil || info.Version == "" || info.EvictionPolicy != "noeviction" || info.Replica {
			t.Errorf("it is %+v, %v", info, err)
		}
	})
}
