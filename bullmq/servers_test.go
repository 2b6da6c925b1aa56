package bullmq_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	miniserver "github.com/alicebob/miniredis/v2/server"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

// changes are calls that would change a furnished queue.
func changes(ctx context.Context, q *bullmq.Queue, job *bullmq.Job) map[string]func() error {
	return map[string]func() error{
		"add":         func() error { return second(q.Add(ctx, "n", nil, bullmq.JobOptions{})) },
		"add several": func() error { return second(q.AddBulk(ctx, []bullmq.JobSpec{{}, {}})) },
		"add a child": func() error {
			return second(q.Add(ctx, "n", nil, bullmq.JobOptions{Parent: &bullmq.ParentRef{ID: "parent", Queue: "bull:q"}}))
		},
		"add a flow": func() error {
			return second(bullmq.AddFlow(ctx, named(q, "f", bullmq.JobOptions{}, named(nil, "g", bullmq.JobOptions{}))))
		},
		"schedule": func() error {
			return second(q.UpsertScheduler(ctx, "s", bullmq.Schedule{Every: time.Hour}, bullmq.JobTemplate{}))
		},
		"remove scheduler":  func() error { return second(q.RemoveScheduler(ctx, "tick")) },
		"remove":            func() error { return q.Remove(ctx, "first", bullmq.RemoveOptions{}) },
		"promote":           func() error { return q.Promote(ctx, "later") },
		"pause":             func() error { return q.Pause(ctx) },
		"drain":             func() error { return q.Drain(ctx, bullmq.DrainOptions{Delayed: true}) },
		"clean":             func() error { return second(q.Clean(ctx, bullmq.StateWaiting, 0, 0)) },
		"obliterate":        func() error { return q.Obliterate(ctx, bullmq.ObliterateOptions{}) },
		"promote all":       func() error { return q.PromoteJobs(ctx) },
		"rate limit":        func() error { return q.RateLimit(ctx, time.Minute) },
		"global rate limit": func() error { return q.SetGlobalRateLimit(ctx, 1, time.Minute) },
		"concurrency":       func() error { return q.SetGlobalConcurrency(ctx, 1) },
		"publish":           func() error { return second(q.Publish(ctx, "x", nil)) },
		"free":              func() error { return second(q.RemoveDeduplicationKey(ctx, "d")) },
		"log":               func() error { return second(job.Log(ctx, "line")) },
		"progress":          func() error { return job.UpdateProgress(ctx, 1) },
		"data":              func() error { return job.UpdateData(ctx, 1) },
		"delay":             func() error { return job.ChangeDelay(ctx, time.Minute) },
		"priority":          func() error { return job.ChangePriority(ctx, 3, bullmq.PriorityOptions{}) },
	}
}

// refuses makes sure that every change ends in one error and changes nothing.
func refuses(t *testing.T, seer *redis.Client, calls map[string]func() error, want error) {
	t.Helper()
	before := keyspace(t, seer)
	for name, call := range calls {
		if err := call(); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if d := cmp.Diff(before, keyspace(t, seer)); d != "" {
		t.Errorf("what is stored has changed:\n%s", d)
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	t.Run("a cancelled context changes nothing", testServersCancelledContext)
	t.Run("a replica accepts no changes", testServersReplica)
	t.Run("a server without memory accepts no changes", testServersMemoryFull)
	t.Run("a user without write permission gets an error", testServersNoPermission)
	t.Run("a server that is too old accepts no changes", testServersTooOld)
	t.Run("a worker survives a server that is not ready", testServersNotReady)
}

func testServersCancelledContext(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q, job := furnished(t, s.rdb)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	refuses(t, s.rdb, changes(ctx, q, job), context.Canceled)
	for range q.Events(ctx, bullmq.EventsOptions{After: "0"}) {
		t.Error("an event was read")
	}
	w := must[*bullmq.Worker](t)(bullmq.NewWorker(s.rdb, "q", func(_ context.Context, j *bullmq.Job) (any, error) {
		t.Errorf("%s was run", j.ID)
		return nil, nil
	}, bullmq.WorkerOptions{}))
	ok(t, w.Run(ctx))
}

func testServersReplica(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	master, replica := realServer(t), realServer(t)
	furnished(t, master.rdb)
	host, port, _ := strings.Cut(master.rdb.Options().Addr, ":")
	ok(t, replica.rdb.ReplicaOf(ctx, host, port).Err())
	testproc.Eventually(t, wait, func() bool { return replica.rdb.Exists(ctx, "bull:q:child").Val() == 1 }, "the replica has the queue")
	q := newQueue(t, replica.rdb, bullmq.QueueOptions{})
	refuses(t, replica.rdb, changes(ctx, q, must[*bullmq.Job](t)(q.Job(ctx, "later"))), bullmq.ErrServerReadOnly)
	ridesOut(t, replica.rdb, bullmq.ErrServerReadOnly, func() { ok(t, replica.rdb.ReplicaOf(ctx, "NO", "ONE").Err()) })
}

// ridesOut makes sure that a worker reports what is wrong with its server, and that it works
// when that is fixed.
func ridesOut(t *testing.T, rdb *redis.Client, want error, fix func()) {
	t.Helper()
	told := make(chan error, 1000)
	start(t, rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, nil }, bullmq.WorkerOptions{
		DrainDelay: 200 * time.Millisecond,
		Hooks:      bullmq.WorkerHooks{OnLost: func(err error) { told <- err }, OnError: func(err error) { told <- err }},
	})
	if err := <-told; !errors.Is(err, want) {
		t.Errorf("the worker says %v, want %v", err, want)
	}
	fix()
	q := newQueue(t, rdb, bullmq.QueueOptions{})
	testproc.Eventually(t, wait, func() error { return second(q.Add(context.Background(), "n", nil, bullmq.JobOptions{ID: "fixed"})) }, "added")
	eventually(t, q, "fixed", bullmq.StateCompleted)
}

func testServersMemoryFull(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := realServer(t)
	q, job := furnished(t, s.rdb)
	ok(t, s.rdb.ConfigSet(ctx, "maxmemory", "1").Err())
	calls := changes(ctx, q, job)
	// What only deletes is possible, and what needs no room.
	for _, name := range []string{"remove scheduler", "remove", "drain", "clean", "obliterate", "pause", "free", "promote", "promote all", "delay", "priority"} {
		delete(calls, name)
	}
	refuses(t, s.rdb, calls, bullmq.ErrServerFull)
	ridesOut(t, s.rdb, bullmq.ErrServerFull, func() { ok(t, s.rdb.ConfigSet(ctx, "maxmemory", "0").Err()) })
}

func testServersNoPermission(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := realServer(t)
	furnished(t, s.rdb)
	acl := func(rules ...any) {
		ok(t, s.rdb.Do(ctx, append([]any{"acl", "setuser", "reader", "on", ">secret"}, rules...)...).Err())
	}
	acl("~*", "&*", "+@all", "-@write")
	rdb := redis.NewClient(&redis.Options{Addr: s.rdb.Options().Addr, Username: "reader", Password: "secret"})
	t.Cleanup(func() { _ = rdb.Close() })
	q := newQueue(t, rdb, bullmq.QueueOptions{})
	job := must[*bullmq.Job](t)(q.Job(ctx, "later"))
	refuses(t, s.rdb, changes(ctx, q, job), bullmq.ErrNoPermission)
	ridesOut(t, rdb, bullmq.ErrNoPermission, func() { acl("+@all") })

	acl("resetkeys", "~bull:other:*")
	if _, err := q.Job(ctx, "later"); !errors.Is(err, bullmq.ErrNoPermission) {
		t.Errorf("reading what is not allowed: %v", err)
	}
	stranger := redis.NewClient(&redis.Options{Addr: s.rdb.Options().Addr, Username: "reader", Password: "wrong"})
	t.Cleanup(func() { _ = stranger.Close() })
	if _, err := newQueue(t, stranger, bullmq.QueueOptions{}).Add(ctx, "n", nil, bullmq.JobOptions{}); !errors.Is(err, bullmq.ErrNoPermission) {
		t.Errorf("with a wrong password: %v", err)
	}
}

func testServersTooOld(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	m := miniredis.RunT(t)
	rdb := client(t, m.Addr())
	furnished(t, rdb)
	m.Server().SetPreHook(func(c *miniserver.Peer, cmd string, _ ...string) bool {
		if cmd == "INFO" {
			c.WriteBulk("redis_version:6.0.16\r\n")
		}
		return cmd == "INFO"
	})
	q := newQueue(t, rdb, bullmq.QueueOptions{}) // which has not asked yet
	job := must[*bullmq.Job](t)(q.Job(ctx, "later"))
	calls := changes(ctx, q, job)
	for _, name := range []string{"rate limit", "global rate limit", "concurrency", "publish", "free"} {
		delete(calls, name) // which every server can
	}
	before := m.Dump()
	for name, call := range calls {
		if err := call(); !errors.Is(err, bullmq.ErrServerTooOld) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d := cmp.Diff(before, m.Dump()); d != "" {
		t.Errorf("what is stored has changed:\n%s", d)
	}
}

// A server may be loading its data, or be unable to save them: neither lasts forever.
func testServersNotReady(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer string
		want   error
	}{
		{"LOADING Redis is loading the dataset in memory", nil},
		{"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk", bullmq.ErrServerFull},
		{"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", nil},
	} {
		t.Run(tt.answer[:4], func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			m := miniredis.RunT(t)
			rdb := client(t, m.Addr())
			q := newQueue(t, rdb, bullmq.QueueOptions{})
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x"}))
			refuse := func(yes bool) {
				m.Server().SetPreHook(func(c *miniserver.Peer, cmd string, _ ...string) bool {
					if yes && strings.HasPrefix(cmd, "EVAL") {
						c.WriteError(tt.answer)
						return true
					}
					return false
				})
			}
			lost, began, let := make(chan error, 1), make(chan struct{}), make(chan struct{})
			start(t, rdb, func(context.Context, *bullmq.Job) (any, error) {
				close(began)
				<-let
				return nil, nil
			}, bullmq.WorkerOptions{Hooks: bullmq.WorkerHooks{OnLost: func(err error) { lost <- err }, OnError: func(err error) { t.Errorf("reported: %v", err) }}})
			<-began
			refuse(true)
			if _, err := q.Add(ctx, "n", nil, bullmq.JobOptions{}); err == nil || (tt.want != nil && !errors.Is(err, tt.want)) {
				t.Errorf("add: %v, want %v", err, tt.want)
			}
			close(let)
			<-lost
			refuse(false)
			eventually(t, q, "x", bullmq.StateCompleted)
		})
	}
}
