package interop

import (
	"context"
	"testing"

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

func TestQueuesAreSharedInAClusterToo(t *testing.T) {
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

func TestQueuesAreSharedUnderSentinelsToo(t *testing.T) {
	inBothMajors(t, func(t *testing.T, major int) {
		s := testenv.Sentinel(t)
		r := newRigIn(t, major, site{Prefix: bullmq.DefaultPrefix, Servers: s.Addrs, Master: s.Name})
		flowsRunInBothLanguages(r)
		workersAreListed(r)
	})
}
