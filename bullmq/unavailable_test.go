package bullmq_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	miniserver "github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/bullmq/redistest"
	"schoolbell/bullmq/testproc"
)

// reads are calls that look at a furnished queue, or change it by plain commands.
func reads(ctx context.Context, q *bullmq.Queue, job *bullmq.Job) map[string]func() error {
	return map[string]func() error{
		"job":               func() error { return second(q.Job(ctx, "later")) },
		"state":             func() error { return second(q.State(ctx, "later")) },
		"counts":            func() error { return second(q.Counts(ctx)) },
		"jobs":              func() error { return second(q.Jobs(ctx, bullmq.JobsOptions{OldestFirst: true})) },
		"flow":              func() error { return second(q.Flow(ctx, "parent", bullmq.FlowLimits{})) },
		"metrics":           func() error { return second(q.Metrics(ctx, bullmq.StateFailed, 0, -1)) },
		"meta":              func() error { return second(q.Meta(ctx)) },
		"version":           func() error { return second(q.Version(ctx)) },
		"per priority":      func() error { return second(q.CountsPerPriority(ctx, 1)) },
		"holder of an id":   func() error { return second(q.DeduplicationJobID(ctx, "d")) },
		"is paused":         func() error { return second(q.IsPaused(ctx)) },
		"is maxed":          func() error { return second(q.IsMaxed(ctx)) },
		"concurrency read":  func() error { return second(q.GlobalConcurrency(ctx)) },
		"rate limit TTL":    func() error { return second(q.RateLimitTTL(ctx, bullmq.RateLimitTTLOptions{})) },
		"scheduler":         func() error { return second(q.Scheduler(ctx, "tick")) },
		"schedulers":        func() error { return second(q.Schedulers(ctx, bullmq.SchedulersOptions{})) },
		"schedulers number": func() error { return second(q.SchedulerCount(ctx)) },
		"workers":           func() error { return second(q.Workers(ctx)) },
		"server":            func() error { return second(q.CheckServer(ctx)) },
		"orphans":           func() error { return second(q.RemoveOrphanedJobs(ctx, 0)) },
		"damaged keys":      func() error { return second(q.RenameDamaged(ctx)) },
		"trim":              func() error { return second(q.TrimEvents(ctx, 10)) },
		"no rate limit":     func() error { return q.ClearRateLimit(ctx) },
		"resume":            func() error { return q.Resume(ctx) },
		"wait":              func() error { return second(q.WaitUntilFinished(ctx, "later")) },
		"clear logs":        func() error { return job.ClearLogs(ctx, 1) },
		"values":            func() error { return second(job.ChildrenValues(ctx)) },
		"ignored failures":  func() error { return second(job.IgnoredChildrenFailures(ctx)) },
		"children counted":  func() error { return second(job.DependencyCounts(ctx)) },
		"children removed":  func() error { return job.RemoveUnprocessedChildren(ctx) },
		"children":          func() error { return second(q.DependencyPage(ctx, "parent", bullmq.DependenciesOptions{})) },
		"logs": func() error {
			_, _, err := q.Logs(ctx, "later", bullmq.LogsOptions{})
			return err
		},
		"global limit": func() error {
			_, _, err := q.GlobalRateLimit(ctx)
			return err
		},
		"events": func() error {
			for _, err := range q.Events(ctx, bullmq.EventsOptions{After: "0"}) {
				return err
			}
			return ctx.Err()
		},
	}
}

// everything is all calls of a furnished queue.
func everything(ctx context.Context, q *bullmq.Queue, job *bullmq.Job) map[string]func() error {
	calls := reads(ctx, q, job)
	maps.Copy(calls, changes(ctx, q, job))
	return calls
}

// unavailable makes sure that each call ends in ErrUnavailable.
func unavailable(t *testing.T, calls map[string]func() error) {
	t.Helper()
	for name, call := range calls {
		if err := call(); !errors.Is(err, bullmq.ErrUnavailable) {
			t.Errorf("%s: %v, which is not ErrUnavailable", name, err)
		}
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	t.Run("a server that replies with an error is unavailable", testUnavailableErrorReply)
	t.Run("a server that does not answer is unavailable", testUnavailableNoAnswer)
	t.Run("a pool without a free connection is unavailable", testUnavailablePool)
	t.Run("a busy or cut-off server is unavailable", testUnavailableRealServer)
	t.Run("an ended context does not count", testUnavailableEndedContext)
	t.Run("other errors do not count", testUnavailableOtherErrors)
	t.Run("OnLost gets the error", testUnavailableOnLost)
}

func testUnavailableErrorReply(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]error{
		"LOADING Redis is loading the dataset in memory":                                                                     bullmq.ErrUnavailable,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                                   bullmq.ErrUnavailable,
		"CLUSTERDOWN The cluster is down":                                                                                    bullmq.ErrUnavailable,
		"TRYAGAIN Multiple keys request during rehashing of slot":                                                            bullmq.ErrUnavailable,
		"NOREPLICAS Not enough good replicas to write.":                                                                      bullmq.ErrUnavailable,
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.":                             bullmq.ErrUnavailable,
		"UNKILLABLE Sorry the script already executed write commands against the dataset.":                                   bullmq.ErrUnavailable,
		"ERR max number of clients reached":                                                                                  bullmq.ErrUnavailable,
		"READONLY You can't write against a read only replica.":                                                              bullmq.ErrServerReadOnly,
		"OOM command not allowed when used memory > 'maxmemory'.":                                                            bullmq.ErrServerFull,
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk":                    bullmq.ErrServerFull,
		"ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -OOM command not allowed when used memory": bullmq.ErrServerFull,
		"ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -READONLY You can't write":                 bullmq.ErrServerReadOnly,
	} {
		t.Run(strings.Join(strings.Fields(reply)[:2], " "), func(t *testing.T) {
			t.Parallel()
			m := miniredis.RunT(t)
			rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), MaxRetries: -1})
			t.Cleanup(func() { _ = rdb.Close() })
			known, job := furnished(t, rdb)
			m.Server().SetPreHook(func(c *miniserver.Peer, cmd string, _ ...string) bool {
				if cmd == "HELLO" || cmd == "CLIENT" && reply != "ERR max number of clients reached" {
					return false
				}
				c.WriteError(reply)
				return true
			})
			for name, q := range map[string]*bullmq.Queue{"known": known, "new": newQueue(t, rdb, bullmq.QueueOptions{})} {
				calls := everything(t.Context(), q, job)
				delete(calls, "workers") // CLIENT LIST is let through
				unavailable(t, calls)
				if _, err := q.State(t.Context(), "later"); !errors.Is(err, want) {
					t.Errorf("%s queue: %v, want %v", name, err, want)
				}
			}
		})
	}
}

func testUnavailableNoAnswer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts redis.Options
		stop func(s *redistest.Server, rdb *redis.Client)
	}{
		"it is gone":     {redis.Options{}, func(s *redistest.Server, _ *redis.Client) { s.Kill() }},
		"it is too slow": {redis.Options{ReadTimeout: 5 * time.Millisecond, DialTimeout: 20 * time.Millisecond}, func(s *redistest.Server, _ *redis.Client) { s.Pause() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, redistest.Options{})
			_, job := furnished(t, client(t, s.Addr))
			tt.opts.Addr, tt.opts.MaxRetries, tt.opts.DialerRetries = s.Addr, -1, 1
			rdb := redis.NewClient(&tt.opts)
			t.Cleanup(func() { _ = rdb.Close() })
			q := newQueue(t, rdb, bullmq.QueueOptions{})
			tt.stop(s, rdb)
			calls := everything(t.Context(), q, job)
			for _, ofJob := range []string{"log", "progress", "data", "delay", "priority", "clear logs", "values", "ignored failures", "children counted", "children removed"} {
				if name != "it is gone" {
					delete(calls, ofJob) // they go over the other client
				}
			}
			if name != "it is gone" {
				delete(calls, "events") // which waits for as long as it takes
				delete(calls, "wait")
			}
			unavailable(t, calls)
			if name != "it is gone" {
				s.Continue()
			}
		})
	}
}

func testUnavailablePool(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	rdb := redis.NewClient(&redis.Options{Addr: s.rdb.Options().Addr, PoolSize: 1, PipelinePoolSize: -1, PoolTimeout: time.Millisecond, MaxRetries: -1})
	t.Cleanup(func() { _ = rdb.Close() })
	q, job := furnished(t, rdb)
	held := rdb.Conn()
	ok(t, held.Ping(t.Context()).Err())
	calls := everything(t.Context(), q, job)
	delete(calls, "events") // which has a connection of its own
	delete(calls, "add a flow")
	unavailable(t, calls)
	ok(t, held.Close())
}

// A real server that is busy, and one that is cut off from its master, say so also within
// a transaction.
func testUnavailableRealServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	t.Run("busy", func(t *testing.T) {
		t.Parallel()
		s := realServer(t)
		q, job := furnished(t, s.rdb)
		ok(t, s.rdb.ConfigSet(ctx, "lua-time-limit", "1").Err())
		other := redis.NewClient(&redis.Options{Addr: s.rdb.Options().Addr, ReadTimeout: -1, MaxRetries: -1})
		t.Cleanup(func() { _ = other.Close() })
		ended := make(chan error, 1)
		go func() { ended <- other.Eval(ctx, "while true do end", nil).Err() }()
		testproc.Eventually(t, wait, func() bool { return errors.Is(second(q.Counts(ctx)), bullmq.ErrUnavailable) }, "it is busy")
		calls := everything(ctx, q, job)
		delete(calls, "workers") // which a busy server may still tell
		unavailable(t, calls)
		ok(t, s.rdb.ScriptKill(ctx).Err())
		<-ended
		must[map[bullmq.State]int64](t)(q.Counts(ctx))
	})
	t.Run("without its master", func(t *testing.T) {
		t.Parallel()
		s := realServer(t)
		q, job := furnished(t, s.rdb)
		ok(t, s.rdb.ConfigSet(ctx, "replica-serve-stale-data", "no").Err())
		ok(t, s.rdb.ReplicaOf(ctx, "127.0.0.1", "1").Err())
		calls := everything(ctx, q, job)
		for _, name := range []string{"server", "workers"} { // of which every server tells
			delete(calls, name)
		}
		unavailable(t, calls)
	})
}

// What a call does not get because its own context has ended says nothing about Redis.
func testUnavailableEndedContext(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr, ContextTimeoutEnabled: true, ReadTimeout: wait, MaxRetries: -1})
	t.Cleanup(func() { _ = rdb.Close() })
	q, job := furnished(t, rdb)
	check := func(calls map[string]func() error, want error) {
		t.Helper()
		for name, call := range calls {
			if err := call(); !errors.Is(err, want) || errors.Is(err, bullmq.ErrUnavailable) {
				t.Errorf("%s: %v, want %v alone", name, err, want)
			}
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	check(everything(cancelled, q, job), context.Canceled)
	s.Pause()
	defer s.Continue()
	for name := range everything(t.Context(), q, job) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		check(map[string]func() error{name: everything(ctx, q, job)[name]}, context.DeadlineExceeded)
		cancel()
	}
}

func testUnavailableOtherErrors(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q, _ := furnished(t, s.rdb)
	for name, err := range map[string]error{
		"a job that does not exist": second(q.Job(t.Context(), "nobody")),
		"a refused argument":        second(q.Job(t.Context(), "meta")),
		"a scheduler that does not": second(q.Scheduler(t.Context(), "nobody")),
	} {
		if err == nil || errors.Is(err, bullmq.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_ = s.rdb.Close()
	if err := second(q.Counts(t.Context())); !errors.Is(err, redis.ErrClosed) || errors.Is(err, bullmq.ErrUnavailable) {
		t.Errorf("a closed client: %v", err)
	}
}

// A worker's hooks are told the same.
func testUnavailableOnLost(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	addr := l.Addr().String()
	ok(t, l.Close())
	lost := make(chan error, 10)
	start(t, client(t, addr), func(context.Context, *bullmq.Job) (any, error) { return nil, nil },
		bullmq.WorkerOptions{Hooks: bullmq.WorkerHooks{OnLost: func(err error) { lost <- err }}})
	if err := <-lost; !errors.Is(err, bullmq.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
