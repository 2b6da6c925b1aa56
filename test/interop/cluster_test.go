package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// scenarios are tests that hold wherever the queues are.
var scenarios = []struct {
	name string
	run  func(r *rig)
}{
	{"Go works off what Node adds", goWorksOffWhatNodeAdds},
	{"Node works off what Go adds", nodeWorksOffWhatGoAdds},
	{"every job runs once", everyJobRunsOnce},
	{"flows run in both languages", flowsRunInBothLanguages},
	{"a scheduler's jobs are made by turns", schedulersJobsAreMadeByTurns},
	{"a scheduler is changed and removed", schedulerIsChangedAndRemoved},
	{"a scheduler runs on time", schedulerRunsOnTime},
	{"workers are listed", workersAreListed},
}

func TestCluster(t *testing.T) {
	inBothMajors(t, func(t *testing.T, major int) {
		nodes := testenv.RedisCluster(t)
		at := site{Prefix: "{bull}"}
		for _, n := range nodes {
			at.Servers = append(at.Servers, n.Addr)
		}
		cluster := testenv.ClusterClient(t, nodes)
		for _, s := range scenarios {
			t.Run(s.name, func(t *testing.T) {
				err := cluster.ForEachMaster(t.Context(), func(ctx context.Context, c *redis.Client) error { return c.FlushAll(ctx).Err() })
				if err != nil {
					t.Fatal(err)
				}
				s.run(newRigIn(t, major, at))
			})
		}
	})
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	t.Run("queues are shared", testSentinelSharesQueues)
	t.Run("both languages continue after a failover", testSentinelFailover)
}

func testSentinelSharesQueues(t *testing.T) {
	inBothMajors(t, func(t *testing.T, major int) {
		s := testenv.Sentinel(t)
		r := newRigIn(t, major, site{Prefix: bullmq.DefaultPrefix, Servers: s.Addrs, Master: s.Name})
		flowsRunInBothLanguages(r)
		workersAreListed(r)
	})
}

func testSentinelFailover(t *testing.T) {
	const each = 100
	inBothMajors(t, func(t *testing.T, major int) {
		s := testenv.Sentinel(t)
		r := newRigIn(t, major, site{Prefix: bullmq.DefaultPrefix, Servers: s.Addrs, Master: s.Name})
		q := r.queue("q")
		r.node.do(nil, `await $.worker('q', () => new Promise((done) => setTimeout(() => done('node'), 5)),
			{ name: 'node', drainDelay: 1, lockDuration: args[0], stalledInterval: args[1], maxStalledCount: 100, runRetryDelay: 200 })`,
			shortLock.Milliseconds(), shortStalled.Milliseconds())
		r.work("q", func(context.Context, *bullmq.Job) (any, error) {
			<-time.After(5 * time.Millisecond) // the work
			return "go", nil
		}, bullmq.WorkerOptions{Name: "go", DrainDelay: time.Second, LockDuration: shortLock, StalledInterval: shortStalled, MaxStalledCount: 100})
		r.ok(r.addSurely(q, "before", each))
		r.completed(q, each/4)
		r.ok(r.rdb.Do(r.Context(), "wait", 1, patience.Milliseconds()).Err()) // the replica has all jobs
		s.Master.Kill()
		r.ok(r.addSurely(q, "after", each))
		added := 2 * each
		testenv.Eventually(r.T, patience, func() error { // one of them may find the new master late
			by, err := processedAfter(r.Context(), q)
			if err == nil && (by["go"] == 0 || by["node"] == 0) {
				err = fmt.Errorf("jobs added after the failover were completed by %v", by)
				r.ok(r.addSurely(q, fmt.Sprint("after-", added), 10))
				added += 10
			}
			return err
		}, "both languages work after the failover")
		r.counts(q, map[bullmq.State]int64{bullmq.StateCompleted: int64(added), bullmq.StateActive: 0, bullmq.StateWaiting: 0, bullmq.StateFailed: 0}, "all jobs are completed")
	})
}

// processedAfter counts the completed jobs that were added after the failover by their worker.
func processedAfter(ctx context.Context, q *bullmq.Queue) (map[string]int, error) {
	done, err := q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{bullmq.StateCompleted}, OldestFirst: true})
	by := map[string]int{}
	for _, job := range done {
		if strings.HasPrefix(job.ID, "after") {
			by[job.ProcessedBy]++
		}
	}
	return by, err
}
