package testenv

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/redistest"
	"schoolbell/bullmq/testproc"
)

// Sentinels are a master and its replica under the eyes of three Sentinels.
type Sentinels struct {
	Addrs  []string   // of the Sentinels, "127.0.0.1:port"
	Name   string     // by which they know the master
	Master *RedisProc // when they started
	Heir   *RedisProc // the replica, which follows it
}

const (
	sentinelCount = 3
	sentinelName  = "school"
)

// Sentinel starts a master, a replica and three Sentinels that agree on them. A
// failover takes two or three seconds after the master's end.
func Sentinel(t testing.TB) *Sentinels {
	t.Helper()
	s := &Sentinels{Name: sentinelName, Master: RedisServer(t, RedisOptions{Args: []string{"--repl-diskless-sync-delay", "0"}})}
	host, port, err := net.SplitHostPort(s.Master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.Heir = RedisServer(t, RedisOptions{Args: []string{"--replicaof", host, port, "--repl-diskless-sync-delay", "0"}})
	for i, node := range []*RedisProc{s.Master, s.Heir} {
		c := redis.NewClient(&redis.Options{Addr: node.Addr})
		t.Cleanup(func() { _ = c.Close() })
		Eventually(t, testproc.StartTimeout, func() error { return replicating(context.Background(), c, i == 1) }, "replication with %s", node.Addr)
	}
	for range sentinelCount {
		s.Addrs = append(s.Addrs, startSentinel(t, s.Master.Path(), host, port))
	}
	for _, addr := range s.Addrs {
		Eventually(t, testproc.StartTimeout, func() error { return sentinelReady(addr) }, "the Sentinel at %s knows the others", addr)
	}
	return s
}

// startSentinel starts one that watches the master; it finds the replica and the
// other Sentinels automatically.
func startSentinel(t testing.TB, bin, host, port string) (addr string) {
	t.Helper()
	own, dir := FreePort(t), t.TempDir()
	conf := filepath.Join(dir, "sentinel.conf") // which it also writes to
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s %d\n", own, dir, sentinelName, host, port, sentinelCount/2+1) +
		fmt.Sprintf("sentinel down-after-milliseconds %[1]s 1000\nsentinel failover-timeout %[1]s 6000\n", sentinelName)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := testproc.Start(bin, []string{conf, "--sentinel"}, testproc.Options{Dir: dir, Log: filepath.Join(dir, "log"), Death: syscall.SIGKILL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(syscall.SIGTERM) })
	addr, pid := testproc.Loopback(own), p.PID()
	if err := p.Await(func() error { return redistest.Answers(addr, pid) }); err != nil {
		t.Fatal(err)
	}
	return addr
}

// sentinelReady checks that a Sentinel knows all it needs to carry out a failover.
func sentinelReady(addr string) error {
	c := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer func() { _ = c.Close() }()
	master, err := c.Master(context.Background(), sentinelName).Result()
	if err != nil {
		return err
	}
	if master["num-slaves"] != "1" || master["num-other-sentinels"] != strconv.Itoa(sentinelCount-1) {
		return fmt.Errorf("it knows %s replicas and %s other Sentinels", master["num-slaves"], master["num-other-sentinels"])
	}
	replicas, err := c.Replicas(context.Background(), sentinelName).Result()
	if err == nil && (len(replicas) != 1 || replicas[0]["flags"] != "slave" || !strings.HasPrefix(replicas[0]["master-link-status"], "ok")) {
		err = fmt.Errorf("the replica is %v", replicas)
	}
	return err
}
