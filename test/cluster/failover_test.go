package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/config"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

func TestFailover(t *testing.T) {
	t.Parallel()
	t.Run("jobs continue after a Cluster master is killed", testFailoverCluster)
	t.Run("jobs continue after Sentinels replace the master", testFailoverSentinel)
	t.Run("every recipient is reached when the master is killed", testFailoverReachesEveryone)
}

func testFailoverCluster(t *testing.T) {
	t.Parallel()
	nodes := testenv.RedisCluster(t)
	rdb := testenv.ClusterClient(t, nodes) // with the client's own defaults
	master, err := rdb.MasterForKey(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	program, watcher := programsClient(t, nodes), testenv.ClusterClient(t, nodes)
	watched, err := bullmq.NewQueue(watcher, "q", bullmq.QueueOptions{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	load := newLoad(t, rdb)
	lists := func() error {
		workers, err := watched.Workers(t.Context())
		if len(workers) != 2 {
			err = errors.Join(err, fmt.Errorf("workers are %v", workers))
		}
		return err
	}
	testenv.Eventually(t, promise, lists, "the workers are listed")
	load.survives(master, func() { at(t, nodes, master.Options().Addr).Kill() })
	// These clients have slept since and still take the dead node for the master.
	testenv.Eventually(t, promise, lists, "the workers are listed at the new master")
	testenv.Eventually(t, promise, func() error { return program.Set(t.Context(), prefix, 2, 0).Err() }, "the program's own client writes")
}

// programsClient is the client that the program makes by its settings; it has found
// the master by now.
func programsClient(t *testing.T, nodes []*testenv.RedisProc) redis.UniversalClient {
	t.Helper()
	rdb, err := (&config.Redis{ClusterNodes: addrs(nodes)}).Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	if err := rdb.Set(t.Context(), prefix, 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	return rdb
}

// at is the node that listens there.
func at(t *testing.T, nodes []*testenv.RedisProc, addr string) *testenv.RedisProc {
	t.Helper()
	for _, n := range nodes {
		if n.Addr == addr {
			return n
		}
	}
	t.Fatalf("no node at %s", addr)
	return nil
}

func testFailoverSentinel(t *testing.T) {
	t.Parallel()
	s := testenv.Sentinel(t)
	rdb := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: s.Name, SentinelAddrs: s.Addrs})
	t.Cleanup(func() { _ = rdb.Close() })
	newLoad(t, rdb).survives(rdb, s.Master.Kill)
}

func addrs(nodes []*testenv.RedisProc) (addrs []string) {
	for _, n := range nodes {
		addrs = append(addrs, n.Addr)
	}
	return addrs
}

func testFailoverReachesEveryone(t *testing.T) {
	const people, before = 1000, 300
	t.Parallel()
	for _, c := range []struct {
		name  string
		start func(t *testing.T) (settings []string, kill func())
	}{
		{"by Sentinels", func(t *testing.T) ([]string, func()) {
			s := testenv.Sentinel(t)
			return []string{"REDIS_SENTINEL_ADDRS=" + strings.Join(s.Addrs, ","), "REDIS_SENTINEL_MASTER=" + s.Name}, s.Master.Kill
		}},
		{"in a Cluster", func(t *testing.T) ([]string, func()) {
			nodes := testenv.RedisCluster(t)
			return []string{"REDIS_CLUSTER_NODES=" + strings.Join(addrs(nodes), ","), "QUEUE_PREFIX=" + prefix}, func() {
				master, err := testenv.ClusterClient(t, nodes).MasterForKey(t.Context(), prefix)
				if err != nil {
					t.Fatal(err)
				}
				at(t, nodes, master.Options().Addr).Kill()
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mail := system.NewMail(t)
			settings, kill := c.start(t)
			s := system.New(t, system.Parts{Database: testenv.Postgres(t), SMTP: mail.Addr(), Settings: settings})
			serve, worker := s.Serve(), s.Worker("worker")
			s.AwaitReady()
			s.Import(people)
			mail.HoldAfter(before)
			created := s.Create()
			testenv.Eventually(t, patience, func() error {
				if n := mail.Accepted(); n < before {
					return fmt.Errorf("%d emails have left", n)
				}
				return nil
			}, "the event is half sent")
			kill()
			mail.Release()
			s.ReachedOnce(mail, created.ID, people)
			s.AwaitReady()
			worker.Stop()
			serve.Stop()
		})
	}
}
