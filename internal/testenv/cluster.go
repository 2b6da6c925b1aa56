package testenv

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/testproc"
)

const clusterSlots = 16384 // fixed by Redis

// RedisCluster starts a Redis Cluster of three masters and as many replicas, ready
// to serve, and returns its nodes, masters first: replica i follows master i. A
// node that a test stops is not started again. A failover takes about three
// seconds after a master's end.
func RedisCluster(t testing.TB) []*RedisProc {
	t.Helper()
	const masters = 3
	nodes := make([]*RedisProc, 2*masters)
	clients := make([]*redis.Client, len(nodes))
	for i := range nodes {
		bus := FreePort(t)
		nodes[i] = RedisServer(t, RedisOptions{Args: []string{
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "2000",
		}})
		clients[i] = redis.NewClient(&redis.Options{Addr: nodes[i].Addr})
		t.Cleanup(func() { _ = clients[i].Close() })
	}
	ctx := context.Background()
	do := func(i int, args ...any) string {
		t.Helper()
		reply, err := clients[i].Do(ctx, args...).Text()
		if err != nil {
			t.Fatalf("%v at node %d: %v", args, i, err)
		}
		return reply
	}
	for i := range nodes {
		do(i, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		if i < masters {
			do(i, "CLUSTER", "ADDSLOTSRANGE", i*clusterSlots/masters, (i+1)*clusterSlots/masters-1)
		}
	}
	host, port, _ := net.SplitHostPort(nodes[0].Addr)
	bus := busPort(do(0, "CLUSTER", "NODES"))
	for i := 1; i < len(nodes); i++ {
		do(i, "CLUSTER", "MEET", host, port, bus)
	}
	all := func(what string, cond func(i int) error) {
		t.Helper()
		for i := range nodes {
			Eventually(t, testproc.StartTimeout, func() error { return cond(i) }, "%s at node %d of the cluster", what, i)
		}
	}
	known := func(want string) func(int) error {
		return func(i int) error {
			info, err := clients[i].ClusterInfo(ctx).Result()
			if err == nil && !strings.Contains(info, want) {
				err = fmt.Errorf("no %q in %q", want, info)
			}
			return err
		}
	}
	all("every node known", known(fmt.Sprintf("cluster_known_nodes:%d", len(nodes))))
	for i := masters; i < len(nodes); i++ {
		master := do(i-masters, "CLUSTER", "MYID")
		Eventually(t, testproc.StartTimeout, func() error { return clients[i].ClusterReplicate(ctx, master).Err() }, "replica %d follows its master", i)
	}
	all("ready", known("cluster_state:ok"))
	all("replication", func(i int) error { return replicating(ctx, clients[i], i >= masters) })
	return nodes
}

// replicating checks that a replica has its master's data and a master its replica.
func replicating(ctx context.Context, c *redis.Client, replica bool) error {
	info, err := c.Info(ctx, "replication").Result()
	want := "connected_slaves:1"
	if replica {
		want = "master_link_status:up"
	}
	if err == nil && !strings.Contains(info, want) {
		err = fmt.Errorf("no %s in %q", want, info)
	}
	return err
}

// busPort reads the cluster's own port from a node's line about itself:
// id address:port@bus flags …
func busPort(nodes string) string {
	_, after, _ := strings.Cut(nodes, "@")
	end := strings.IndexFunc(after, func(r rune) bool { return r < '0' || r > '9' })
	return after[:max(end, 0)]
}

// ClusterClient returns a client of the cluster that the nodes form, closed when
// the test ends.
func ClusterClient(t testing.TB, nodes []*RedisProc) *redis.ClusterClient {
	t.Helper()
	addrs := make([]string, len(nodes))
	for i, n := range nodes {
		addrs[i] = n.Addr
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, DialTimeout: 5 * time.Second})
	t.Cleanup(func() { _ = c.Close() })
	return c
}
