package testenv

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	nodes := RedisCluster(t)
	c := ClusterClient(t, nodes)
	for i := range 50 {
		if err := c.Set(t.Context(), fmt.Sprint("key", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := c.DBSize(t.Context()).Result(); err != nil || n != 50 {
		t.Errorf("keys on the masters: %d, %v", n, err)
	}
	for i, n := range nodes {
		if size := dialRedis(t, n.Addr).DBSize(t.Context()).Val(); i < 3 && size == 0 {
			t.Errorf("master %s holds no key", n.Addr)
		}
	}
	nodes[0].Kill()
	heir := dialRedis(t, nodes[3].Addr)
	Eventually(t, time.Minute, func() error {
		info, err := heir.Info(t.Context(), "replication").Result()
		if err == nil && !strings.Contains(info, "role:master") {
			err = errors.New(info)
		}
		return err
	}, "the replica takes over")
	Eventually(t, time.Minute, func() error {
		return ClusterClient(t, nodes[1:]).Set(t.Context(), "{06S}", "slot 0", 0).Err() // a key of the dead master
	}, "its slots are writable")
}
